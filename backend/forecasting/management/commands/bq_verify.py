import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from backend.forecasting.conf import SETTINGS, Config
from backend.forecasting.findings_text import describe_findings
from backend.forecasting.management.commands._pipeline import PipelineCommand
from backend.forecasting.verification.verify import verify


class Command(PipelineCommand):
    help = "Verify that the pipeline is all there and that what it loaded is right. Reads only."
    setting_fields = tuple(s.field for s in SETTINGS if s.flag)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--strict", action="store_true", help="fail on warnings too (exit status 2)"
        )

    def work(self, config: Config, options: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        result = verify(config, self.clients(config), now, strict=options["strict"])
        for line in describe_findings(result.findings, self.style):
            self.say(line)
        if self.as_json:
            self.stdout.write(json.dumps(result.as_json(), indent=2))
        if result.failure:
            raise result.failure
