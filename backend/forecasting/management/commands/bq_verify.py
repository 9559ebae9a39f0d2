import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from backend.forecasting.conf import SETTINGS, Config
from backend.forecasting.findings_text import describe_findings
from backend.forecasting.management.commands._pipeline import PipelineCommand, whole_days
from backend.forecasting.verification.verify import verify


class Command(PipelineCommand):
    help = "Verify that the pipeline is all there and that what it loaded is right. Reads only."
    setting_fields = tuple(s.field for s in SETTINGS if s.flag)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--horizon-days",
            metavar="DAYS",
            default="30",
            help="how far ahead the model will forecast (default: 30)",
        )
        parser.add_argument(
            "--strict", action="store_true", help="fail on warnings too (exit status 2)"
        )

    def work(self, config: Config, options: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        horizon = whole_days("--horizon-days", options["horizon_days"])
        result = verify(
            config,
            self.clients(config),
            now,
            horizon_days=horizon,
            strict=options["strict"],
        )
        for line in describe_findings(result.findings, self.style):
            self.say(line)
        if self.as_json:
            self.stdout.write(json.dumps(result.as_json(), indent=2))
        if result.failure:
            raise result.failure
