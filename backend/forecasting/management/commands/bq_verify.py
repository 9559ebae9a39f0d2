from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...conf import SETTINGS, Config
from ...errors import SettingError
from ._events import ERROR, INFO, WARNING
from ._options import read_path
from ._pipeline import PipelineCommand

if TYPE_CHECKING:
    from ...google.clients import Clients
    from ...verification.verify import Verification


class Command(PipelineCommand):
    help = "Verify that the pipeline is all there and that what it loaded is right. Reads only."
    examples = (
        ("--reconcile --report report.html", "compare with PostgreSQL, and write a page"),
        ("--strict --format json", "in a job: exit status 2 for a warning too"),
    )
    setting_fields = tuple(s.field for s in SETTINGS if s.flag)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--strict", action="store_true", help="fail on warnings too (exit status 2)"
        )
        parser.add_argument(
            "--reconcile", action="store_true", help="compare with the source database, day by day"
        )
        parser.add_argument(
            "--baseline",
            action="store_true",
            help="compute how well the simplest forecasts would have done over the last horizon",
        )
        parser.add_argument(
            "--training-spec",
            metavar="FILE",
            type=Path,
            help="write what Vertex AI's own client takes to train on the usable series, as JSON "
            "(-: standard output)",
        )
        parser.add_argument(
            "--report",
            metavar="FILE",
            type=Path,
            help="write a page with the checks and charts of the data to look at in a browser (-: "
            "standard output)",
        )

    def work(self, config: Config, options: dict[str, Any]) -> None:
        from ...output.files import refuse_unwritable
        from ...output.text import describe_baseline
        from ...verification.verify import verify

        _require_horizon(config, options)
        files: dict[str, Path] = {}
        for flag in ("--report", "--training-spec"):
            given = options[flag[2:].replace("-", "_")]
            if given is not None:
                files[flag] = read_path(flag, given)
                self.claim_stdout(flag, files[flag])
                refuse_unwritable(flag, files[flag])
        _refuse_one_file(files)
        clients = self.clients(config)
        result = verify(
            config,
            clients,
            strict=options["strict"],
            reconcile=options["reconcile"],
            baseline=options["baseline"],
            show_baseline=bool(files),
        )
        for line in describe_baseline(result.snapshot.baseline):
            self.show(line)
        self._show_findings(result)
        self.answer(result.as_json())
        if "--report" in files:
            self._write_report(files["--report"], result, clients)
        if "--training-spec" in files:
            self._write_training_spec(files["--training-spec"], result)
        if result.failure:
            raise result.failure

    def _show_findings(self, result: Verification) -> None:
        from ...output.text import describe_finding, describe_findings
        from ...verification.findings import FindingStatus

        if self.verbosity and not self.events:
            for line in describe_findings(result.findings, self.style, self.seconds):
                self.show(line)
            return
        severities = {FindingStatus.WARNED: WARNING, FindingStatus.FAILED: ERROR}
        for finding in result.findings:
            severity = severities.get(finding.status, INFO)
            self.show(describe_finding(finding, self.style), severity, resource=finding.id)

    def _write_report(self, path: Path, result: Verification, clients: Clients) -> None:
        from ...output.report import render_report

        page, why_no_charts = render_report(result, clients)
        self.write_file(path, page)
        without = f", without charts: {why_no_charts}" if why_no_charts else ""
        self.say(f"Report: {path.absolute() if path.exists() else path}{without}")

    def _write_training_spec(self, path: Path, result: Verification) -> None:
        from ...output.training_spec import render_training_spec

        self.write_file(path, render_training_spec(result))
        self.say(f"Training specification: {path.absolute() if path.exists() else path}")


def _require_horizon(config: Config, options: dict[str, Any]) -> None:
    flags = [f for f in ("baseline", "training_spec") if options[f]]
    if flags and not config.horizon_days:
        raise SettingError(
            "FORECASTING_HORIZON_DAYS is not set",
            f"--{flags[0].replace('_', '-')} needs to know how many days ahead are "
            "forecast; set it in the environment or .env, or give --horizon-days",
        )


def _refuse_one_file(files: dict[str, Path]) -> None:
    """Raise SettingError where the second file would take the place of the first."""
    (flag, path), *others = files.items() or [("", Path())]
    for other, same in others:
        if path.resolve() == same.resolve():
            raise SettingError(f"{flag} and {other} are one file, {same}", "name two")
