import re
import runpy
from typing import Any, get_origin, get_type_hints

import pytest

from backend.config import settings as backend_settings
from backend.forecasting.conf import SETTINGS, Config, load_config
from backend.forecasting.errors import SettingError
from backend.forecasting.tests.support.factories import (
    INSTANCE,
    PROJECT,
    SERVICE_ACCOUNT,
    make_config,
)

GIVEN = {"project": PROJECT, "instance": INSTANCE}
BY_FIELD = {setting.field: setting for setting in SETTINGS}

MALFORMED = {
    "project": (
        "Demo",
        "demo_project",
        "abc",
        "1demo",
        "demo-",
        "a" * 31,
        "demo project",
        "démo-1",
    ),
    "location": ("us-central", "uscentral1", "us_central1", "us central1", "us-central1;"),
    "dataset": ("my-dataset", "a.b", "a b", "a`b", "día"),
    "table": ("my-table", "a.b", "a`", "t$20260101"),
    "connection_id": ("a.b", "a/b", "a b", "a'b", "a" * 65),
    "instance": ("main", "demo:main", "us-central1:main", "demo-project:us-central1:", "a:b:c:d"),
    "source_database": ("my db", "1db", "db;", 'a"b', "a" * 64),
    "schedule": (
        "0 2 * * *",
        "daily",
        "every day",
        "every day 2:00",
        "every day 24:00",
        "every day 02:60",
        "every 0 hours",
        "every 25 hours",
        "every monkey 02:00",
        "every mon tue 02:00",
        "every day 02:00 UTC",
    ),
    "window_days": ("0", "-1", "3651", "1.5", "ninety", "9 0", "٩"),
    "refresh_days": ("0", "-7", "3651", "week"),
    "keep_history": ("maybe", "2", "tru"),
    "mention_model": ("Mention", "a.b.c", "entities.Entity Mention", "entities/EntityMention"),
    "entity_field": ("__", "entity__"),
    "entity_name_field": ("__name", "entity____name"),
    "time_field": ("mentioned_at__",),
    "time_zone": ("America/Caracas", "utc", "on"),
    "event_field": ("event__",),
    "event_time_field": ("event__ __x",),
    "score_field": ("event__", "__risk_score"),
    "dimension_fields": ("sanctions", "sanctions=", "=a", "a=b=c", "a=b,", ","),
    "score_source": ("events", "Event", "mention"),
    "min_rows_ratio": ("1.1", "-0.1", "50%", "nan", "half"),
    "user_secret": ("a/b", "projects/p/secrets/s", "a b"),
    "password_secret": ("a/b", "a.b", "a" * 256),
    "service_account": ("me@example.com", "loader", "@x.iam.gserviceaccount.com"),
    "notification_topic": ("loads", "projects/demo-project/topics/", "projects/demo-project/loads"),
    "max_age_hours": ("0", "-1", "soon", "inf", "1e3"),
    "event_lookback_days": ("0", "-1", "3651", "off"),
    "horizon_days": ("0", "-14", "3651", "1.5", "two weeks"),
    "series_min_share": ("1.1", "-0.1", "50%", "nan", "half"),
    "log_format": ("JSON", "yaml", "structured"),
    "api_endpoint": (
        "https://127.0.0.1:9050",
        "http://example.com:9050",
        "http://127.0.0.1",
        "http://127.0.0.1:9050/v1",
        "http://127.0.0.1:9050X",
        "http://127.0.0.1.example.com:9050",
        "127.0.0.1:9050",
    ),
    "grpc_endpoint": (
        "http://127.0.0.1:9051",
        "example.com:9051",
        "127.0.0.1",
        "127.0.0.1:9051/",
        "[::2]:9051",
        "dns:///localhost:9051",
    ),
}

ACCEPTED: dict[str, tuple[tuple[Any, Any], ...]] = {
    "project": (
        ("example.com:demo-project", "example.com:demo-project"),
        (" demo-project ", PROJECT),
    ),
    "location": (("US-CENTRAL1", "us-central1"), ("US", "us")),
    "schedule": (
        ("every day  07:30", "every day 07:30"),
        ("every mon,thu 02:07", "every mon,thu 02:07"),
        ("every monday 02:07", "every monday 02:07"),
        ("every 6 hours", "every 6 hours"),
    ),
    "window_days": (("1", 1), ("3650", 3650), (365, 365)),
    "keep_history": (("on", True), ("TRUE", True), (True, True), ("off", False), ("0", False)),
    "min_rows_ratio": (("0.5", 0.5), ("1", 1.0), (".25", 0.25)),
    "max_age_hours": (("26", 26.0), ("0.5", 0.5)),
    "event_lookback_days": (("30", 30), ("", 0)),
    "horizon_days": (("14", 14), (" 90 ", 90), ("", 0)),
    "series_min_share": (("0", 0.0), ("1", 1.0), ("0.75", 0.75)),
    "api_endpoint": (
        ("http://127.0.0.1:9050/", "http://127.0.0.1:9050"),
        ("http://[::1]:9050", "http://[::1]:9050"),
    ),
    "grpc_endpoint": (
        ("127.0.0.1:9051", "127.0.0.1:9051"),
        (" localhost:9051 ", "localhost:9051"),
        ("[::1]:9051", "[::1]:9051"),
    ),
}


@pytest.mark.parametrize(
    ("field", "text"), [(field, text) for field, texts in MALFORMED.items() for text in texts]
)
def test_setting__malformed_is_one_sentence_with_name_value_and_expectation(
    settings: Any, field: str, text: str
) -> None:
    setting = BY_FIELD[field]
    setattr(settings, setting.setting, text)
    with pytest.raises(SettingError) as raised:
        load_config({name: value for name, value in GIVEN.items() if name != field})
    assert str(raised.value) == f'{setting.setting} is "{text}": expected {setting.form.expected}.'


@pytest.mark.parametrize("field", [name for name in MALFORMED if BY_FIELD[name].flag])
def test_flag__malformed_is_named_as_the_flag(field: str) -> None:
    text = MALFORMED[field][0]
    with pytest.raises(SettingError, match=f'^{BY_FIELD[field].flag} is "{re.escape(text)}"'):
        load_config({**GIVEN, field: text})


def test_settings__each_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in SETTINGS:
        monkeypatch.setenv(setting.setting, f"text of {setting.field}")
    names = runpy.run_path(backend_settings.__file__)
    assert {s.field: names[s.setting] for s in SETTINGS} == {
        field: f"text of {field}" for field in BY_FIELD
    }


def test_settings__each_value_has_the_type_that_is_declared() -> None:
    types = {name: get_origin(hint) or hint for name, hint in get_type_hints(Config).items()}
    config = make_config(service_account=SERVICE_ACCOUNT)
    assert {name: type(value) for name, value in vars(config).items()} == types


def test_settings__each_has_a_malformed_example() -> None:
    assert set(MALFORMED) == set(BY_FIELD)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [(field, *pair) for field, pairs in ACCEPTED.items() for pair in pairs],
)
def test_setting__accepted_in_canonical_form(
    settings: Any, field: str, text: Any, value: Any
) -> None:
    setattr(settings, BY_FIELD[field].setting, text)
    around = {**GIVEN, "location": "us-central1", "api_endpoint": "http://127.0.0.1:9050"}
    given = {name: value for name, value in around.items() if name != field}
    assert getattr(load_config(given), field) == value


@pytest.mark.parametrize("field", ["project", "instance"])
def test_setting__missing_names_the_setting_and_the_flag(field: str) -> None:
    setting = BY_FIELD[field]
    with pytest.raises(SettingError) as raised:
        load_config({name: value for name, value in GIVEN.items() if name != field})
    assert str(raised.value) == (
        f"{setting.setting} is not set: expected {setting.form.expected}; set it in the "
        f"environment or .env, or give {setting.flag}."
    )


def test_setting__missing_is_fine_where_the_command_does_not_need_it() -> None:
    assert load_config({"project": PROJECT}, optional=["instance"]).instance == ""


def test_config__defaults_are_the_documented_ones() -> None:
    assert make_config() == Config(
        project=PROJECT,
        location="us-central1",
        dataset="intelligence",
        table="entity_risk_training_data",
        connection_id="postgresql-conn",
        instance=INSTANCE,
        source_database="venezuelawatch",
        schedule="every day 02:00",
        window_days=90,
        refresh_days=90,
        keep_history=False,
        score_source="event",
        mention_model="entities.EntityMention",
        entity_field="entity",
        entity_name_field="entity__name",
        time_field="mentioned_at",
        time_zone="",
        event_field="event",
        event_time_field="event__occurred_at",
        score_field="event__risk_score",
        dimension_fields=(
            ("sanctions", "event__risk_dimensions__sanctions"),
            ("political", "event__risk_dimensions__political"),
            ("economic", "event__risk_dimensions__economic"),
            ("supply_chain", "event__risk_dimensions__supply_chain"),
        ),
        min_rows_ratio=0.5,
        user_secret="POSTGRES_USER",
        password_secret="POSTGRES_PASSWORD",
        service_account="",
        notification_topic="",
        max_age_hours=26.0,
        event_lookback_days=0,
        horizon_days=0,
        series_min_share=0.5,
        api_endpoint="",
        grpc_endpoint="",
        log_format="text",
    )


def test_endpoints__that_of_grpc_alone_would_split_the_pipeline(settings: Any) -> None:
    settings.FORECASTING_GRPC_ENDPOINT = "127.0.0.1:9051"
    with pytest.raises(SettingError, match=r"ENDPOINT is not set: .* set both, or"):
        load_config(GIVEN)
    settings.FORECASTING_API_ENDPOINT = "http://127.0.0.1:9050"
    assert load_config(GIVEN).grpc_endpoint == "127.0.0.1:9051"


@pytest.mark.parametrize(
    ("flag", "setting", "dataset"),
    [
        ("by_flag", "by_setting", "by_flag"),
        (None, "by_setting", "by_setting"),
        (None, "", "intelligence"),
        (None, None, "intelligence"),
        (None, "  ", "intelligence"),
    ],
)
def test_precedence__flag_then_setting_then_default(
    settings: Any, flag: str | None, setting: str | None, dataset: str
) -> None:
    settings.FORECASTING_DATASET = setting
    assert make_config(dataset=flag).dataset == dataset


def test_precedence__what_a_project_does_not_have_is_the_default(settings: Any) -> None:
    del settings.FORECASTING_DATASET
    assert make_config().dataset == "intelligence"


def test_dimensions__may_be_given_as_a_mapping_too(settings: Any) -> None:
    settings.FORECASTING_DIMENSION_FIELDS = {"political": "event__a", "economic": 7}
    assert make_config().dimension_fields == (("political", "event__a"), ("economic", "7"))
    settings.FORECASTING_DIMENSION_FIELDS = "political = event__a,economic=event__b"
    assert make_config().dimension_fields == (("political", "event__a"), ("economic", "event__b"))
    settings.FORECASTING_DIMENSION_FIELDS = "none"
    assert make_config().dimension_fields == ()


def test_precedence__a_flag_turns_off_what_a_setting_turns_on(settings: Any) -> None:
    settings.FORECASTING_KEEP_HISTORY = "on"
    assert make_config(keep_history=False).keep_history is False


def test_refresh__is_the_whole_window_unless_set() -> None:
    assert make_config(window_days="30").refresh_days == 30
    assert make_config(window_days="30", refresh_days="7").refresh_days == 7


def test_refresh__longer_than_the_window_is_refused() -> None:
    with pytest.raises(SettingError) as raised:
        make_config(window_days="7", refresh_days="8")
    assert str(raised.value) == (
        "FORECASTING_REFRESH_DAYS is 8, more than the window: expected at most "
        "FORECASTING_WINDOW_DAYS, 7."
    )


def test_horizon__longer_than_the_window_is_refused() -> None:
    assert make_config(horizon_days="90").horizon_days == 90
    with pytest.raises(SettingError) as raised:
        make_config(horizon_days="91")
    assert str(raised.value) == (
        "FORECASTING_HORIZON_DAYS is 91, more than the window: expected at most "
        "FORECASTING_WINDOW_DAYS, 90, or FORECASTING_KEEP_HISTORY=on."
    )
    assert make_config(horizon_days="91", keep_history="on").horizon_days == 91


def test_horizon__table_whose_views_have_too_long_names_is_refused() -> None:
    assert make_config(table="t" * 1015, horizon_days="7")
    assert make_config(table="t" * 1024)
    with pytest.raises(SettingError) as raised:
        make_config(table="t" * 1016, horizon_days="7")
    said = str(raised.value)
    assert said.startswith('FORECASTING_TABLE is "ttt')
    assert said.endswith(
        '", of 1,016 characters, and FORECASTING_HORIZON_DAYS asks for views with longer names: '
        "expected at most 1,015 characters, or no horizon."
    )


@pytest.mark.parametrize(
    ("location", "region"),
    [
        ("us-central1", "us-central1"),
        ("US", "us-east4"),
        ("EU", "europe-west1"),
    ],
)
def test_region__same_or_inside_the_multi_region_is_accepted(location: str, region: str) -> None:
    assert make_config(location=location, instance=f"{PROJECT}:{region}:main")


@pytest.mark.parametrize(
    ("location", "region"),
    [
        ("us-central1", "us-east1"),
        ("US", "europe-west1"),
        ("EU", "us-central1"),
        ("EU", "asia-east1"),
    ],
)
def test_region__out_of_reach_names_both(location: str, region: str) -> None:
    with pytest.raises(SettingError) as raised:
        make_config(location=location, instance=f"{PROJECT}:{region}:main")
    message = str(raised.value)
    assert f"CLOUD_SQL_INSTANCE is {PROJECT}:{region}:main, in {region}" in message
    assert f"FORECASTING_LOCATION is {location.lower()}" in message
    assert f"set FORECASTING_LOCATION to {region}" in message


def test_region__instance_of_another_domain_scoped_project() -> None:
    config = make_config(instance="example.com:sql-project:us-central1:main")
    assert config.instance == "example.com:sql-project:us-central1:main"
