"""What the three commands share: their options, and the work between reading and telling.

What needs Google's libraries is imported where it is used: half a second, which --help, a refused
flag and --print-sql do without.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ... import __version__
from ...activity import telling
from ...conf import SETTINGS, Config, load_config, unknown_settings
from ...conf.forms import SECONDS
from ...counting import timeout_over
from ...database.mapping import load_mapping
from ...errors import ForecastingError
from ._events import DEBUG
from ._options import (
    add_common_arguments,
    add_setting,
    read_switches,
    read_verbosity,
    refuse_other_format,
    refuse_together,
)
from ._process import ProcessCommand
from ._watchdog import watching

if TYPE_CHECKING:
    from ...google.clients import Clients
    from ...setup.outcome import Outcome


class PipelineCommand(ProcessCommand):
    """A command of the pipeline: a ForecastingError becomes its message and exit status."""

    # The settings that matter are checked by the command itself, with its flags taken in.
    requires_system_checks = ()
    setting_fields: Iterable[str] = ()
    optional_fields: Iterable[str] = ()
    timed = "the command takes, with all that it waits for and tries again"

    def get_version(self) -> str:
        return __version__

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_common_arguments(parser, self.timed)
        for setting in SETTINGS:
            if setting.field in self.setting_fields:
                add_setting(parser, setting)

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        self.as_json = options["format"] == "json"
        self.answered = self.stdout_claimed = False
        self.seconds = {}
        try:
            self.events = self._make_events()
            self.verbosity = read_verbosity(options["verbosity"])
            read_switches(options, self.switches)
            self._do(options)
        except ForecastingError as error:
            raise self._failure_of(error, time.monotonic() - began) from error
        except Exception as error:
            self._tell_fault(error)
            raise
        if self.events:
            self.say("Ended as it should.", duration=round(time.monotonic() - began, 3))

    def _do(self, options: dict[str, Any]) -> None:
        refuse_other_format(options["format"])
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
        clients.deadline.start(self.dog.left, timeout_over(self.timeout))
        clients.deadline.on_start = self.dog.restart
        return clients

    def finish(self, outcome: Outcome) -> None:
        """Print what is left to print of the outcome, and raise its failure if it has one."""
        self.answer(outcome.as_json())
        if outcome.failure:
            raise outcome.failure
