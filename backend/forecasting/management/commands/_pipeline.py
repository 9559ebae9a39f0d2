"""What the three commands share: their options, their output and their exit status.

What needs Google's libraries is imported where it is used: half a second, which --help, a refused
flag and --print-sql do without.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from django.core.management.base import BaseCommand, CommandError, OutputWrapper

from ... import __version__
from ...activity import telling
from ...conf import SETTINGS, Config, load_config, unknown_settings
from ...database.mapping import load_mapping
from ...errors import ForecastingError, SettingError, printable, shown
from ...output.terminal import columns, wants_no_colour, wrap
from ...setting import SECONDS, SWITCH, Setting
from ..usage import asks_for_json, document_of
from ._ending import (
    FAILED,
    EndedFromOutside,
    OutputError,
    StandardError,
    flush_output,
    forget_output,
    leave_for,
    print_error,
    show_what_can_be_shown,
    signals_raised,
    writing,
)
from ._events import DEBUG, ERROR, INFO, WARNING, Tell, make_events
from ._help import HelpFormatter, epilog_of
from ._imports import without_arrow
from ._options import read_switches, read_verbosity, switches_of
from ._watchdog import watching

if TYPE_CHECKING:
    from google.cloud.bigquery_datatransfer_v1.types import TransferRun

    from ...google.clients import Clients
    from ...loading.backfill import SliceOutcome
    from ...outcome import Mode, Outcome
    from ...provisioning.plan import Plan
    from ...setup import Listeners

_FORMATS = ("text", "json")


class PipelineCommand(BaseCommand):
    """A command of the pipeline: a ForecastingError becomes its message and exit status."""

    # The settings that matter are checked by the command itself, with its flags taken in.
    requires_system_checks = ()
    setting_fields: Iterable[str] = ()
    optional_fields: Iterable[str] = ()
    examples: tuple[tuple[str, str], ...] = ()
    name = ""
    switches: tuple[str, ...] = ()
    as_json = False
    verbosity = 1
    events: Tell | None = None
    run_state = ""
    answered = False
    ends_process = False
    stdout_claimed = False
    left_behind = "nothing was changed"
    timed = "the command takes, with all that it waits for and tries again"

    def get_version(self) -> str:
        return __version__

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Wrong usage ends with exit status 1: argparse's own 2 means drift or failure here."""
        kwargs.setdefault("formatter_class", HelpFormatter)
        kwargs.setdefault("epilog", epilog_of(subcommand, self.examples))
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        self.name, self.switches = subcommand, switches_of(parser)
        with suppress(SettingError):  # It is told when the command begins.
            self.events = self._make_events()
        if self.events:
            parser.print_usage = lambda file=None: None  # type: ignore[method-assign]
        leave = parser.exit

        def leave_with_own_status(status: int = 0, message: str | None = None) -> NoReturn:
            if status:
                message = self._tell_misuse((message or "").strip())
            leave(FAILED if status else 0, message)

        parser.exit = leave_with_own_status  # type: ignore[method-assign]
        return parser

    def _make_events(self) -> Tell | None:
        return make_events(self.name, partial(self.stderr.write, style_func=str))

    def _tell_misuse(self, sentence: str) -> str:
        """What is left for argparse to write of it."""
        self._write_error(ForecastingError(sentence))
        if self.events:
            self.events(ERROR, sentence)
        return "" if self.events else f"{sentence}\n"

    def run_from_argv(self, argv: list[str]) -> None:
        self.as_json = asks_for_json(argv[2:])
        self.ends_process = True
        show_what_can_be_shown()
        self._keep_standard_error()
        try:
            if sys.stdout is None:
                raise OutputError
            with signals_raised(), without_arrow():
                self._run_and_flush(argv)
        except EndedFromOutside as ended:
            self._tell_ending()
            sys.exit(ended.status)
        except OutputError as error:
            leave_for(error, self._print_error)

    def _keep_standard_error(self) -> None:
        """Where it is closed nobody reads it, and the command goes on."""
        coloured = self.stderr.style_func
        stream: TextIO | None = vars(self.stderr)["_out"]
        self.stderr = StandardError(stream or io.StringIO())
        self.stderr.style_func = coloured

    def _run_and_flush(self, argv: list[str]) -> None:
        try:
            super().run_from_argv(argv)
        except SystemExit:
            flush_output()
            raise
        flush_output()

    def _leave_late(self, sentence: str) -> NoReturn:
        try:
            if self.as_json:
                self._write_error(ForecastingError(sentence))
                flush_output()
            self._print_error(sentence)
        finally:
            os._exit(FAILED)

    def _tell_ending(self) -> None:
        sentence = f"Interrupted: {self.left_behind}."
        try:
            self._write_error(ForecastingError(sentence))
            flush_output()
        except OutputError:  # The same Ctrl-C has ended whoever reads.
            forget_output()
        self._print_error(sentence)

    def _print_error(self, sentence: str) -> None:
        if self.events:
            self.events(ERROR, sentence)
        else:
            print_error(sentence)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--format",
            choices=_FORMATS,
            default="text",
            help="text (default), or json: one document on stdout, everything else on stderr",
        )
        parser.add_argument(
            "--timeout",
            metavar="SECONDS",
            default="900",
            help=f"the longest that {self.timed} (default: 900); then exit status 1",
        )
        for setting in SETTINGS:
            if setting.field in self.setting_fields:
                _add_setting(parser, setting)

    def execute(self, *args: Any, **options: Any) -> Any:
        if wants_no_colour(os.environ) and not options.get("force_color"):
            options["no_color"] = True
        self.colours = {name: options.get(name) for name in ("no_color", "force_color")}
        if all(self.colours.values()):  # It is refused when the command begins, as all else is.
            options["force_color"] = False
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        self.as_json = options["format"] == "json"
        self.answered = self.stdout_claimed = False
        self.seconds = dict[str, float]()
        try:
            self.events = self._make_events()
            self.verbosity = read_verbosity(options["verbosity"])
            read_switches(options, self.switches)
            self._do(options)
        except ForecastingError as error:
            self._write_error(error)
            raise self._failure_of(error, time.monotonic() - began) from error
        except Exception as error:
            self._tell_fault(error)
            raise
        if self.events:
            self.say("Ended as it should.", duration=round(time.monotonic() - began, 3))

    def _do(self, options: dict[str, Any]) -> None:
        _refuse_other_format(options["format"])
        refuse_together(self.colours, *self.colours)
        self.timeout = SECONDS.read("--timeout", options["timeout"])
        for unknown in unknown_settings():
            self.warn(str(unknown))
        leave = self._leave_late if self.ends_process else None
        with watching(self.timeout, leave) as self.dog, ExitStack() as self.block:
            if self.verbosity > 1:
                self.block.enter_context(telling(self._show_done))
            config = load_config(options, optional=self.spared(options))
            load_mapping(config)  # what fits no model is said before anything is asked
            self.work(config, options)

    def spared(self, options: dict[str, Any]) -> Iterable[str]:
        """The settings that may be missing for what is asked."""
        return self.optional_fields

    def _failure_of(self, error: ForecastingError, seconds: float) -> CommandError:
        message = _clean(str(error))
        if self.events:
            self.events(ERROR, message, duration=round(seconds, 3))
        if self.ends_process:
            message = self._fit_failure(message)
        return CommandError(message, returncode=error.returncode)

    def _tell_fault(self, error: Exception) -> None:
        """Tell those who read no traceback that there is one."""
        kind = type(error).__name__
        sentence = f"{self.name} ended by a fault of its own, {kind}: see its standard error."
        self._write_error(ForecastingError(sentence))
        if self.events:
            self.events(ERROR, sentence)

    def _fit_failure(self, message: str) -> str:
        """What Django is to write on standard error: as wide as that is, or nothing."""
        if self.events:
            self.stderr = OutputWrapper(io.StringIO())
        elif self.stderr.isatty():
            before = f"{CommandError.__name__}: "
            return wrap(f"{before}{message}", columns()).removeprefix(before)
        return message

    def warn(self, sentence: str) -> None:
        """Tell of what may not be meant; nothing under -v 0."""
        if not self.verbosity:
            return
        if self.events:
            self.events(WARNING, sentence)
        else:
            self.stderr.write(self.style.WARNING(f"Warning: {sentence}"))

    def _show_done(self, what: str, seconds: float, has_parts: bool) -> None:
        self.seconds[what] = self.seconds.get(what, 0) + seconds
        if not has_parts:
            self.say(f"{what}: {seconds:.2f} s", DEBUG, duration=round(seconds, 3))

    def work(self, config: Config, options: dict[str, Any]) -> None:
        """Do what the command is for. Raises ForecastingError."""
        raise NotImplementedError

    def clients(self, config: Config) -> Clients:
        """Google's clients, which from now on have until --timeout."""
        from ...google.clients import make_clients
        from ...google.logs import requests_told

        if self.verbosity > 2:
            self.block.enter_context(requests_told(lambda line: self.say(line, DEBUG)))
        clients = make_clients(config)
        clients.deadline.start(self.dog.left, f"the {self.timeout:g} seconds of --timeout are over")
        clients.deadline.on_start = self.dog.restart
        return clients

    @property
    def talk(self) -> OutputWrapper:
        """Where everything goes that is not the JSON document."""
        return self.stderr if self.as_json or self.stdout_claimed else self.stdout

    def say(self, line: str, severity: str = INFO, **fields: Any) -> None:
        """Tell the operator, with nothing in it that a terminal would take for an order.

        `fields` are those of an event.
        """
        self.show(_clean(line), severity, **fields)

    def show(self, line: str, severity: str = INFO, **fields: Any) -> None:
        """The same of a line that `output.text` has cleaned and coloured."""
        if not self.verbosity and severity != ERROR:
            return
        with writing():
            if self.events:
                self.events(severity, line, **fields)
                return
            if self.talk.isatty():
                line = wrap(line, columns())
            # `str`: stderr would otherwise colour every line as an error.
            self.talk.write(line, style_func=str)

    def print(self, text: str) -> None:
        """Text that somebody pipes on, as it is."""
        with writing():
            self.stdout.write(text, ending="")

    def claim_stdout(self, flag: str, path: Path) -> None:
        """Keep standard output for a file that is to go there. Raises SettingError for a second."""
        from ...output.files import is_stdout

        if is_stdout(path) and self.talk is self.stderr:
            raise SettingError(
                f"{flag} is {path}, and standard output is taken", "name a file to write"
            )
        self.stdout_claimed |= is_stdout(path)

    def write_file(self, path: Path, text: str) -> None:
        """Write a file that a flag names. Raises ForecastingError."""
        from ...output.files import is_stdout, write_text

        if is_stdout(path):
            self.print(text)
        else:
            write_text(path, text)

    def answer(self, document: dict[str, Any]) -> None:
        """Write the one document of `--format json`; nothing for text."""
        self._answer(json.dumps(document, indent=2) + "\n")

    def _answer(self, document: str) -> None:
        if self.as_json and not self.answered:
            self.print(document)
        self.answered = True

    def _write_error(self, error: ForecastingError) -> None:
        self._answer(document_of(self.name, error))

    def listeners(
        self, mode: Mode, on_run: Callable[[TransferRun], None] = lambda _: None
    ) -> Listeners:
        """Tells the operator what is planned, done and going on."""
        from ...output.text import describe_applied
        from ...setup import Listeners

        return Listeners(
            plan=partial(self._show_plans, mode),
            applied=lambda plans: self.say(describe_applied(plans)),
            note=self.say,
            run=partial(self._show_run, on_run),
            slice=self._show_slice,
        )

    def _show_run(self, on_run: Callable[[TransferRun], None], run: TransferRun) -> None:
        from ...output.text import short_name

        self.left_behind = (
            f"run {short_name(run.name)} goes on at Google, and `python manage.py bq_verify` tells "
            "how it ended"
        )
        if self.events:
            self._tell_state(run)
        else:
            on_run(run)

    def _tell_state(self, run: TransferRun) -> None:
        from ...loading.runs import state_of
        from ...output.text import short_name

        state = f"Run {short_name(run.name)}: {state_of(run)}"
        if state != self.run_state:
            self.say(state, run=run.name)
        self.run_state = state

    def _show_slice(self, outcome: SliceOutcome) -> None:
        from ...output.text import describe_slice

        done, all_of_them = outcome.slice.number, outcome.slice.count
        self.left_behind = (
            f"{done} of {all_of_them} slices are done and stay, and what BigQuery is loading it "
            "may load to its end; run it again to go on"
        )
        self.say(describe_slice(outcome))

    def _show_plans(self, mode: Mode, plans: Sequence[Plan]) -> None:
        from ...outcome import Mode
        from ...output.text import describe_plans, summarize_plan

        if mode is Mode.APPLY:
            self.left_behind = "what was changed by then stays; run it again to go on"
        if self.events:
            for plan in plans:
                severity = ERROR if plan.refusal else INFO
                self.say(summarize_plan(plan), severity, resource=plan.name)
            return
        for line in describe_plans(plans, mode, self.style):
            self.show(line)

    def finish(self, outcome: Outcome) -> None:
        """Print what is left to print of the outcome, and raise its failure if it has one."""
        self.answer(outcome.as_json())
        if outcome.failure:
            raise outcome.failure


def _clean(text: str) -> str:
    """What may go to a terminal, line ends among it: Google's words are quoted."""
    return printable(text, kept="\n")


def add_mode_arguments(parser: ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--dry-run", action="store_true", help="stop after the plan")
    group.add_argument(
        "--check",
        action="store_true",
        help="stop after the plan, and exit with status 2 if there is anything to do",
    )


def mode_of(options: dict[str, Any]) -> Mode:
    """How far the command goes. Raises SettingError for two modes at once."""
    from ...outcome import Mode

    refuse_together(options, "dry_run", "check")
    if options["check"]:
        return Mode.CHECK
    return Mode.DRY_RUN if options["dry_run"] else Mode.APPLY


def refuse_together(options: dict[str, Any], *fields: str) -> None:
    """Raise SettingError where more than one is given: argparse sees flags, not keywords."""
    given = [f"--{field.replace('_', '-')}" for field in fields if options[field]]
    if len(given) > 1:
        raise SettingError(f"{' and '.join(given)} do not go together", "give one of them")


def refuse_alone(options: dict[str, Any], field: str, others: Iterable[str]) -> None:
    """Raise SettingError where another is given too: it would go without a word."""
    for other in others:
        if options[field] and other != field:
            refuse_together(options, field, other)
    if options[field] and options["format"] == "json":
        flag = f"--{field.replace('_', '-')}"
        raise SettingError(f"{flag} and --format json do not go together", "give one of them")


def _refuse_other_format(given: object) -> None:
    if given not in _FORMATS:
        raise SettingError(f'--format is "{shown(str(given))}"', "expected text or json")


def _add_setting(parser: ArgumentParser, setting: Setting) -> None:
    default = f" (default: {setting.default})" if setting.default else ""
    what = f"{setting.help}{default}; setting {setting.setting}"
    if setting.form is SWITCH:
        action = BooleanOptionalAction
        parser.add_argument(setting.flag, dest=setting.field, help=what, action=action)
    else:
        parser.add_argument(setting.flag, dest=setting.field, help=what, metavar="VALUE")
