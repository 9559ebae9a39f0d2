"""Options as a Python caller gives them: what no flag could be is refused, not guessed at."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from ...errors import SettingError, shown
from ...setting import SWITCH

_VERBOSITIES = ("0", "1", "2", "3")


def switches_of(parser: ArgumentParser) -> tuple[str, ...]:
    """The options that are on where their flag is given, and take no value."""
    actions = parser._actions
    return tuple(each.dest for each in actions if each.nargs == 0 and each.const is True)


def read_switches(options: dict[str, Any], switches: tuple[str, ...]) -> None:
    """Make each of them True or False. Raises SettingError: "false" is no word for on."""
    for name in switches:
        given = options.get(name)
        if given is None or given == "":
            options[name] = False
        elif not isinstance(given, bool):
            options[name] = SWITCH.read(f"--{name.replace('_', '-')}", given)


def read_verbosity(given: object) -> int:
    """Raises SettingError."""
    if str(given) not in _VERBOSITIES:
        raise SettingError(f'--verbosity is "{shown(str(given))}"', "expected 0, 1, 2 or 3")
    return int(str(given))


def read_path(flag: str, given: object) -> Path:
    """Raises SettingError for what is neither a text nor a path."""
    if not isinstance(given, str | os.PathLike) or isinstance(os.fspath(given), bytes):
        raise SettingError(f'{flag} is "{shown(str(given))}"', "expected the name of a file")
    return Path(os.fspath(given))
