from argparse import ArgumentParser
from typing import Any

from ...conf import SETTINGS, Config
from ...errors import SettingError
from ...setting import DAYS
from ...sql.queries import render_nightly_load
from ...sql.role import render_connection_role
from ._pipeline import PipelineCommand, add_mode_arguments, mode_of, refuse_together


class Command(PipelineCommand):
    help = (
        "Create the connection to Cloud SQL and the scheduled query that loads the training table "
        "every night, or bring them up to date."
    )
    setting_fields = tuple(
        s.field for s in SETTINGS if s.flag and s.field not in ("max_age_hours", "horizon_days")
    )
    timed = (
        "the command takes, with the run and all else that it waits for and tries again, or that "
        "each slice of a backfill takes"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        add_mode_arguments(parser)
        load = parser.add_mutually_exclusive_group()
        load.add_argument(
            "--run-now",
            action="store_true",
            help="start a run (or adopt one under way), wait for its end and report its rows",
        )
        load.add_argument(
            "--backfill-days",
            metavar="DAYS",
            help="load the last DAYS complete days once, directly and in slices; may be run again "
            "after an interruption",
        )
        parser.add_argument(
            "--no-wait", action="store_true", help="with --run-now: do not wait for its end"
        )
        parser.add_argument(
            "--allow-deleting",
            action="store_true",
            help="let the next run delete days of the training table that it keeps as things are "
            "(a smaller window, history no longer kept)",
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
            self.print(render_nightly_load(config))
            return
        if options["print_role_sql"]:
            self.print(render_connection_role(config))
            return
        self._set_up(config, options)

    def _set_up(self, config: Config, options: dict[str, Any]) -> None:
        from ...output.progress import RunProgress
        from ...output.text import describe_backfill, describe_run
        from ...setup import RunOptions, set_up_etl

        mode = mode_of(options)
        refuse_together(options, "run_now", "backfill_days")
        days = options["backfill_days"]
        if options["no_wait"] and not options["run_now"]:
            raise SettingError("--no-wait goes with --run-now", "give both, or neither")
        run = RunOptions(
            start=options["run_now"],
            wait=not options["no_wait"],
            backfill_days=DAYS.read("--backfill-days", days) if days else 0,
            timeout=self.timeout,
        )
        with RunProgress(self.talk) as progress:
            tell = self.listeners(mode, on_run=progress.show)
            outcome = set_up_etl(
                config,
                self.clients(config),
                mode,
                tell,
                run,
                allow_deleting=options["allow_deleting"],
            )
        if outcome.run:
            self.say((describe_backfill if days else describe_run)(outcome.run))
        self.finish(outcome)
