from argparse import ArgumentParser
from functools import partial
from typing import Any

from backend.forecasting.conf import SETTINGS, Config
from backend.forecasting.management.commands._pipeline import (
    PipelineCommand,
    add_mode_arguments,
    seconds,
)
from backend.forecasting.run_text import RunProgress, describe_run
from backend.forecasting.setup import Listeners, RunOptions, set_up_etl
from backend.forecasting.sql import render_connection_role, render_nightly_load


class Command(PipelineCommand):
    help = (
        "Create the connection to Cloud SQL and the scheduled query that loads the training table "
        "every night, or bring them up to date."
    )
    setting_fields = tuple(s.field for s in SETTINGS if s.flag and s.field != "max_age_hours")

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        add_mode_arguments(parser)
        parser.add_argument(
            "--run-now",
            action="store_true",
            help="start a run (or adopt one under way), wait for its end and report its rows",
        )
        parser.add_argument(
            "--no-wait", action="store_true", help="with --run-now: do not wait for its end"
        )
        parser.add_argument(
            "--timeout",
            metavar="SECONDS",
            default="900",
            help="how long to wait for the run (default: 900)",
        )
        parser.add_argument(
            "--print-sql",
            action="store_true",
            help="print the script that the scheduled query stores, and do nothing else",
        )
        parser.add_argument(
            "--print-role-sql",
            action="store_true",
            help="print the psql script that makes the PostgreSQL role of the connection, and do "
            "nothing else",
        )

    def work(self, config: Config, options: dict[str, Any]) -> None:
        if options["print_sql"]:
            self.stdout.write(render_nightly_load(config), ending="")
            return
        if options["print_role_sql"]:
            self.stdout.write(render_connection_role(config), ending="")
            return
        mode = options["mode"]
        timeout = seconds("--timeout", options["timeout"])
        run = RunOptions(start=options["run_now"], timeout=0 if options["no_wait"] else timeout)
        with RunProgress(self.talk) as progress:
            tell = Listeners(
                plan=partial(self.show_plans, mode=mode), note=self.say, run=progress.show
            )
            outcome = set_up_etl(config, self.clients(config), mode, tell, run)
        if outcome.run:
            self.say(describe_run(outcome.run))
        self.finish(outcome)
