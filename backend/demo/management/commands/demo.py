from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.localcloud.postgres.server import LocalPostgresError


class Command(BaseCommand):
    help = (
        "Runs the whole pipeline on this machine: sample history, setup, nightly load, check. "
        "Needs no Google account; stops and removes all that it started."
    )
    # The demo has a database of its own and looks at no other.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--entities", type=int, metavar="N", help="size of the sample history (default: 300)"
        )
        parser.add_argument(
            "--events", type=Path, metavar="FILE.csv.gz", help="load these event records instead"
        )
        parser.add_argument(
            "--horizon-days",
            metavar="N",
            help="show the way to a model that forecasts N days ahead too",
        )
        parser.add_argument(
            "--keep",
            action="store_true",
            help="leave the servers running until Ctrl-C, with the admin's status page",
        )

    def handle(
        self,
        *args: Any,
        entities: int | None,
        events: Path | None,
        horizon_days: str | None,
        keep: bool,
        **options: Any,
    ) -> None:
        from backend.demo.run import DemoOptions, run_demo
        from backend.demo.steps import DemoError

        horizon = None if horizon_days is None else _read_days(horizon_days)
        wanted = DemoOptions(entities=entities, events=events, horizon_days=horizon, keep=keep)
        try:
            run_demo(wanted, self._write)
        except DemoError as error:
            raise CommandError(str(error), returncode=error.returncode) from error
        except LocalPostgresError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("interrupted; all is stopped", returncode=130) from None

    def _write(self, line: str) -> None:
        self.stdout.write(line)
        # The commands write to the same terminal, past this process's buffer.
        self.stdout.flush()


def _read_days(text: str) -> int:
    """The number, refused before anything is started where it is none."""
    from backend.forecasting.conf.forms import DAYS
    from backend.forecasting.errors import SettingError

    try:
        return int(DAYS.read("--horizon-days", text))
    except SettingError as error:
        raise CommandError(str(error)) from error
