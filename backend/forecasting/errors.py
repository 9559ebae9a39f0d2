"""What the product raises: one root, so that a command catches one class.

Every message is one sentence, or a few, for an operator: what was wrong, its value, what to do.
What stands in it that is not ours, such as a value or Google's words, goes through one of the two
functions at the end.
"""

_SHOWN = 260


class ForecastingError(Exception):
    """It could not be done; the message says why and what to do next. Exit status 1."""

    returncode = 1

    def as_json(self) -> dict[str, str | None]:
        """What was wrong, and what to do where the two can be told apart."""
        return {"error": printable(str(self), kept="\n"), "hint": None}


class SettingError(ForecastingError):
    """A setting or flag is missing, malformed or at odds with another."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem, self.remedy = problem, remedy
        self._end = "" if remedy.endswith("?") else "."

    def __str__(self) -> str:
        return f"{self.problem}: {self.remedy}{self._end}"

    @property
    def advice(self) -> str:
        """The remedy as a sentence of its own."""
        return f"{self.remedy[:1].upper()}{self.remedy[1:]}{self._end}"

    def as_json(self) -> dict[str, str | None]:
        return {"error": printable(self.problem), "hint": printable(self.remedy)}


class MissingPrerequisiteError(ForecastingError):
    """Something that another command or an operator has to make first is not there."""


class ConflictError(ForecastingError):
    """A resource exists and differs in what cannot be changed; nothing was written."""


class ApiError(ForecastingError):
    """Google refused or did not answer; raised from google's own exception."""


class UnreachableError(ApiError):
    """No credentials, or no network: nothing at all can be asked of Google."""


class SourceDatabaseError(ForecastingError):
    """The source database refused the source query."""


class SourceOutOfReachError(ForecastingError):
    """Django's own database is not the source database, or does not answer."""


class DriftFound(ForecastingError):
    """Under `--check`: there is something to change. Exit status 2."""

    returncode = 2


class RunFailed(ForecastingError):
    """The nightly load was started and did not succeed. Exit status 2."""

    returncode = 2


class VerificationFailed(ForecastingError):
    """The look succeeded and something is wrong. Exit status 2."""

    returncode = 2


def shown(text: str) -> str:
    """A value as a message quotes it: on one line, escaped where it does not print, not long."""
    escaped = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: _SHOWN + 1]
    )
    return escaped if len(escaped) <= _SHOWN else f"{escaped[:_SHOWN]}..."


def printable(text: str, kept: str = "") -> str:
    """Text with a space for each character that does not print, but for those in `kept`.

    Such characters move a terminal's cursor, turn a line around, and end the process that draws.
    """
    return "".join(c if c.isprintable() or c in kept else " " for c in text)
