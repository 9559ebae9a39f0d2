import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from zetasql.core import local_service
from zetasql.types import parse_proto

from backend.forecasting import sql
from backend.forecasting.conf import Config, load_config
from backend.forecasting.errors import SettingError
from backend.forecasting.sql.day_counts import (
    COUNT,
    GREATEST,
    LEAST,
    OFF_SCALE,
    counted,
    render_day_counts,
)
from backend.forecasting.sql.day_sums import SUMS, render_federated_by_day, render_table_by_day
from backend.forecasting.sql.queries import (
    render_connection_probe,
    render_data_summary,
    render_nightly_load,
    render_partitions,
    render_report_data,
    render_source_query,
    with_days,
)
from backend.forecasting.sql.series import (
    render_baseline,
    render_forecast_view,
    render_training_view,
)
from backend.forecasting.sql.template import quote_path, quote_string, render
from backend.forecasting.tests.oracles.googlesql import (
    FEDERATED_TYPES,
    SOURCE_COLUMNS,
    TRAINING_TABLE,
    BigQuery,
    Refused,
    find_zoneless_calls,
    read_literal,
    read_path,
    statement_kinds,
)
from backend.forecasting.tests.support.texts import CHARACTERS
from backend.forecasting.training_table import COLUMNS, DIMENSIONS, NUMBERS
from backend.tests.evaluating import read_message

pytestmark = pytest.mark.untraced

RUN_TIME = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
EXTERNAL = {name: FEDERATED_TYPES[type_name] for name, type_name in SOURCE_COLUMNS.items()}
SUMMARY_PARAMETERS: Mapping[str, date | int] = {
    "window_start": date(2026, 1, 1),
    "end_day": date(2026, 3, 1),
    "today": date(2026, 3, 1),
    "short_days": 30,
    "model_days": 45,
}
# Every two of them in each way that they come together.
VARIANTS = [
    {
        "window_days": window,
        "refresh_days": refresh,
        "keep_history": keep,
        "score_source": score,
        "min_rows_ratio": ratio,
    }
    for (window, refresh), (keep, score, ratio) in product(
        [("90", "90"), ("90", "7"), ("3650", "1")],
        [
            *(("on", "event", "0"), ("on", "entity", ".000001")),
            *(("off", "event", ".000001"), ("off", "entity", "0")),
        ],
    )
]
# What a name may look like, and what somebody might try to put into one.
FORMS = {
    "project": "([a-z0-9.-]{1,20}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]",
    "location": "[a-z]{1,12}-[a-z]{1,12}[0-9]{1,2}|us|EU",
    "dataset": "[A-Za-z0-9_]{1,40}",
    "table": "[A-Za-z0-9_]{1,40}",
    "connection_id": "[A-Za-z0-9_-]{1,64}",
    "source_database": "[A-Za-z_][A-Za-z0-9_$-]{0,62}",
}
HOSTILE = st.text("aA0_-.:;,'\"`\\/*#@{}()$% \n\r\t\0é\u2028", min_size=1, max_size=30) | st.text(
    CHARACTERS, min_size=1
)

WINDOW_PARAMETERS: dict[str, datetime | date | int] = {
    "window_start": date(2026, 1, 1),
    "end_day": date(2026, 4, 1),
}

oracle_settings = settings(deadline=None, derandomize=True, max_examples=40)


def matching(form: str) -> st.SearchStrategy[str]:
    return st.from_regex(form, fullmatch=True, alphabet=CHARACTERS)


def make_config(**options: Any) -> Config:
    return load_config({"project": "demo-project", **options}, optional={"instance"})


def make_bigquery(
    table: Mapping[str, str] = TRAINING_TABLE,
    external: Mapping[str, str] = EXTERNAL,
    run_time: datetime = RUN_TIME,
    time_zone: str = "UTC",
) -> BigQuery:
    return BigQuery(
        tables={make_config().table_id: table},
        external=external,
        parameters={"run_time": run_time, "run_date": run_time.date()},
        time_zone=time_zone,
    )


def renamed(columns: Mapping[str, str], name: str) -> dict[str, str]:
    return {f"{key}_2" if key == name else key: value for key, value in columns.items()}


def test_answers__are_what_the_library_makes_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle reads them on a shorter way: a tree of a script, one of a statement, a value."""
    read: list[Any] = []

    def read_both_ways(message: Any) -> Any:
        read.append(read_message(message))
        # What is nothing is a thing of its own.
        assert repr(read[-1]) == repr(parse_proto(message)) or not message.ByteSize()
        return read[-1]

    monkeypatch.setattr(local_service, "parse_proto", read_both_ways)
    statement_kinds("SELECT f(x)[OFFSET(1)] FROM a.b; EXECUTE IMMEDIATE 'SELECT \"é\"'")
    bigquery = BigQuery(tables={"t": {"a": "STRING", "days": "ARRAY<DATE>"}}, time_zone="Asia/Aden")
    bigquery.analyze_script(
        "DECLARE day DATE DEFAULT DATE_SUB(DATE '2026-03-01', INTERVAL 40 DAY);"
        "SELECT a, MAX(d) AS most FROM t, UNNEST(days) AS d WHERE d > day GROUP BY a"
    )
    kinds = {type(answer).__name__ for answer in read}
    assert kinds >= {"ParseResponse", "AnalyzeResponse", "PrepareResponse", "EvaluateResponse"}


@pytest.mark.trap("literals")
@pytest.mark.parametrize("options", VARIANTS, ids=lambda options: "-".join(options.values()))
def test_nightly_load__every_statement_of_every_variant_is_accepted(options: Any) -> None:
    analyzed = make_bigquery().analyze_script(render_nightly_load(make_config(**options)))
    assert [statement.kind for statement in analyzed] == [
        "CreateTableAsSelectStmt",
        *["AssertStmt"] * 6,
        "MergeStmt",
    ]


def test_nightly_load__staged_table_has_the_columns_of_the_training_table() -> None:
    staged, *_ = make_bigquery().analyze_script(render_nightly_load(make_config()))
    assert staged.columns == TRAINING_TABLE


def test_nightly_load__each_column_is_inserted_into_its_own() -> None:
    *_, merge = make_bigquery().analyze_script(render_nightly_load(make_config()))
    assert merge.inserted == {column.name: column.name for column in COLUMNS}


@pytest.mark.parametrize("time_zone", ["UTC", "America/Caracas"])
@pytest.mark.parametrize("score_source", ["event", "entity"])
@pytest.mark.parametrize(("days", "first_day"), [(7, date(2026, 2, 22)), (90, date(2025, 12, 1))])
def test_nightly_load__postgresql_gets_the_source_query_for_the_days_before_the_run(
    score_source: str, days: int, first_day: date, time_zone: str
) -> None:
    config = make_config(refresh_days=str(days), score_source=score_source)
    staged, *_ = make_bigquery(time_zone=time_zone).analyze_script(render_nightly_load(config))
    connection, query = staged.external_query
    source_query = render_source_query(config, refresh=days < 90)
    expected = with_days(source_query, first_day, date(2026, 3, 1))
    assert connection == config.connection_name
    assert query.strip() == expected.strip()


@pytest.mark.parametrize("time_zone", ["UTC", "America/Caracas", "Pacific/Auckland"])
def test_nightly_load__asserts_on_days_of_utc_whatever_the_projects_zone(time_zone: str) -> None:
    script = render_nightly_load(make_config())
    (condition,) = re.findall(
        r"SELECT 1 FROM staged\s+WHERE ([^;]*?)\) AS 'The source query returned a day out", script
    )
    moments = {
        "2025-11-30 00:00": True,
        "2025-12-01 00:00": False,
        "2026-02-28 00:00": False,
        "2026-02-28 04:00": True,
        "2026-03-01 00:00": True,
    }
    values = make_bigquery(time_zone=time_zone).evaluate_after(
        script, (condition.replace("mentioned_at", f"TIMESTAMP '{at}:00+00'") for at in moments)
    )
    assert [value.get_bool() for value in values] == list(moments.values())


def test_nightly_load__run_for_a_future_time_ends_with_the_last_complete_day() -> None:
    bigquery = make_bigquery(run_time=datetime.now(UTC) + timedelta(days=3))
    before = datetime.now(UTC).date()
    staged, *_ = bigquery.analyze_script(render_nightly_load(make_config()))
    after = datetime.now(UTC).date()
    _, query = staged.external_query
    assert any(f"mentioned_at < DATE '{day}'" in query for day in (before, after))


@pytest.mark.parametrize("name", TRAINING_TABLE)
def test_nightly_load__renamed_column_of_the_training_table_is_refused(name: str) -> None:
    bigquery = make_bigquery(table=renamed(TRAINING_TABLE, name))
    with pytest.raises(Refused, match=name):
        bigquery.analyze_script(render_nightly_load(make_config()))


@pytest.mark.parametrize("name", EXTERNAL)
def test_nightly_load__renamed_column_of_the_source_query_is_refused(name: str) -> None:
    bigquery = make_bigquery(external=renamed(EXTERNAL, name))
    with pytest.raises(Refused, match=name):
        bigquery.analyze_script(render_nightly_load(make_config()))


@pytest.mark.parametrize("name", EXTERNAL)
def test_nightly_load__source_column_of_a_wrong_type_is_refused(name: str) -> None:
    wrong = "DATETIME" if EXTERNAL[name] == "TIMESTAMP" else "BYTES"
    bigquery = make_bigquery(external={**EXTERNAL, name: wrong})
    with pytest.raises(Refused):
        bigquery.analyze_script(render_nightly_load(make_config()))


@pytest.mark.parametrize("name", TRAINING_TABLE)
def test_nightly_load__table_column_of_a_wrong_type_is_refused(name: str) -> None:
    wrong = "INT64" if TRAINING_TABLE[name] == "STRING" else "STRING"
    bigquery = make_bigquery(table={**TRAINING_TABLE, name: wrong})
    with pytest.raises(Refused):
        bigquery.analyze_script(render_nightly_load(make_config()))


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("SELECT 1 FROM staged", "SELECT entity_id->>'name' FROM staged"),
        ("SELECT entity_id,", "SELECT DISTINCT ON (entity_id) entity_id,"),
        ("DATE_SUB(end_day, INTERVAL 90 DAY)", "end_day - INTERVAL '90 days'"),
        ("DATE(@run_time,", "DATE(@runtime,"),
        ("DATE(@run_time, 'UTC')", "@run_time"),
        ("TIMESTAMP(window_start,", "TIMESTAMP(windowstart,"),
        ("SET first_day = window_start", "SET first_day = TIMESTAMP(window_start, 'UTC')"),
        ("FROM EXTERNAL_QUERY", "FROM EXTERNAL_TABLE"),
        # Neither variables nor parameters are visible inside the text of EXECUTE IMMEDIATE.
        ("\nFROM EXTERNAL_QUERY", ", first_day\nFROM EXTERNAL_QUERY"),
        ("\nFROM EXTERNAL_QUERY", ", @run_time AS now\nFROM EXTERNAL_QUERY"),
    ],
)
def test_nightly_load__what_bigquery_does_not_know_is_refused(text: str, instead: str) -> None:
    script = render_nightly_load(make_config())
    assert text in script
    with pytest.raises(Refused):
        make_bigquery().analyze_script(script.replace(text, instead))


THEN = datetime(2026, 3, 2, 2, 0, 4, 123456, tzinfo=UTC)
RENDERED: dict[str, Callable[[Config], str]] = {
    "nightly load": render_nightly_load,
    "data summary": render_data_summary,
    "table by day": render_table_by_day,
    "day counts": render_day_counts,
    "report data": render_report_data,
    "partitions": lambda config: render_partitions(config.table_id),
    "connection probe": render_connection_probe,
    "training view": lambda config: render_training_view(replace(config, horizon_days=9)),
    "forecast view": lambda config: render_forecast_view(replace(config, horizon_days=9)),
    "baseline": lambda config: render_baseline(replace(config, horizon_days=9)),
    "federated by day": lambda config: render_federated_by_day(
        config, date(2026, 1, 1), date(2026, 3, 1)
    ),
}
# In PostgreSQL's SQL, or put into the others.
NOT_BY_THEMSELVES = {
    *("connection_role.sql", "source_by_day.sql", "source_orphans.sql", "source_query.sql"),
    *("source_query_entities.sql", "source_query_events.sql"),
    *("decimal_number.sql", "filled_days.sql", "json_number.sql", "usable_series.sql"),
}


@pytest.mark.parametrize("name", RENDERED)
def test_sql__names_utc_in_every_call_that_depends_on_a_zone(name: str) -> None:
    found = find_zoneless_calls(RENDERED[name](make_config()))
    # What is called `day` is a DATE, and has no zone.
    assert [c for c in found if not re.fullmatch(r"EXTRACT\(\w+ FROM (\w+\.)?day\)", c)] == []


def test_sql__every_template_is_among_the_rendered_texts() -> None:
    templates = {item.name for item in resources.files(sql).iterdir() if item.name.endswith("sql")}
    expected = {f"{name.replace(' ', '_')}.sql" for name in RENDERED} | NOT_BY_THEMSELVES
    assert templates == expected


@pytest.mark.parametrize(
    "call",
    [
        *("CURRENT_DATE()", "CURRENT_DATE", "DATE(t)", "TIMESTAMP(d)", "EXTRACT(DAY FROM t)"),
        *("TIMESTAMP_TRUNC(t, DAY)", "TIMESTAMP_TRUNC(t, DAY, 'America/Caracas')"),
    ],
)
def test_zoneless_calls__are_found_inside_a_dynamic_statement_too(call: str) -> None:
    assert find_zoneless_calls(f"SELECT {call}") == [call]
    text = call.replace("'", '"')
    assert find_zoneless_calls(f"EXECUTE IMMEDIATE 'SELECT {text}'") == [text]


def test_partitions__are_asked_for_as_google_documents_them() -> None:
    text = render_partitions(make_config().table_id)
    columns = {"table_name": "STRING", "partition_id": "STRING", "total_rows": "INT64"}
    path = "demo-project.intelligence.INFORMATION_SCHEMA.PARTITIONS"
    bigquery = BigQuery(tables={path: columns}, parameters={"table": "t"})
    assert bigquery.analyze_statement(text).columns == {
        "partition_id": "STRING",
        "row_count": "INT64",
    }


def test_day_counts__are_accepted_and_yield_what_is_read_of_them() -> None:
    config = make_config()
    bigquery = BigQuery(tables={config.table_id: TRAINING_TABLE}, parameters=WINDOW_PARAMETERS)
    columns = bigquery.analyze_statement(render_day_counts(config)).columns
    types = {COUNT: "INT64", OFF_SCALE: "INT64", LEAST: "FLOAT64", GREATEST: "FLOAT64"}
    expected = {counted(c, what): kind for c in DIMENSIONS for what, kind in types.items()}
    assert columns == {"day": "DATE", "row_count": "INT64", **expected}


def test_data_summary__is_accepted_and_yields_one_number_or_day_a_column() -> None:
    config = make_config()
    bigquery = BigQuery(tables={config.table_id: TRAINING_TABLE}, parameters=SUMMARY_PARAMETERS)
    columns = bigquery.analyze_statement(render_data_summary(config)).columns
    assert set(columns.values()) == {"INT64", "DATE", "FLOAT64"}


@pytest.mark.parametrize("name", ["entity_id", "mentioned_at", "risk_score"])
def test_data_summary__renamed_column_is_refused(name: str) -> None:
    config = make_config()
    tables = {config.table_id: renamed(TRAINING_TABLE, name)}
    with pytest.raises(Refused, match=name):
        BigQuery(tables=tables, parameters=SUMMARY_PARAMETERS).analyze_statement(
            render_data_summary(config)
        )


COLUMN_SUMS = {
    f"{column.name}_{what}": "INT64" if what == "count" else "FLOAT64"
    for column in NUMBERS
    for what in SUMS
}


@pytest.mark.parametrize("as_of", [None, THEN], ids=["now", "then"])
def test_table_by_day__is_accepted_and_sums_keys_exactly(as_of: datetime | None) -> None:
    config = make_config()
    bigquery = BigQuery(tables={config.table_id: TRAINING_TABLE}, parameters=WINDOW_PARAMETERS)
    assert bigquery.analyze_statement(render_table_by_day(config, as_of)).columns == {
        "day": "DATE",
        "row_count": "INT64",
        "key_sum": "INT64",
        "score_sum": "FLOAT64",
        **COLUMN_SUMS,
    }


def test_report_data__is_accepted() -> None:
    config = make_config()
    parameters = {**WINDOW_PARAMETERS, "entities_from": date(2026, 2, 1), "entities": 40}
    bigquery = BigQuery(tables={config.table_id: TRAINING_TABLE}, parameters=parameters)
    columns = bigquery.analyze_statement(render_report_data(config)).columns
    assert list(columns.items())[:6] == [
        ("kind", "STRING"),
        ("entity_id", "STRING"),
        ("day", "DATE"),
        ("row_count", "INT64"),
        ("day_count", "INT64"),
        ("risk_score", "FLOAT64"),
    ]


def test_federated_by_day__is_accepted_and_carries_its_days() -> None:
    # PostgreSQL's sum of bigint is numeric, which arrives as NUMERIC.
    external = {
        "day": "DATE",
        "row_count": "INT64",
        "key_sum": "NUMERIC",
        "score_sum": "FLOAT64",
        **COLUMN_SUMS,
    }
    query = render_federated_by_day(make_config(), date(2026, 1, 1), date(2026, 3, 1))
    analyzed = BigQuery(tables={}, external=external).analyze_statement(query)
    assert analyzed.columns == external
    assert "mentioned_at < DATE '2026-03-01'" in analyzed.external_query[1]


def test_connection_probe__is_accepted_and_reads_no_row() -> None:
    config = make_config()
    probe = render_connection_probe(config)
    analyzed = BigQuery(tables={}, external=EXTERNAL).analyze_statement(probe)
    connection, query = analyzed.external_query
    assert connection == config.connection_name
    assert query.endswith("LIMIT 0\n")
    assert "mentioned_at < DATE '2000-01-02'" in query
    assert analyzed.columns == {"row_count": "INT64", "orphans": "INT64"}


def test_connection_probe__counts_orphans_of_the_days() -> None:
    probe = render_connection_probe(make_config(), (date(2026, 1, 1), date(2026, 3, 1)))
    external = {**EXTERNAL, "orphans": "INT64"}
    analyzed = BigQuery(tables={}, external=external).analyze_statement(probe)
    assert analyzed.columns == {"row_count": "INT64", "orphans": "INT64"}
    assert "mentioned_at < DATE '2026-03-01'" in probe


@oracle_settings
@given(st.text(CHARACTERS) | HOSTILE)
@example("'")
@example("\\")
@example("\\'")
@example("'''; DROP TABLE x; --")
@example("\0\x7f\x85\u2028\ufeff\U0001f600")
def test_quote_string__any_text_is_read_back_as_it_was(text: str) -> None:
    assert read_literal(quote_string(text)) == text


@oracle_settings
@given(st.lists(matching("[A-Za-z0-9_.:-]{1,12}") | HOSTILE, min_size=1))
def test_quote_path__any_parts_are_one_identifier_or_refused(parts: list[str]) -> None:
    try:
        path = quote_path(*parts)
    except ValueError:
        assert not all(re.fullmatch("[A-Za-z0-9_.:-]+", part) for part in parts)
    else:
        assert read_path(path) == [".".join(parts)]


@given(st.sets(st.sampled_from("abcd")), st.sets(st.sampled_from("abcd")))
def test_render__takes_exactly_the_names_of_the_template(
    wanted: set[str], offered: set[str]
) -> None:
    template = "".join(f"<{{{{ {name} }}}}>" for name in sorted(wanted))
    values = {name: f"{{{{ {name} }}}}\\1" for name in offered}
    if wanted == offered:
        expected = "".join(f"<{values[name]}>" for name in sorted(wanted))
        assert render(template, **values) == f"{expected}\n"
    else:
        with pytest.raises(KeyError, match=", ".join(f"'{n}'" for n in sorted(wanted ^ offered))):
            render(template, **values)


@cache
def usual_kinds() -> list[str]:
    """Of the statements with the usual names: Google's parser takes a while for each script."""
    return statement_kinds(render_nightly_load(make_config()))


@oracle_settings
@given(st.fixed_dictionaries({name: matching(form) for name, form in FORMS.items()}))
def test_nightly_load__no_accepted_name_changes_its_statements(names: dict[str, str]) -> None:
    script = render_nightly_load(make_config(**names))
    assert statement_kinds(script) == usual_kinds()


@oracle_settings
@given(st.sampled_from(sorted(FORMS)), HOSTILE)
@example("project", "demo-project` WHERE TRUE; --")
@example("dataset", "intelligence\n; DROP TABLE x")
@example("connection_id", "x', 'SELECT 1'); --")
@example("connection_id", 'x""" ')
@example("table", "{{ table }}")
def test_nightly_load__any_text_as_a_name_is_refused_or_changes_nothing(
    field: str, text: str
) -> None:
    try:
        config = make_config(**{field: text})
    except SettingError:
        return
    assert statement_kinds(render_nightly_load(config)) == usual_kinds()
