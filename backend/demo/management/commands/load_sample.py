from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.demo.gdelt import read_events
from backend.demo.history import HistoryError, write_history
from backend.demo.sample import SampleOptions, generate_history


class Command(BaseCommand):
    help = "Fills an empty database with a sample history up to yesterday, or with real records."

    def add_arguments(self, parser: ArgumentParser) -> None:
        defaults = SampleOptions
        for name in ("seed", "entities", "days"):
            default = getattr(defaults, name)
            parser.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}")
        parser.add_argument(
            "--events", type=Path, metavar="FILE.csv.gz", help="load these event records instead"
        )
        parser.add_argument(
            "--replace", action="store_true", help="delete all entities and events first"
        )

    def handle(
        self,
        *args: Any,
        seed: int,
        entities: int,
        days: int,
        events: Path | None,
        replace: bool,
        **options: Any,
    ) -> None:
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        try:
            if events:
                history = read_events(events, last_day=yesterday)
            else:
                history = generate_history(
                    SampleOptions(last_day=yesterday, days=days, entities=entities, seed=seed)
                )
            write_history(history, replace=replace)
        except HistoryError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Loaded {history}, up to {yesterday} (UTC).")
