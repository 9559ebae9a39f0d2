"""What a command says: in which form, to whom, and how much of it."""

from __future__ import annotations

import io
import json
import os
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, OutputWrapper

from ...errors import ForecastingError, SettingError, printable
from ...output.terminal import columns, wants_no_colour, wrap
from ..usage import document_of
from ._ending import StandardError, print_error, writing
from ._events import DEBUG, ERROR, INFO, WARNING, Tell, make_events


class TellingCommand(BaseCommand):
    """Tells people in lines, machines in events, and either in the one document of `--format json`.

    `-v 0` leaves failures only.
    """

    name = ""
    as_json = False
    verbosity = 1
    events: Tell | None = None
    ends_process = False
    answered = False
    stdout_claimed = False
    seconds: dict[str, float]

    def execute(self, *args: Any, **options: Any) -> Any:
        if wants_no_colour(os.environ) and not options.get("force_color"):
            options["no_color"] = True
        self.colours = {name: options.get(name) for name in ("no_color", "force_color")}
        if all(self.colours.values()):  # It is refused when the command begins, as all else is.
            options["force_color"] = False
        return super().execute(*args, **options)

    def _make_events(self) -> Tell | None:
        return make_events(self.name, partial(self.stderr.write, style_func=str))

    def _keep_standard_error(self) -> None:
        """Where it is closed nobody reads it, and the command goes on."""
        coloured = self.stderr.style_func
        stream: TextIO | None = vars(self.stderr)["_out"]
        self.stderr = StandardError(stream or io.StringIO())
        self.stderr.style_func = coloured

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

    def answer(self, document: dict[str, Any]) -> None:
        """Write the one document of `--format json`; nothing for text."""
        self._answer(json.dumps(document, indent=2) + "\n")

    def _answer(self, document: str) -> None:
        if self.as_json and not self.answered:
            self.print(document)
        self.answered = True

    def _write_error(self, error: ForecastingError) -> None:
        self._answer(document_of(self.name, error))

    def _tell_error(self, error: ForecastingError, **fields: Any) -> None:
        """Tell it in every form but that of a sentence on standard error."""
        self._write_error(error)
        if self.events:
            self.events(ERROR, _clean(str(error)), **fields)

    def _tell_fault(self, error: Exception) -> None:
        """Tell those who read no traceback that there is one."""
        kind = type(error).__name__
        sentence = f"{self.name} ended by a fault of its own, {kind}: see its standard error."
        self._tell_error(ForecastingError(sentence))

    def _print_error(self, sentence: str) -> None:
        if self.events:
            self.events(ERROR, sentence)
        else:
            print_error(sentence)

    def _failure_of(self, error: ForecastingError, seconds: float) -> CommandError:
        """What Django is to raise for it, told in every other form."""
        self._tell_error(error, duration=round(seconds, 3))
        message = _clean(str(error))
        if self.ends_process:
            message = self._fit_failure(message)
        return CommandError(message, returncode=error.returncode)

    def _fit_failure(self, message: str) -> str:
        """What Django is to write on standard error: as wide as that is, or nothing."""
        if self.events:
            self.stderr = OutputWrapper(io.StringIO())
        elif self.stderr.isatty():
            before = f"{CommandError.__name__}: "
            return wrap(f"{before}{message}", columns()).removeprefix(before)
        return message


def _clean(text: str) -> str:
    """What may go to a terminal, line ends among it: Google's words are quoted."""
    return printable(text, kept="\n")
