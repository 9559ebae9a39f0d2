"""What the settings lead to, whole: what is read of the models, and each statement that it makes.

Without comments and indentation, which nobody runs.
"""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime
from difflib import unified_diff
from functools import partial
from pathlib import Path
from typing import Any

from backend.forecasting.conf import Config
from backend.forecasting.database.mapping import load_mapping
from backend.forecasting.database.source_mapping import SourceMapping
from backend.forecasting.sql import day_sums, queries, series
from backend.forecasting.sql.day_counts import render_day_counts
from backend.forecasting.sql.role import _sources, render_connection_role
from backend.forecasting.sql.script_head import describe_settings
from backend.forecasting.sql.source import render_orphans, render_source
from backend.forecasting.tests.support.agreed import assert_agreed
from backend.forecasting.tests.support.factories import make_config
from backend.forecasting.tests.support.newsroom import newsroom, newsroom_config

DAYS = (date(2026, 2, 1), date(2026, 3, 2))
NONE: dict[str, Any] = {"dimension_fields": (), "event_field": "", "event_time_field": ""}
SHAPES: dict[str, dict[str, Any]] = {
    "score of the mention": {"score_field": "weight"},
    "score in the mention's JSON": {"score_field": "note__depth__0"},
    "score of the entity": {"score_field": "subject__profile__risk"},
    "numbers of all three": {
        "score_field": "weight",
        "dimension_fields": (
            ("political", "event__raw__political"),
            ("economic", "event__raw__economic"),
            ("supply_chain", "subject__profile__risk"),
        ),
    },
    "no events": {**NONE, "score_field": "weight"},
    "no events, and numbers of the entity": {**NONE, "score_field": "subject__profile__risk"},
    "no relation to entities": {"entity_field": "raw_name", "entity_name_field": ""},
    "no names": {"entity_name_field": ""},
    "names in another column": {"entity_name_field": "subject__id"},
    "a day": {"time_field": "seen_on", "time_zone": "UTC"},
    "a wall clock": {"time_zone": "UTC"},
    "events of a day": {"event_time_field": "event__reported_on"},
    "young events": {"event_lookback_days": 30},
    "young events of a day": {
        "event_time_field": "event__reported_on",
        "event_lookback_days": 7,
        "time_zone": "UTC",
    },
    "no time of events": {"event_time_field": ""},
}
SAMPLES: dict[str, dict[str, Any]] = {
    "sample": {},
    "sample, score of the entity": {"score_source": "entity"},
    "sample, young events": {"event_lookback_days": "30"},
    "sample, no dimension": {"dimension_fields": "none"},
}
OTHER: dict[str, dict[str, Any]] = {
    "other settings": {
        "window_days": "365",
        "refresh_days": "7",
        "score_source": "entity",
        "source_database": "other-news",
        "connection_id": "other",
        "min_rows_ratio": "0.25",
    },
    "kept history": {"keep_history": True},
    "few days": {"refresh_days": "7"},
    "horizon": {"horizon_days": "9"},
}
RENDERED: dict[str, Callable[[Config], str]] = {
    "baseline": series.render_baseline,
    "connection": queries.render_connection_probe,
    "data": queries.render_data_summary,
    "day counts": render_day_counts,
    "forecast view": series.render_forecast_view,
    "orphans": lambda config: queries.render_connection_probe(config, DAYS),
    "past": lambda config: day_sums.render_table_by_day(
        config, datetime(2026, 3, 2, 2, tzinfo=UTC)
    ),
    "nightly load": queries.render_nightly_load,
    "partitions": lambda config: queries.render_partitions(config.table_id),
    "report": queries.render_report_data,
    "role": render_connection_role,
    "settings": lambda config: describe_settings(config).replace("--", "").strip(),
    "source by day": day_sums.render_source_by_day,
    "source through the connection": partial(
        day_sums.render_federated_by_day, first_day=DAYS[0], end_day=DAYS[1]
    ),
    "table by day": day_sums.render_table_by_day,
    "training view": series.render_training_view,
    "trial": queries.render_trial_query,
}


def lines(text: str) -> list[str]:
    """Those of a statement that say something."""
    stripped = [line.strip() for line in text.splitlines()]
    return [line for line in stripped if line and not line.startswith("--")]


def shown(mapping: SourceMapping) -> dict[str, list[str]]:
    """The mapping, and what is made of it for PostgreSQL."""
    return {
        "mapping": [f"{f.name}: {getattr(mapping, f.name)!r}" for f in fields(mapping)],
        "days": lines(render_source(mapping)),
        "few days": lines(render_source(mapping, refresh=True)),
        "orphans": lines(render_orphans(mapping)),
        "granted": [*_sources(mapping)],
    }


def rendered(config: Config) -> dict[str, list[str]]:
    return {name: lines(render(config)) for name, render in RENDERED.items()}


def changes(usual: dict[str, list[str]], found: dict[str, list[str]]) -> dict[str, list[str]]:
    """How each text differs from the usual one, where it does."""
    different = {
        name: list(unified_diff(usual[name], text, "", "", n=0, lineterm=""))[2:]
        for name, text in found.items()
    }
    # Which lines are gone is in the places that are named.
    return {n: [s for s in said if s[0] != "-"] for n, said in different.items() if said}


def test_sources__are_read_as_agreed(tmp_path: Path) -> None:
    with newsroom() as news:
        usual = shown(load_mapping(newsroom_config(), news.registry))
        found = {
            name: shown(load_mapping(newsroom_config(**options), news.registry))
            for name, options in SHAPES.items()
        }
    for name, settings in SAMPLES.items():
        found[name] = shown(load_mapping(make_config(**settings)))
    others = {name: changes(usual, each) for name, each in found.items()}
    assert_agreed("sources.json", {"usual": usual, **others}, tmp_path)


def test_statements__are_made_as_agreed(tmp_path: Path) -> None:
    usual = rendered(make_config())
    others = {
        name: changes(usual, rendered(make_config(**options))) for name, options in OTHER.items()
    }
    assert_agreed("statements.json", {"usual": usual, **others}, tmp_path)
