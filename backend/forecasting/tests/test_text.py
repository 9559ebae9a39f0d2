import re
from dataclasses import replace
from datetime import date

import pytest
from django.core.management.color import Style, color_style, no_style

from backend.forecasting.conf import Config
from backend.forecasting.loading.backfill import Slice, SliceOutcome, SliceResult
from backend.forecasting.output.text import (
    console_link,
    describe_findings,
    describe_plans,
    describe_slice,
)
from backend.forecasting.provisioning.plan import Action, Change, Plan
from backend.forecasting.setup.outcome import Mode
from backend.forecasting.tests.support.factories import RUN_NAME, change
from backend.forecasting.verification.findings import Finding, FindingStatus


def plan(action: Action, *changes: Change, kind: str = "table", name: str = "p.d.t") -> Plan:
    return Plan(kind=kind, name=name, action=action, changes=changes)


def described(*plans: Plan, mode: Mode = Mode.DRY_RUN, style: Style | None = None) -> list[str]:
    return describe_plans(plans, mode, style or no_style())


def test_plan__mixed_case_whole() -> None:
    lines = described(
        plan(Action.UNCHANGED, kind="dataset", name="p.d"),
        plan(
            Action.UPDATE,
            change("description", "by hand", "Risk"),
            change("columns.political_risk", None, "FLOAT64 NULLABLE"),
            change("expirationTime", "2026-04-01 00:00 UTC", None),
        ),
        plan(
            Action.CREATE,
            change("instance", None, "p:us-central1:main"),
            change("credential", None, "U/versions/1, P/versions/2"),
            kind="connection",
            name="projects/p/locations/l/connections/c",
        ),
        plan(
            Action.CONFLICT,
            change("owner", "a@example.com", "b@example.com"),
            kind="scheduled_query",
            name="Nightly load of p.d.t",
        ),
    )
    assert (
        "\n".join(lines)
        == """\
= dataset p.d
~ table p.d.t
    description: by hand -> Risk
    columns.political_risk: FLOAT64 NULLABLE
    expirationTime: 2026-04-01 00:00 UTC -> none
+ connection projects/p/locations/l/connections/c
    instance: p:us-central1:main
    credential: U/versions/1, P/versions/2
! scheduled_query Nightly load of p.d.t
    owner: a@example.com -> b@example.com
Plan: 1 to create, 1 to update, 1 unchanged, 1 in conflict. Nothing was changed."""
    )


def test_plan__new_script_is_its_length() -> None:
    change_ = change("query", None, "SELECT 1;\nSELECT 2;\n")
    lines = described(plan(Action.CREATE, change_, kind="scheduled_query"))
    assert lines[1] == "    query: 2 lines (--print-sql shows them)"


def test_plan__changed_script_is_its_changed_lines() -> None:
    before, after = "-- a\nSELECT 1;\nSELECT 3;\n", "-- a\nSELECT 2;\nSELECT 3;\n"
    lines = described(plan(Action.UPDATE, change("query", before, after)))
    assert lines[1:-1] == ["    query:", "      -SELECT 1;", "      +SELECT 2;"]


def test_plan__script_in_place_of_an_empty_one_is_its_length() -> None:
    lines = described(plan(Action.UPDATE, change("query", "", "SELECT 1;\nSELECT 2;\n")))
    assert lines[1] == "    query: 2 lines"


def test_plan__changed_sql_comment_is_not_taken_for_a_file_header() -> None:
    before, after = "-- old\nSELECT 1;\n", "-- new\nSELECT 1;\n"
    lines = described(plan(Action.UPDATE, change("query", before, after)))
    assert lines[2:-1] == ["      --- old", "      +-- new"]


@pytest.mark.parametrize(
    ("mode", "ending"),
    [
        (Mode.APPLY, "Plan: 1 to create."),
        (Mode.DRY_RUN, "Plan: 1 to create. Nothing was changed."),
        (Mode.CHECK, "Plan: 1 to create. Nothing was changed."),
    ],
)
def test_summary__says_that_nothing_was_changed_where_the_mode_writes_nothing(
    mode: Mode, ending: str
) -> None:
    assert described(plan(Action.CREATE), mode=mode)[-1] == ending


def test_summary__counts() -> None:
    same = [plan(Action.UNCHANGED)] * 2
    assert described(*same, mode=Mode.APPLY)[-1] == "Plan: 2 unchanged."


def test_plan__is_coloured_by_what_is_done_and_only_in_its_first_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DJANGO_COLORS", "")
    style = color_style(force_color=True)
    lines = described(plan(Action.UPDATE, change("description", "a", "b")), style=style)
    assert lines[0] == style.WARNING("~ table p.d.t")
    assert "\x1b[" in lines[0]
    assert not any("\x1b[" in line for line in lines[1:])


def test_plan__unchanged_is_never_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_COLORS", "")
    lines = described(plan(Action.UNCHANGED), style=color_style(force_color=True))
    assert lines[0] == "= table p.d.t"


@pytest.mark.parametrize(
    ("action", "role"), [(Action.CREATE, "SUCCESS"), (Action.CONFLICT, "ERROR")]
)
def test_plan__colours_say_what_is_added_and_what_is_in_the_way(
    action: Action, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_COLORS", "")
    style = color_style(force_color=True)
    plain = described(plan(action))[0]
    assert described(plan(action), style=style)[0] == getattr(style, role)(plain)


@pytest.mark.parametrize("status", FindingStatus)
def test_findings__are_marked_in_a_colour_of_their_own(
    status: FindingStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_COLORS", "")
    finding = Finding(id="data.rows", status=status, message="no\nrows", hint="load some")
    line, *rest = describe_findings([finding], color_style(force_color=True))
    plain = describe_findings([finding], no_style())[0]
    assert plain[4:] == "  data.rows  no rows"
    assert line.startswith("\x1b[")
    assert line.endswith(plain[4:])
    assert rest[:-1] == ([] if status is FindingStatus.PASSED else [f"{'':17}load some"])


def test_findings__summary_leaves_out_what_there_is_none_of() -> None:
    finding = Finding(id="data.rows", status=FindingStatus.WARNED, message="few")
    assert describe_findings([finding], no_style())[-1] == "1 check: 1 warned."


def test_findings_and_plans__let_no_sequence_of_a_foreign_text_through() -> None:
    hidden = "a\x1b[8mb\x1b[31mc"
    finding = Finding(id="x", status=FindingStatus.FAILED, message=hidden, hint=hidden)
    hiding = plan(Action.CONFLICT, change("f", hidden, "x"), name=hidden)
    style = color_style(force_color=True)
    lines = describe_findings([finding], style) + describe_plans([hiding], Mode.APPLY, style)
    assert sum("a [8mb [31mc" in line for line in lines) == 4
    allowed = {style.ERROR("|").partition("|")[0], "\x1b[0m"}
    assert set(re.findall(r"\x1b\[[0-9;]*.?", "".join(lines))) == allowed


@pytest.mark.parametrize(("before", "change"), [(7, "7 -> "), (10, ""), (0, "0 -> ")])
def test_slice__is_told_by_its_first_and_last_day(before: int, change: str) -> None:
    part = Slice(first_day=date(2026, 1, 1), end_day=date(2026, 2, 1), number=1, count=3)
    outcome = SliceOutcome(slice=part, result=SliceResult.LOADED, rows=10, rows_before=before)
    said = f"[1/3] 2026-01-01 to 2026-01-31: {change}10 rows, loaded"
    assert describe_slice(outcome) == said
    assert describe_slice(replace(outcome, rows=1)).endswith("-> 1 row, loaded")


def test_link__is_to_googles_console_and_none_for_the_stand_in(config: Config) -> None:
    page = "https://console.cloud.google.com/bigquery/scheduled-queries/locations/"
    assert console_link(RUN_NAME, config).startswith(page)
    assert console_link(RUN_NAME, replace(config, api_endpoint="http://127.0.0.1:1")) == ""
    assert console_link("the backfill", config) == ""
