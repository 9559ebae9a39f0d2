from __future__ import annotations

from argparse import ArgumentParser
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ...conf import SETTINGS, Config
from ...conf.forms import DAYS
from ...counting import count_things
from ...errors import SettingError
from ...sql.queries import render_nightly_load
from ...sql.role import render_connection_role
from ._events import ERROR, INFO
from ._listeners import make_listeners
from ._options import add_mode_arguments, idle_flags, mode_of, refuse_alone, refuse_together
from ._pipeline import PipelineCommand

if TYPE_CHECKING:
    from ...loading.runs import RunResult
    from ...setup.etl import RunOptions

_ACTIONS = (
    *("print_sql", "print_role_sql", "dry_run", "check", "run_now", "no_wait", "backfill_days"),
    "allow_deleting",
)

_WHERE = {"project", "instance"}
_OF_THE_SCRIPT = {"location", "dataset", "table", "connection_id", "score_source"}
_OF_THE_SCRIPT |= {"window_days", "refresh_days", "keep_history", "min_rows_ratio"}
_PRINTED = {
    "print_sql": (render_nightly_load, _WHERE | _OF_THE_SCRIPT),
    "print_role_sql": (render_connection_role, _WHERE | {"source_database", "score_source"}),
}
"""With what the script is made from; where everything is, is named with every command."""


class Command(PipelineCommand):
    help = (
        "Create the connection to Cloud SQL and the scheduled query that loads the training table "
        "every night, or bring them up to date."
    )
    setting_fields = tuple(
        s.field for s in SETTINGS if s.flag and s.field not in ("max_age_hours", "horizon_days")
    )
    examples = (
        ("--run-now", "set it up, load the table at once, and report the rows"),
        ("--backfill-days 365 --dry-run", "show what would be changed and loaded"),
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
            "(a smaller window, history no longer kept, a schedule that was off for long), and a "
            "backfill rows that PostgreSQL has no more",
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

    def spared(self, options: dict[str, Any]) -> tuple[str, ...]:
        return ("project", "instance") if options["print_role_sql"] else ()

    def work(self, config: Config, options: dict[str, Any]) -> None:
        refuse_alone(options, "print_sql", _ACTIONS)
        refuse_alone(options, "print_role_sql", _ACTIONS)
        for field, (render, read) in _PRINTED.items():
            if options[field]:
                if flags := idle_flags(options, set(self.setting_fields) - read):
                    self.warn(f"no effect of {flags} on what --{field.replace('_', '-')} prints")
                self.print(render(config))
                return
        self._set_up(config, options)

    def _set_up(self, config: Config, options: dict[str, Any]) -> None:
        from ...output.progress import RunProgress
        from ...setup.etl import RunOptions, set_up_etl
        from ...setup.outcome import Mode, Status

        mode = mode_of(options)
        refuse_together(options, "run_now", "backfill_days")
        days = options["backfill_days"]
        if options["no_wait"] and not options["run_now"]:
            raise SettingError("--no-wait goes with --run-now", "give both, or neither")
        run = RunOptions(
            start=options["run_now"],
            wait=not options["no_wait"],
            backfill_days=0 if days is None else DAYS.read("--backfill-days", days),
            allow_deleting=options["allow_deleting"],
            timeout=self.timeout,
        )
        plain = bool(options.get("no_color"))
        spins, shown = self.verbosity == 1, self.verbosity > 0
        progress = RunProgress(self.talk, shown=shown, plain=plain, spin=spins)
        with closing(progress):
            tell = make_listeners(self, mode, on_run=progress.show, loads=run.loads)
            outcome = set_up_etl(config, self.clients(config), mode, tell, run)
        if mode is not Mode.APPLY and outcome.status is not Status.CONFLICT:
            self._show_what_would_follow(run)
        if outcome.run:
            self._show_end(outcome.run, config, backfill=bool(days))
        self.finish(outcome)

    def _show_what_would_follow(self, run: RunOptions) -> None:
        if run.start:
            wait = "wait for its end" if run.wait else "not wait for its end"
            self.say(f"Then a run would be started, or one under way adopted, to {wait}.")
        elif run.backfill_days:
            days = count_things(run.backfill_days, "complete day")
            self.say(f"Then the last {days} would be loaded directly.")

    def _show_end(self, run: RunResult, config: Config, *, backfill: bool) -> None:
        from ...output.text import console_link, describe_backfill, describe_run

        line = (describe_backfill if backfill else describe_run)(run)
        link = "" if backfill else console_link(run.name, config)
        severity = ERROR if run.failed else INFO
        self.say(f"{line} {link}".rstrip(), severity, run=run.name, duration=run.seconds)
