"""The head of the nightly load's script: the settings that it was made from, and its seal.

The script that is stored may differ from the one to be stored because of other settings, because
another version made it, or because somebody edited it. The head tells the three apart.
"""

import hashlib
import re
from dataclasses import dataclass

from ..conf import Config
from ..errors import shown

SETTINGS = (
    *("window_days", "refresh_days", "keep_history", "score_source"),
    *("mention_model", "entity_field", "time_field", "time_zone"),
    *("event_field", "event_time_field", "event_lookback_days"),
    *("score_field", "dimension_fields", "min_rows_ratio", "connection_id"),
)
"""The fields of `Config` that make a difference to the script of one table."""

_SETTING = "--   {} = {}"
_SETTING_LINE = re.compile(r"--   (\w+) = (.*)")
_SEAL = "-- Seal: "
_SEAL_LINE = re.compile(rf"{_SEAL}([0-9a-f]{{16}})\n")
_WINDOW = re.compile(r"DECLARE window_start \w+ DEFAULT DATE_SUB\(end_day, INTERVAL (\d+) DAY\)")
_LEAVING = re.compile(r"OR target\.\w+ < TIMESTAMP\(window_start\b")


@dataclass(frozen=True, kw_only=True)
class StoredScript:
    """What can be told from the text of a script.

    `settings` are those that its head names, by field; `sealed` says whether it is as this product
    made it. `kept_days` is how many days a run keeps, None where it removes no old day, as far as
    its text is in the product's words, which `known` says.
    """

    settings: dict[str, str]
    sealed: bool
    known: bool
    kept_days: int | None

    def keeps_less_than(self, other: "StoredScript") -> bool:
        """Whether a run of this one removes days that a run of the other keeps."""
        if self.kept_days is None:
            return False
        return other.kept_days is None or self.kept_days < other.kept_days


UNKNOWN_SCRIPT = StoredScript(settings={}, sealed=False, known=False, kept_days=None)
"""What is told from no text at all: nothing that it would remove."""


def describe_settings(config: Config) -> str:
    """The lines of the head that name the settings."""
    return "\n".join(_SETTING.format(name, _say(getattr(config, name))) for name in SETTINGS)


def seal(script: str) -> str:
    """The script with a line after those of the settings that only fits this very text."""
    *_, last = _SETTING_LINE.finditer(script)
    return f"{script[: last.end()]}\n{_SEAL}{_digest(script)}{script[last.end() :]}"


def read_script(script: str) -> StoredScript:
    """What a script says of itself, whoever wrote it."""
    found = _SEAL_LINE.search(script)
    sealed = found is not None and found[1] == _digest(_SEAL_LINE.sub("", script, count=1))
    window = _WINDOW.search(script)
    return StoredScript(
        settings=dict(_SETTING_LINE.findall(_head(script))),
        sealed=sealed,
        known=window is not None,
        kept_days=int(window[1]) if window and _LEAVING.search(script) else None,
    )


def _head(script: str) -> str:
    return re.split(r"^(?!--)", script, maxsplit=1, flags=re.MULTILINE)[0]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _say(value: object) -> str:
    """A setting's value as it may be set, on one line."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return shown(", ".join("=".join(pair) for pair in value))
    return shown(f"{value:g}" if isinstance(value, float) else str(value))
