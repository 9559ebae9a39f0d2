"""What a setting may be: each form with the words that ask for it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import SettingError, shown

MAX_WINDOW_DAYS = 3650
"""Ten years of daily partitions; one BigQuery job may modify 4,000 (bigquery/quotas)."""

MAX_TABLE_LENGTH = 1024
"""Characters of a table's or view's id (bigquery/docs/tables)."""

_PROJECT = r"(?:[a-z0-9.-]{1,253}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
_REGION = r"[a-z]+-[a-z]+[0-9]{1,2}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_DAY = r"(?:(?:mon|fri|sun)(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|sat(?:urday)?)"
_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


@dataclass(frozen=True)
class Form:
    """What a value may be. `parse` raises ValueError; `empty` is the value of what is not set."""

    expected: str
    parse: Callable[[str], Any]
    empty: Any = ""

    def read(self, source: str, text: object) -> Any:
        """The value of a text that came from `source`, a setting or a flag. Raises SettingError."""
        is_switch, text = isinstance(text, bool), str(text).strip()
        try:
            if is_switch and self.parse is not _boolean:
                raise ValueError
            return self.parse(text)
        except ValueError:
            raise SettingError(
                f'{source} is "{shown(text)}"', f"expected {self.expected}"
            ) from None


class PathsByName(Form):
    """Pairs, which may be given as a mapping too."""

    def read(self, source: str, text: object) -> Any:
        if isinstance(text, Mapping) and text:
            return tuple((str(name), str(path)) for name, path in text.items())
        return super().read(source, text)


def _matching(pattern: str, convert: Callable[[str], Any] = str) -> Callable[[str], Any]:
    compiled = re.compile(pattern, re.ASCII)

    def parse(text: str) -> Any:
        if not compiled.fullmatch(text):
            raise ValueError
        return convert(text)

    return parse


def _whole_days(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_WINDOW_DAYS:
        raise ValueError
    return int(text)


def _boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError
    return _BOOLEANS[text.lower()]


def _location(text: str) -> str:
    return str(_matching(rf"us|eu|{_REGION}")(text.lower()))


def _schedule(text: str) -> str:
    pattern = rf"every (?:day|{_DAY}(?:,{_DAY})*) {_TIME}|every (?:[1-9]|1[0-9]|2[0-4]) hours"
    return str(_matching(pattern)(" ".join(text.split())))


_LOOPBACK = r"(?:127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}"


def _lookup_path(text: str) -> str:
    if not text.isprintable() or not all(part.strip() for part in text.split("__")):
        raise ValueError
    return text


def _paths_by_name(text: str) -> tuple[tuple[str, str], ...]:
    """The pairs of `name=path, name=path`, in their order; none of the word "none"."""
    if text == "none":
        return ()
    pairs = [tuple(word.strip() for word in part.split("=")) for part in text.split(",")]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise ValueError
    return tuple((name, path) for name, path in pairs)


def _loopback_url(text: str) -> str:
    return str(_matching(rf"http://{_LOOPBACK}")(text.rstrip("/")))


_ABOVE_ZERO = _matching(r"(?=.*[1-9])[0-9]{1,6}(?:[.][0-9]{1,3})?", float)

DAYS = Form(f"a whole number of days from 1 to {MAX_WINDOW_DAYS}", _whole_days, empty=0)
SECONDS = Form("a number of seconds above 0", _ABOVE_ZERO)
SWITCH = Form("on or off", _boolean)

PROJECT_ID = Form(
    "a Google Cloud project id such as my-project-123 (6 to 30 lower-case letters, digits and "
    "dashes)",
    _matching(_PROJECT),
)
LOCATION = Form("a BigQuery location such as us-central1, US or EU", _location)
DATASET = Form("a dataset id of letters, digits and underscores", _matching(r"\w{1,1024}"))
TABLE = Form(
    "a table id of letters, digits and underscores", _matching(rf"\w{{1,{MAX_TABLE_LENGTH}}}")
)
CONNECTION = Form(
    "a connection id of letters, digits, underscores and dashes", _matching(r"[\w-]{1,64}")
)
INSTANCE = Form(
    "project:region:instance, as `gcloud sql instances describe` shows under connectionName",
    _matching(rf"{_PROJECT}:{_REGION}:[a-z][a-z0-9-]{{0,97}}"),
)
DATABASE = Form("the name of a PostgreSQL database", _matching(r"[A-Za-z_][\w$-]{0,62}"))
SCHEDULE = Form(
    '"every day HH:MM", "every mon,thu HH:MM" or "every N hours" (N from 1 to 24), in UTC',
    _schedule,
)
SCORE_SOURCE = Form(
    "event (mean score of the day's events) or entity (the entity's present score)",
    _matching("event|entity"),
)
RATIO = Form("a number from 0 (off) to 1", _matching(r"0|1(?:[.]0{1,6})?|0?[.]\d{1,6}", float))
SHARE = Form("a share from 0 to 1", RATIO.parse)
SECRET = Form("the name of a Secret Manager secret", _matching(r"[\w-]{1,255}"))
ACCOUNT = Form(
    "the e-mail address of a service account",
    _matching(r"[\w.-]{1,100}@[a-z0-9.-]{1,100}\.gserviceaccount\.com"),
)
TOPIC = Form(
    "projects/PROJECT/topics/TOPIC",
    _matching(rf"projects/{_PROJECT}/topics/[A-Za-z][\w.~+%-]{{2,254}}"),
)
HOURS = Form("a number of hours above 0", _ABOVE_ZERO)
MODEL = Form("app_label.Model", _matching(r"[^\W\d]\w*[.][^\W\d]\w*"))
PATH = Form("a lookup path such as event__risk_score, seen from one mention", _lookup_path)
PATH_OR_NONE = Form(
    "a lookup path such as event__risk_score, seen from one mention, or none",
    lambda text: "" if text == "none" else _lookup_path(text),
)
TIME_ZONE = Form("UTC, or empty for a time that has its zone", _matching("UTC"))
DIMENSION_PATHS = PathsByName(
    "dimension=lookup path, separated by commas, or a dict of the same, or none", _paths_by_name
)
ENDPOINT = Form(
    "empty for Google Cloud, or the local stand-in on loopback, such as http://127.0.0.1:9050",
    _loopback_url,
)
LOG_FORM = Form("text, or json for a line of JSON for each event", _matching("text|json"))
GRPC_ENDPOINT = Form(
    "empty, or the port of the local stand-in on loopback that speaks gRPC, such as 127.0.0.1:9051",
    _matching(_LOOPBACK),
)
