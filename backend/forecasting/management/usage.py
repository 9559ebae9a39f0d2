"""What a command line asks for, as far as it shows before anything is parsed or set up.

How an error is told depends on it, and the first ones come while the settings are read.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

from ..errors import ForecastingError

COMMANDS = ("bq_setup", "bq_setup_etl", "bq_verify")
_FORMAT, _SHORTEST = "--format", "--f"


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether `--format json` is among a command's arguments, shortened as argparse allows too.

    The last one counts, and one that argparse refuses counts as well: the refusal is told so.
    """
    options = words[: words.index("--")] if "--" in words else words
    asked = False
    for word, following in pairwise([*options, ""]):
        flag, equals, value = word.partition("=")
        if flag.startswith(_SHORTEST) and _FORMAT.startswith(flag):
            given = value if equals else following
            asked = given == "json" or (asked and given != "text")
    return asked


def document_of(command: str, error: ForecastingError) -> str:
    """The one document that tells an error."""
    document = {"command": command, "status": "error", **error.as_json()}
    return json.dumps(document, indent=2) + "\n"


def end_early(error: ForecastingError, *, as_event: bool) -> SystemExit:
    """What ends a process before its command begins; told as its command line asks for it."""
    _answer(error)
    if as_event and _command():
        from .commands._events import ERROR, event_of

        return SystemExit(event_of(_command(), ERROR, str(error)))
    return SystemExit(str(error))


def _answer(error: ForecastingError) -> None:
    """Write the document where one is asked for and no command is there yet to do so."""
    if _command() and asks_for_json(sys.argv[2:]) and sys.stdout is not None:
        with suppress(OSError):  # Nobody reads it: the sentence follows all the same.
            sys.stdout.write(document_of(_command(), error))
            sys.stdout.flush()


def _command() -> str:
    """Which of ours the process was started for; empty for another."""
    return sys.argv[1] if sys.argv[1:] and sys.argv[1] in COMMANDS else ""
