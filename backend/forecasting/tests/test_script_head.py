"""What a stored script says of itself, and what is told of the difference to another one."""

import re
from dataclasses import fields, replace
from typing import Any

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.errors import SettingError
from backend.forecasting.provisioning.script_changes import script_changes
from backend.forecasting.sql.queries import render_nightly_load
from backend.forecasting.sql.script_head import SETTINGS, UNKNOWN_SCRIPT, read_script
from backend.forecasting.tests.support.factories import change, make_config

OTHER_VALUES = {str: "other", int: 17, float: 0.25, bool: True, tuple: (("a", "b"),)}
ANOTHER_TABLE = {"project", "location", "dataset", "table"}
"""Other values of these lead to another table's script, or to another place."""


def script(**options: Any) -> str:
    return render_nightly_load(make_config(**options))


def test_head__names_every_setting_that_changes_the_script(config: Config) -> None:
    changing = {field.name for field in fields(config) if _matters(config, field.name)}
    assert changing - ANOTHER_TABLE == set(SETTINGS)


def _matters(config: Config, name: str) -> bool:
    """Whether another value makes another script, or none at all."""
    values: dict[str, Any] = {"score_source": "entity", "entity_name_field": "entity__entity_type"}
    other = values.get(name, OTHER_VALUES[type(getattr(config, name))])
    try:
        return render_nightly_load(replace(config, **{name: other})) != render_nightly_load(config)
    except SettingError:
        return True


def test_head__says_what_the_script_was_made_from() -> None:
    read = read_script(script(window_days=365, refresh_days=7, keep_history=True))
    said = {
        "window_days": "365",
        "refresh_days": "7",
        "keep_history": "on",
        "mention_model": "entities.EntityMention",
        "min_rows_ratio": "0.5",
        "connection_id": "postgresql-conn",
    }
    assert said.items() <= read.settings.items()
    assert list(read.settings) == list(SETTINGS)
    assert read.sealed


@pytest.mark.parametrize("edit", [("90 DAY", "30 DAY"), ("window_days = 90", "window_days = 9")])
def test_head__seal_is_broken_by_any_edit(edit: tuple[str, str]) -> None:
    assert edit[0] in script()
    assert not read_script(script().replace(*edit)).sealed


def test_head__seal_is_broken_by_a_second_one() -> None:
    sealed = script()
    (line,) = re.findall(r"^-- Seal: .*\n", sealed, re.MULTILINE)
    assert not read_script(sealed + line).sealed


def test_head__of_no_script_says_what_an_unknown_one_does() -> None:
    assert read_script("") == UNKNOWN_SCRIPT


@pytest.mark.parametrize("text", ["", "SELECT 1", "-- Nightly load of p.d.t\nSELECT 1"])
def test_head__foreign_text_says_nothing(text: str) -> None:
    read = read_script(text)
    assert (read.sealed, read.kept_days) == (False, None)


@pytest.mark.parametrize(
    ("options", "kept"),
    [({}, 90), ({"window_days": 365}, 365), ({"keep_history": True}, None)],
)
def test_kept_days__are_those_of_the_statements(options: Any, kept: int | None) -> None:
    assert read_script(script(**options)).kept_days == kept


def test_kept_days__edited_statements_count_and_not_the_head() -> None:
    edited = script(window_days=365).replace("INTERVAL 365 DAY", "INTERVAL 30 DAY")
    assert read_script(edited).kept_days == 30
    assert read_script(edited).settings["window_days"] == "365"


def test_kept_days__older_scripts_without_a_head_are_read_too() -> None:
    old = script().replace("TIMESTAMP(window_start, 'UTC')", "TIMESTAMP(window_start)")
    assert read_script(old.split("DECLARE", 1)[1].join(("DECLARE", ""))).kept_days == 90


@pytest.mark.parametrize(
    ("wanted", "stored", "less"),
    [
        ({}, {}, False),
        ({"window_days": 30}, {}, True),
        ({"window_days": 365}, {}, False),
        ({}, {"keep_history": True}, True),
        ({"keep_history": True}, {}, False),
        ({"refresh_days": 7}, {}, False),
    ],
)
def test_keeps_less__smaller_window_or_no_history(wanted: Any, stored: Any, less: bool) -> None:
    other = read_script(script(**stored))
    assert read_script(script(**wanted)).keeps_less_than(other) is less


def test_keeps_less__than_no_script_at_all() -> None:
    assert read_script(script()).keeps_less_than(UNKNOWN_SCRIPT)
    assert not read_script(script(keep_history=True)).keeps_less_than(UNKNOWN_SCRIPT)


# What differs


def test_changes__are_settings_where_settings_explain_them() -> None:
    stored, wanted = script(keep_history=True, window_days=365), script(refresh_days=7)
    assert script_changes(stored, wanted) == [
        change("window_days", "365", "90"),
        change("refresh_days", "365", "7"),
        change("keep_history", "on", "off"),
    ]
    assert script_changes(wanted, wanted) == []


def test_changes__are_the_texts_where_somebody_edited_the_script() -> None:
    edited = script().replace("ON FALSE", "ON TRUE")
    assert script_changes(edited, script()) == [change("query", edited, script())]


def test_changes__edit_and_other_settings_are_both_named() -> None:
    edited, wanted = script().replace("ON FALSE", "ON TRUE"), script(window_days=30)
    assert [c.field for c in script_changes(edited, wanted)] == [
        "window_days",
        "refresh_days",
        "query",
    ]


def test_changes__of_another_versions_script_are_the_texts() -> None:
    assert [c.field for c in script_changes("SELECT 1", script())] == ["query"]
