"""Whatever the APIs answer: a right result or one clear message, and never a secret.

Google's own clients parse the replies here. They trust them, so a reply that is not as documented
raises whatever Python meets, often only when a field is looked at.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from backend.forecasting.tests.oracles.hostile_wire import (
    GONE,
    HostileWire,
    healthy_replies,
    places_of,
    put,
)
from backend.forecasting.tests.support.commands import Result, call
from backend.forecasting.tests.support.factories import (
    assert_no_secret,
    column_reprs,
    make_config,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.untraced,
    # What Google's libraries say of a type or enum value that is new to them.
    pytest.mark.filterwarnings("ignore:Unrecognized:UserWarning"),
    pytest.mark.filterwarnings("ignore:Unknown type:FutureWarning"),
]

COMMANDS: dict[str, dict[str, Any]] = {
    "bq_setup": {},
    "bq_setup_etl": {"run_now": True, "timeout": "60"},
    "bq_verify": {"format": "json"},
}
USES = {
    "bq_setup": ("dataset", "table"),
    "bq_setup_etl": (
        *("table", "user", "password", "connection", "config", "configs"),
        *("run", "runs", "started"),
    ),
    "bq_verify": ("dataset", "table", "connection", "configs", "runs", "probe", "summary"),
}
# `healthy_replies` needs a config to be made; the places in it are the same for every config.
PLACES = [
    (command, name, place)
    for command, names in USES.items()
    for name in names
    for place in places_of(healthy_replies(make_config())[name])
]
JUNK: tuple[Any, ...] = (
    *(GONE, None, True, -1, 0, 99, 2**70, 1.5, "", "x" * 10_000, str(2**70), "NEW_STATE"),
    *("\u202e\0<script>", "yesterday", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"),
    *([], {}, [None], {"a": {"b": 1}}, "<html><body>Log in</body></html>"),
)


def run(command: str, **options: Any) -> Result:
    """The command's end, which is one of the three and shows no secret."""
    result = call(command, **{**COMMANDS[command], **options})
    assert result.status in (0, 1, 2)
    assert_no_secret(result.out + result.err + result.error)
    return result


@pytest.mark.parametrize("command", COMMANDS)
def test_reply__as_it_should_be_ends_well(wire: HostileWire, command: str) -> None:
    assert run(command).status == 0
    assert not [write for write in wire.writes if not write.endswith(":startManualRuns")]


@hypothesis_settings(
    deadline=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(PLACES), st.sampled_from(JUNK))
@example(("bq_verify", "runs", ("transferRuns", 0, "endTime")), GONE)
@example(("bq_verify", "runs", ("transferRuns", 0, "runTime")), GONE)
@example(("bq_verify", "runs", ("transferRuns", 0, "runTime")), "0001-01-01T00:00:00Z")
@example(("bq_verify", "summary", ("rows",)), [])
@example(("bq_verify", "summary", ("jobComplete",)), False)
@example(("bq_verify", "table", ("schema", "fields", 0, "name")), {})
@example(("bq_setup", "table", ("schema", "fields", 0, "type")), None)
@example(("bq_setup_etl", "table", ("numRows",)), GONE)
@example(("bq_setup_etl", "configs", ("transferConfigs", 0, "name")), GONE)
@example(("bq_setup_etl", "user", ("payload",)), "cmVhZGVyXzdmM2E=")
def test_reply__tampered_with_anywhere_never_ends_in_a_traceback(
    wire: HostileWire, place: tuple[str, str, tuple[Any, ...]], junk: Any
) -> None:
    command, name, inside = place
    wire.restore()
    wire.replies[name] = put(wire.healthy[name], inside, junk)
    result = run(command)
    assert result.status == 0 or result.error


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["dataset", "table", "connection", "configs", "user", "runs"])
def test_reply__a_proxys_page_is_told_without_its_markup(
    wire: HostileWire, command: str, name: str
) -> None:
    wire.replies[name] = "<html><body>Log in first</body></html>"
    result = run(command)
    assert (result.status == 1) is (name in USES[command])
    assert "<html>" not in result.error


def test_reply__unreadable_says_what_was_asked_for(wire: HostileWire) -> None:
    wire.replies["connection"] = {"cloudSql": 7}
    result = run("bq_setup_etl")
    assert result.error.startswith("Looking at connection projects/demo-project/")
    assert "the reply is not as Google documents it (ParseError: " in result.error
    assert wire.writes == []


def test_log__of_googles_clients_tells_what_they_do_and_no_message(
    wire: HostileWire, log: Callable[[], str]
) -> None:
    wire.replies["connection"] = put(wire.healthy["connection"], ("description",), GONE)
    assert run("bq_setup_etl").status == 0
    assert "Sending request for google.cloud" in log()
    assert "Making request..." in log()
    assert wire.healthy["password"]["payload"]["data"] not in log()
    assert_no_secret(log())


# Runs


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", 99, "NEW_STATE"])
def test_run__whose_state_never_ends_is_waited_for_until_the_timeout(
    wire: HostileWire, state: Any
) -> None:
    run_json = {**wire.healthy["run"], "state": state}
    wire.replies |= {"run": run_json, "started": {"runs": [run_json]}, "runs": {}}
    result = run("bq_setup_etl")
    assert result.status == 1
    assert result.error.startswith("The run has not ended within 60 seconds")
    assert "succeeded" not in result.out
    assert "run" in wire.asked
    assert wire.writes[-1].endswith(":startManualRuns")


def test_run__that_google_says_nothing_of_is_looked_for(wire: HostileWire) -> None:
    wire.replies["started"] = {}
    wire.replies["runs"] = put(wire.healthy["runs"], ("transferRuns", 0, "state"), "RUNNING")
    wire.pages["runs"] = [{}]
    assert "the training table holds 4,200 rows" in run("bq_setup_etl").out


def test_run__that_cannot_be_found_after_the_start_is_an_error(wire: HostileWire) -> None:
    wire.replies |= {"started": {}, "runs": {}}
    result = run("bq_setup_etl")
    assert result.status == 1
    assert result.error.startswith("Starting a run failed: ")


def test_run__that_failed_without_a_status_says_so(wire: HostileWire) -> None:
    failed = {**wire.healthy["run"], "state": "FAILED"}
    wire.replies |= {"started": {"runs": [failed]}, "runs": {}}
    result = run("bq_setup_etl")
    assert result.status == 2
    assert "ended FAILED: Google gave no message" in result.error


@pytest.mark.parametrize("field", ["endTime", "runTime"])
def test_run__without_its_times_is_no_good_run(wire: HostileWire, field: str) -> None:
    wire.replies["runs"] = put(wire.healthy["runs"], ("transferRuns", 0, field), GONE)
    result = run("bq_verify")
    checks = {check["id"]: check for check in result.document["checks"]}
    assert result.status == 2
    assert checks["run.fresh"]["message"] == "no run has succeeded yet"


# Resources


def test_configs__on_several_pages_are_all_seen(wire: HostileWire) -> None:
    wire.pages["configs"] = [
        {"transferConfigs": [], "nextPageToken": "1"},
        {"nextPageToken": "2"},
    ]
    assert run("bq_setup_etl").status == 0
    assert not [write for write in wire.writes if "PATCH" in write]


@pytest.mark.parametrize(
    "params", [None, {}, {"query": 7}, {"query": None}, {"query": {"a": [1]}}, {"x": [1, {}]}]
)
def test_params__that_are_no_texts_are_put_right(wire: HostileWire, params: Any) -> None:
    config = {**wire.healthy["config"], "params": params}
    wire.replies |= {"config": config, "configs": {"transferConfigs": [config]}}
    result = run("bq_setup_etl", run_now=False)
    assert result.status == 0
    assert [write.split()[0] for write in wire.writes] == ["PATCH"]


def test_schema__nested_column_of_somebody_else_stays(wire: HostileWire) -> None:
    nested = {"name": "extra", "type": "RECORD", "fields": [{"name": "a", "type": "NEW_TYPE"}]}
    wire.replies["table"]["schema"]["fields"].append(nested)
    assert run("bq_setup").status == 0
    assert wire.writes == []


def test_schema__column_of_ours_that_is_nested_is_a_conflict(wire: HostileWire) -> None:
    nested = {"type": "RECORD", "fields": [{"name": "a", "type": "STRING"}]}
    wire.replies["table"]["schema"]["fields"] = column_reprs(risk_score=nested)
    result = run("bq_setup")
    assert "columns.risk_score is STRUCT REQUIRED, not FLOAT64 REQUIRED" in result.error
    assert wire.writes == []


@pytest.mark.parametrize("partitioning", [GONE, None, {"type": "NEW_KIND"}, {}])
def test_table__partitioned_otherwise_or_not_at_all_is_a_conflict(
    wire: HostileWire, partitioning: Any
) -> None:
    wire.replies["table"] = put(wire.healthy["table"], ("timePartitioning",), partitioning)
    result = run("bq_setup")
    assert result.status == 1
    assert "not DAY on mentioned_at" in result.error
    assert wire.writes == []


@pytest.mark.parametrize("description", [GONE, None, "", "long " * 5_000, "\u202e\0"])
def test_table__any_other_description_is_put_right(wire: HostileWire, description: Any) -> None:
    wire.replies["table"] = put(wire.healthy["table"], ("description",), description)
    assert run("bq_setup").status == 0
    assert [write.split()[0] for write in wire.writes] == ["PATCH"]


# A list without an end


@pytest.mark.parametrize("command", ["bq_setup_etl", "bq_verify"])
@pytest.mark.parametrize("name", ["configs", "runs"])
def test_list__whose_next_page_never_ends_is_given_up(
    wire: HostileWire, command: str, name: str
) -> None:
    wire.replies[name] = {"nextPageToken": "again"}
    result = run(command)
    assert result.status == 1
    assert "was given up: 1,000 requests did not come to an end of it; run it again" in result.error
    assert len(wire.asked) < 1100
    assert wire.writes == []
