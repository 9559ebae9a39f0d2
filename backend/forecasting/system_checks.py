"""What `manage.py check` says of the pipeline's settings, without network or database.

The rules are those of `conf`, which the commands use too; here every setting is looked at, and not
only the first one that is wrong. A project or instance that is not set is no error: a command may
be given it as a flag. Under `--deploy` it is a warning.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS
from django.core.checks import CheckMessage, Error, Warning
from django.db import DEFAULT_DB_ALIAS, connections

from .conf import SETTINGS, Config, load_config, unknown_settings
from .counting import agree, count_things
from .database.mapping import load_mapping, misfits
from .database.source_mapping import Owner, SourceMapping
from .errors import SettingError

_NEEDED = ("project", "instance")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Settings that are malformed, at odds with each other, or bound to disappoint."""
    return [*_check_names(), *(list(_check_forms()) or _check_values())]


def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """What is fine for development and not for production; for `check --deploy` only."""
    found = list(_check_cache())
    try:
        config = load_config(optional=_NEEDED)
    except SettingError:
        # `check_settings` has said so.
        return found
    return [*found, *_check_needed(config), *_check_production(config)]


def _check_values() -> list[CheckMessage]:
    try:
        config = load_config(optional=_NEEDED)
    except SettingError as error:
        return [_error(error, "forecasting.E002")]
    return [*_check_source(config), *_check_sense(config)]


def _check_names() -> Iterator[CheckMessage]:
    for error in unknown_settings():
        yield Warning(f"{error.problem}.", hint=error.advice, id="forecasting.W007")


def _check_forms() -> Iterator[CheckMessage]:
    for setting in SETTINGS:
        try:
            setting.value(None, required=False)
        except SettingError as error:
            yield _error(error, "forecasting.E001")


def _error(error: SettingError, id: str) -> CheckMessage:
    return Error(f"{error.problem}.", hint=error.advice, id=id)


def _check_sense(config: Config) -> Iterator[CheckMessage]:
    gap = _longest_gap_hours(config.schedule)
    if config.max_age_hours < gap:
        yield Warning(
            f"FORECASTING_MAX_AGE_HOURS is {config.max_age_hours:g}, and between two runs of "
            f'"{config.schedule}" {agree(gap, "is", "are")} up to {count_things(gap, "hour")}.',
            hint="bq_verify would fail although nothing is wrong: set it to a little more than "
            f"{gap}.",
            id="forecasting.W003",
        )


def _check_source(config: Config) -> Iterator[CheckMessage]:
    """What fits no model; and a database from which the load could not read."""
    found = [_error(error, "forecasting.E004") for error in misfits(config)]
    yield from found
    if not found:
        mapping = load_mapping(config)
        yield from _check_score(config, mapping)
        yield from _check_database(mapping.database)


def _check_score(config: Config, mapping: SourceMapping) -> Iterator[CheckMessage]:
    if mapping.score.owner is Owner.ENTITY:
        yield Warning(
            f"The score is {config.score_path}: the present one, the same for every day.",
            hint="A forecast can learn nothing from it: take an event's, by "
            "FORECASTING_SCORE_FIELD or FORECASTING_SCORE_SOURCE=event.",
            id="forecasting.W002",
        )


def _check_database(alias: str) -> Iterator[CheckMessage]:
    engine = connections.settings[alias]["ENGINE"].rpartition(".")[2]
    if not engine.startswith("post"):
        named = "" if alias == DEFAULT_DB_ALIAS else f" {alias}"
        yield Warning(
            f"Django's database{named} is {engine}, not PostgreSQL.",
            hint="The load reads PostgreSQL (Cloud SQL): set DATABASE_URL to postgresql://... "
            "Without it bq_setup_etl cannot try the source query.",
            id="forecasting.W004",
        )


def _check_needed(config: Config) -> Iterator[CheckMessage]:
    for setting in SETTINGS:
        if setting.field in _NEEDED and not getattr(config, setting.field):
            yield Warning(
                f"{setting.setting} is not set.",
                hint=f"Expected {setting.form.expected}; set it in the environment or .env, or "
                f"give {setting.flag} each time.",
                id="forecasting.W001",
            )


def _check_production(config: Config) -> Iterator[CheckMessage]:
    if config.api_endpoint:
        yield Error(
            f"FORECASTING_API_ENDPOINT is {config.api_endpoint}, the local stand-in.",
            hint="Nothing would reach Google Cloud: unset it.",
            id="forecasting.E003",
        )
    if not config.service_account:
        yield Warning(
            "FORECASTING_SERVICE_ACCOUNT is not set.",
            hint="The load would run as whoever runs bq_setup_etl first, and end with that "
            "account: name a service account.",
            id="forecasting.W005",
        )
    yield from _check_span(config)


def _check_cache() -> Iterator[CheckMessage]:
    backend = settings.CACHES[DEFAULT_CACHE_ALIAS]["BACKEND"].rpartition(".")[2]
    if backend in ("LocMemCache", "DummyCache"):
        yield Warning(
            f"Django's default cache is {backend}: no process knows what another one remembers.",
            hint="With several workers the status page and the health check ask Google once for "
            "each: set CACHE_URL, or CACHES, to a cache that they share, such as db://TABLE.",
            id="forecasting.W008",
        )


def _check_span(config: Config) -> Iterator[CheckMessage]:
    # Imported late, as it brings Google's libraries, which no other command should wait for.
    from .verification.vertex_checks import TEST_SHARE

    needed = round(config.horizon_days / TEST_SHARE)
    if config.window_days < needed and not config.keep_history:
        yield Warning(
            f"FORECASTING_WINDOW_DAYS is {config.window_days}, short for a forecast of "
            f"{count_things(config.horizon_days, 'day')}.",
            hint=f"Vertex AI's default split needs about {needed} days (inferred): set "
            "FORECASTING_KEEP_HISTORY=on, or widen the window.",
            id="forecasting.W006",
        )


def _longest_gap_hours(schedule: str) -> int:
    """The most hours between two runs; a schedule has one of the forms that `conf` takes."""
    if hours := re.fullmatch(r"every (\d+) hours", schedule):
        return int(hours.group(1))
    named = schedule.split()[1].split(",")
    days = sorted({_DAYS.index(name[:3]) for name in named if name != "day"})
    if not days:
        return 24
    following = [*days[1:], days[0] + len(_DAYS)]
    return 24 * max(after - day for day, after in zip(days, following, strict=True))
