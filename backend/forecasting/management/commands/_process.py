"""A command as a process: its exit status, its signals, and an end that is never a traceback."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, NoReturn

from ...errors import ForecastingError, SettingError
from ..usage import asks_for_json
from ._ending import (
    FAILED,
    EndedFromOutside,
    OutputError,
    flush_output,
    forget_output,
    forget_signals,
    leave_for,
    show_what_can_be_shown,
    signals_raised,
)
from ._help import HelpFormatter, epilog_of
from ._imports import without_arrow
from ._options import switches_of
from ._telling import TellingCommand


class ProcessCommand(TellingCommand):
    """Ends as the process of a deploy hook or of a pipe should.

    `left_behind` is what an end from outside would leave, in an operator's words.
    """

    examples: tuple[tuple[str, str], ...] = ()
    switches: tuple[str, ...] = ()
    left_behind = "nothing was changed"

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

    def _tell_misuse(self, sentence: str) -> str:
        """What is left for argparse to write of it."""
        self._tell_error(ForecastingError(sentence))
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
                self._run_until_ended(argv)
        except OutputError as error:
            leave_for(error, self._print_error)

    def _run_until_ended(self, argv: list[str]) -> None:
        try:
            self._run_and_flush(argv)
        except EndedFromOutside as ended:
            forget_signals()  # A second one ends it here and now, and has nothing told twice.
            self._tell_ending()
            sys.exit(ended.status)

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
