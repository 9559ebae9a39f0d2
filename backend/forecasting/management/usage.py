"""What a command line asks for, as far as it shows before anything is parsed or set up.

How an error is told depends on it, and the first ones come while the settings are read.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

from ..errors import ForecastingError, SettingError

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


def refuse_environment(error: SettingError) -> SystemExit:
    """What ends a process whose settings cannot be read; told as its command line asks for it."""
    command, *words = [*sys.argv[1:], ""]
    if command in COMMANDS and asks_for_json(words) and sys.stdout is not None:
        with suppress(OSError):  # Nobody reads it: the sentence follows all the same.
            sys.stdout.write(document_of(command, error))
            sys.stdout.flush()
    return SystemExit(str(error))
