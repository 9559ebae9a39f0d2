"""The options that the commands share, as flags and as a Python caller gives them.

What no flag could be is refused, not guessed at.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...conf import SETTINGS
from ...conf.forms import SWITCH
from ...conf.setting import Setting
from ...errors import SettingError, shown

if TYPE_CHECKING:
    from ...setup.outcome import Mode

_FORMATS = ("text", "json")
_VERBOSITIES = ("0", "1", "2", "3")


def add_common_arguments(parser: ArgumentParser, timed: str) -> None:
    """`timed` is what --timeout ends."""
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
        help=f"the longest that {timed} (default: 900); then exit status 1",
    )


def add_setting(parser: ArgumentParser, setting: Setting) -> None:
    default = f" (default: {setting.default})" if setting.default else ""
    what = f"{setting.help}{default}; setting {setting.setting}"
    if setting.form is SWITCH:
        action = BooleanOptionalAction
        parser.add_argument(setting.flag, dest=setting.field, help=what, action=action)
    else:
        parser.add_argument(setting.flag, dest=setting.field, help=what, metavar="VALUE")


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
    from ...setup.outcome import Mode

    refuse_together(options, "dry_run", "check")
    if options["check"]:
        return Mode.CHECK
    return Mode.DRY_RUN if options["dry_run"] else Mode.APPLY


def idle_flags(options: dict[str, Any], fields: Iterable[str]) -> str:
    """Those of these settings' flags that are given, to tell that they do nothing."""
    idle = [s for s in SETTINGS if s.field in fields and options[s.field] is not None]
    return " and ".join(_as_given(s.flag, options[s.field]) for s in idle)


def _as_given(flag: str, value: object) -> str:
    return flag.replace("--", "--no-", 1) if value is False else flag


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


def refuse_other_format(given: object) -> None:
    if given not in _FORMATS:
        raise SettingError(f'--format is "{shown(str(given))}"', "expected text or json")


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
