"""What the three commands share: their options, their output and their exit status."""

import json
import re
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from google.cloud.bigquery_datatransfer_v1.types import TransferRun

from ...conf import SECONDS, SETTINGS, SWITCH, Config, Setting, load_config
from ...database.mapping import load_mapping
from ...errors import ForecastingError, printable
from ...google.clients import Clients, make_clients
from ...outcome import Mode, Outcome
from ...output.text import describe_applied, describe_plans, describe_slice
from ...provisioning.plan import Plan
from ...setup import Listeners

_FAILED = 1
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


class PipelineCommand(BaseCommand):
    """A command of the pipeline: a ForecastingError becomes its message and exit status."""

    # The settings that matter are checked by the command itself, with its flags taken in.
    requires_system_checks = ()
    setting_fields: Iterable[str] = ()
    optional_fields: Iterable[str] = ()
    timed = "the command takes, with all that it waits for and tries again"

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Wrong usage ends with exit status 1: argparse's own 2 means drift or failure here."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        leave = parser.exit

        def leave_with_own_status(status: int = 0, message: str | None = None) -> NoReturn:
            leave(_FAILED if status else 0, message)

        parser.exit = leave_with_own_status  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--format",
            choices=("text", "json"),
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

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json = options["format"] == "json"
        try:
            self.timeout = SECONDS.read("--timeout", options["timeout"])
            config = load_config(options, optional=self.optional_fields)
            load_mapping(config)  # what fits no model is said before anything is asked
            self.work(config, options)
        except ForecastingError as error:
            raise CommandError(_clean(str(error)), returncode=error.returncode) from error

    def work(self, config: Config, options: dict[str, Any]) -> None:
        """Do what the command is for. Raises ForecastingError."""
        raise NotImplementedError

    def clients(self, config: Config) -> Clients:
        """Google's clients, which from now on have until --timeout."""
        clients = make_clients(config)
        clients.deadline.start(self.timeout)
        return clients

    @property
    def talk(self) -> OutputWrapper:
        """Where everything goes that is not the JSON document."""
        return self.stderr if self.as_json else self.stdout

    def say(self, line: str) -> None:
        # `str`: stderr would otherwise colour every line as an error.
        self.talk.write(_clean(line), style_func=str)

    def listeners(
        self, mode: Mode, on_run: Callable[[TransferRun], None] = lambda _: None
    ) -> Listeners:
        """Tells the operator what is planned, done and going on."""
        return Listeners(
            plan=partial(self._show_plans, mode),
            applied=lambda plans: self.say(describe_applied(plans)),
            note=self.say,
            run=on_run,
            slice=lambda outcome: self.say(describe_slice(outcome)),
        )

    def _show_plans(self, mode: Mode, plans: Sequence[Plan]) -> None:
        for line in describe_plans(plans, mode, self.style):
            self.say(line)

    def finish(self, outcome: Outcome) -> None:
        """Print what is left to print of the outcome, and raise its failure if it has one."""
        if self.as_json:
            self.stdout.write(json.dumps(outcome.as_json(), indent=2))
        if outcome.failure:
            raise outcome.failure


def _clean(text: str) -> str:
    """What may go to a terminal, colours and line ends among it: Google's words are quoted."""
    parts = _COLOUR.split(text)
    parts[::2] = [printable(part, kept="\n") for part in parts[::2]]
    return "".join(parts)


def add_mode_arguments(parser: ArgumentParser) -> None:
    modes = {
        Mode.DRY_RUN: "stop after the plan",
        Mode.CHECK: "stop after the plan, and exit with status 2 if there is anything to do",
    }
    group = parser.add_mutually_exclusive_group()
    group.set_defaults(mode=Mode.APPLY)
    for mode, what in modes.items():
        group.add_argument(f"--{mode}", dest="mode", action="store_const", const=mode, help=what)


def _add_setting(parser: ArgumentParser, setting: Setting) -> None:
    default = f" (default: {setting.default})" if setting.default else ""
    what = f"{setting.help}{default}; setting {setting.setting}"
    if setting.form is SWITCH:
        action = BooleanOptionalAction
        parser.add_argument(setting.flag, dest=setting.field, help=what, action=action)
    else:
        parser.add_argument(setting.flag, dest=setting.field, help=what, metavar="VALUE")
