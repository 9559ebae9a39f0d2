"""Every check, from snapshots made by hand: what passes, what fails, what only warns."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from backend.forecasting.conf import Config
from backend.forecasting.errors import ApiError, ForecastingError, VerificationFailed
from backend.forecasting.provisioning.tables import TableSpec
from backend.forecasting.tests.support.check_cases import CASES, Case
from backend.forecasting.tests.support.factories import (
    TRANSFER_NAME,
    USER,
    make_config,
    make_dataset,
    make_run,
    make_table,
    make_transfer,
)
from backend.forecasting.tests.support.snapshots import (
    BASELINE,
    DATA,
    NO_BASELINE,
    NOW,
    TODAY,
    UNSEEN,
    WRONG_PASSWORD,
    columns,
    findings_of,
    horizon,
    make_snapshot,
    view_is,
)
from backend.forecasting.verification.findings import (
    FindingStatus,
    collapse_skipped,
    passed,
    skipped,
)
from backend.forecasting.verification.snapshot import Snapshot, Window, expected_window
from backend.forecasting.verification.verify import Verification, check_snapshot

IDS = [
    "dataset.exists",
    "dataset.location",
    "table.exists",
    "table.schema",
    "table.partitioning",
    "table.description",
    "connection.exists",
    "connection.target",
    "connection.credential",
    "connection.usable",
    "schedule.exists",
    "schedule.unique",
    "schedule.enabled",
    "schedule.time",
    "schedule.query",
    "schedule.destination",
    "run.succeeded",
    "run.fresh",
    "data.rows",
    "data.grain",
    "data.nulls",
    "data.finite",
    "data.range",
    "data.window",
    "data.coverage",
    "data.volume",
    "data.dimensions",
    "data.orphans",
    "source.reconciled",
    "vertex.rows",
    "vertex.columns",
    "vertex.size",
    "vertex.names",
    "vertex.series_length",
    "vertex.span",
    "vertex.constant_target",
    "vertex.gaps",
    "vertex.series_usable",
    "vertex.context",
    "vertex.split",
    "vertex.baseline",
    "views.exist",
    "views.query",
]

PARTS = {
    "dataset": "dataset[.]",
    "table": "table[.]",
    "connection": "connection[.]",
    "probe": "connection[.]usable|data[.]orphans",
    "schedules": "schedule[.]",
    "runs": "run[.]",
    "data": "data[.](?!volume|dimensions|orphans)",
    "days": "data[.](volume|dimensions)",
    "sides": "source[.]",
    "baseline": "vertex[.]baseline",
}


def test_checks__all_pass_in_the_documented_order(config: Config) -> None:
    findings = check_snapshot(make_snapshot(config))
    assert [finding.id for finding in findings] == IDS
    assert {finding.status for finding in findings} == {FindingStatus.PASSED}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_check__says_what_is_wrong_and_what_to_do(config: Config, case: Case) -> None:
    findings = findings_of(make_snapshot(config, **case.change(config)))
    found = findings[case.check]
    assert found.status == case.status
    assert case.message in found.message
    assert case.hint in found.hint
    assert set(findings) == set(IDS)


@pytest.mark.parametrize("case", [case for case in CASES if case.status == "warn"], ids=str)
def test_check__warns_and_all_others_pass(config: Config, case: Case) -> None:
    findings = findings_of(make_snapshot(config, **case.change(config)))
    others = {finding.status for id, finding in findings.items() if id != case.check}
    assert others == {FindingStatus.PASSED}


def test_cases__are_there_for_every_check() -> None:
    assert {case.check for case in CASES} == set(IDS)
    assert all(case.hint for case in CASES)


@pytest.mark.parametrize("part", PARTS)
def test_checks__what_could_not_be_looked_at_is_skipped_and_said(config: Config, part: str) -> None:
    findings = findings_of(make_snapshot(config, **{part: UNSEEN}))
    of_part = [finding for id, finding in findings.items() if re.match(PARTS[part], id)]
    assert of_part
    assert {finding.status for finding in of_part} == {FindingStatus.SKIPPED}
    assert any(UNSEEN.reason in finding.message for finding in of_part)
    assert set(findings) == set(IDS)


@pytest.mark.parametrize("part", ["dataset", "table", "connection"])
def test_checks__of_what_is_absent_are_skipped_but_for_the_first(config: Config, part: str) -> None:
    findings = findings_of(make_snapshot(config, **{part: None}))
    of_part = [finding for id, finding in findings.items() if id.startswith(f"{part}.")]
    assert of_part[0].status is FindingStatus.FAILED
    assert {finding.status for finding in of_part[1:]} == {FindingStatus.SKIPPED}


def test_reconciliation__is_absent_where_it_was_not_asked_for(config: Config) -> None:
    findings = findings_of(make_snapshot(config, reconcile=False, sides=None))
    assert "source.reconciled" not in findings


def test_views__that_could_not_be_looked_at_are_skipped_and_said(config: Config) -> None:
    changed = make_snapshot(config, **view_is(UNSEEN)(config))
    findings = [f for id, f in findings_of(changed).items() if id.startswith("views.")]
    assert [finding.status for finding in findings] == [FindingStatus.SKIPPED] * 2
    assert UNSEEN.reason in findings[0].message
    assert changed.unseen == [UNSEEN]


def test_views__are_not_missed_without_a_horizon(config: Config) -> None:
    findings = findings_of(make_snapshot(config, config=config, views=()))
    for check in ("views.exist", "views.query"):
        assert findings[check].status is FindingStatus.PASSED
        assert "FORECASTING_HORIZON_DAYS is not set" in findings[check].message


def test_baseline__is_absent_where_it_was_not_asked_for(config: Config) -> None:
    changed = make_snapshot(config, baseline_asked=False, baseline=UNSEEN)
    assert "vertex.baseline" not in findings_of(changed)
    assert changed.unseen == []


def test_baseline__to_be_shown_is_a_finding_where_there_is_one(config: Config) -> None:
    finding = findings_of(make_snapshot(config, baseline_asked=False))["vertex.baseline"]
    assert finding.status is FindingStatus.PASSED
    assert finding.message == (
        "a model has to beat `mean`, with a MAE of 10.00, WAPE 0.250 over 400 rows since "
        "2026-02-21 of 60 series"
    )


def test_table__of_another_partitioning_still_shows_the_other_differences(config: Config) -> None:
    found = make_table(timePartitioning=None, description="by hand", expirationTime="1775001600000")
    finding = findings_of(make_snapshot(config, table=found))["table.partitioning"]
    assert finding.message == "differs: expirationTime, partitioning"
    assert TableSpec.from_config(config).plan(found).fields == {"partitioning"}


@pytest.mark.parametrize("alias", ["FLOAT", "FLOAT64"])
def test_table__type_alias_is_no_difference(config: Config, alias: str) -> None:
    found = columns(risk_score={"type": alias})(config)
    assert (
        findings_of(make_snapshot(config, **found))["table.schema"].status is FindingStatus.PASSED
    )


def test_run__failure_has_the_likely_cause_and_no_user(config: Config) -> None:
    runs = [make_run("FAILED", error_status={"code": 3, "message": WRONG_PASSWORD})]
    finding = findings_of(make_snapshot(config, runs=runs))["run.succeeded"]
    assert "put the right ones into Secret Manager" in finding.hint
    assert USER not in str(finding)


def test_run__latest_that_has_ended_counts(config: Config) -> None:
    runs = [make_run("RUNNING"), make_run("SUCCEEDED"), make_run("FAILED")]
    findings = findings_of(make_snapshot(config, runs=runs))
    assert findings["run.succeeded"].status is FindingStatus.PASSED


def test_window__rows_before_it_are_fine_where_history_is_kept() -> None:
    config = make_config(keep_history=True)
    changed = make_snapshot(config, data={**DATA, "rows_before_window": 3})
    assert findings_of(changed)["data.window"].status is FindingStatus.PASSED


def test_span__without_a_horizon_says_how_far_it_reaches(config: Config) -> None:
    finding = findings_of(make_snapshot(config, **horizon(0)(config)))["vertex.span"]
    assert finding.status is FindingStatus.PASSED
    assert finding.message == (
        "90 days, enough for a horizon of up to 9; FORECASTING_HORIZON_DAYS is not set"
    )


def test_series__without_a_horizon_are_counted_and_not_judged(config: Config) -> None:
    findings = findings_of(make_snapshot(config, **horizon(0)(config)))
    for check in ("vertex.series_usable", "vertex.context", "vertex.split"):
        assert findings[check].status is FindingStatus.PASSED
        assert findings[check].message.endswith("FORECASTING_HORIZON_DAYS is not set")
    assert findings["vertex.series_usable"].message.startswith(
        "60 of 60 series have rows on 0.5 of their days, and of the last 30 days;"
    )


def test_series__no_usable_one_leaves_nothing_else_to_look_at(config: Config) -> None:
    nothing = {**DATA, "usable_count": 0, "usable_first_day": None, "usable_last_day": None}
    findings = findings_of(make_snapshot(config, data=nothing))
    assert findings["vertex.series_usable"].status is FindingStatus.FAILED
    assert findings["vertex.context"].status is FindingStatus.SKIPPED
    assert findings["vertex.split"].status is FindingStatus.SKIPPED


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        (False, "keep the days that leave the window (FORECASTING_KEEP_HISTORY=on) and load older"),
        (True, "wait for more days, or load older days"),
    ],
)
@pytest.mark.parametrize("check", ["vertex.span", "vertex.split"])
def test_days__too_few_have_the_cure_that_is_left(check: str, keep: bool, words: str) -> None:
    late = TODAY - timedelta(days=40)
    changed = {**DATA, "first_day": late, "usable_first_day": late}
    config = replace(make_config(), keep_history=keep)
    finding = findings_of(make_snapshot(config, data=changed))[check]
    assert finding.status is FindingStatus.WARNED
    assert words in finding.hint
    assert "--backfill-days" in finding.hint
    assert "60/20/20" not in finding.hint  # a fifth of 40 days is 8


def test_gaps__hint_without_a_horizon_is_to_set_one(config: Config) -> None:
    changed = {"config": config, "views": (), "data": {**DATA, "missing_share": 0.6}}
    hint = findings_of(make_snapshot(config, **changed))["vertex.gaps"].hint
    assert "set FORECASTING_HORIZON_DAYS" in hint


def test_target__present_scores_warn_always() -> None:
    config = make_config(score_source="entity")
    finding = findings_of(make_snapshot(config))["vertex.constant_target"]
    assert finding.status is FindingStatus.WARNED
    assert "FORECASTING_SCORE_SOURCE=event" in finding.hint


def test_expected_window__is_that_of_the_last_good_run(config: Config) -> None:
    good = make_run("SUCCEEDED", run_time=datetime(2026, 2, 27, 2, tzinfo=UTC))
    runs = [make_run("FAILED"), good]
    assert expected_window(config, runs, NOW) == Window(
        start=date(2025, 11, 29), end=date(2026, 2, 27)
    )


@pytest.mark.parametrize("runs", [[], UNSEEN])
def test_expected_window__without_a_good_run_ends_today(config: Config, runs: Any) -> None:
    assert expected_window(config, runs, NOW).end == TODAY


# The verification as a whole


def verified(snapshot: Snapshot, *, strict: bool = False) -> Verification:
    findings = check_snapshot(snapshot)
    return Verification(config=snapshot.config, snapshot=snapshot, findings=findings, strict=strict)


def returncode(verification: Verification) -> int:
    return verification.failure.returncode if verification.failure else 0


@pytest.mark.parametrize(
    ("change", "strict", "status"),
    [
        ({}, True, 0),
        (horizon(30)(make_config()), False, 0),
        (horizon(30)(make_config()), True, 2),
        ({"table": None, "data": None, "sides": None}, False, 2),
        ({"connection": UNSEEN}, False, 1),
        ({"connection": UNSEEN, "dataset": None}, False, 1),
    ],
)
def test_verification__exit_status(
    config: Config, change: dict[str, Any], strict: bool, status: int
) -> None:
    verification = verified(make_snapshot(config, **change), strict=strict)
    assert returncode(verification) == status
    assert verification.ok is (status == 0)


def test_verification__failure_names_what_failed(config: Config) -> None:
    failure = verified(
        make_snapshot(config, data={**DATA, "rows_with_null": 1, "row_count": 1})
    ).failure
    assert isinstance(failure, VerificationFailed)
    assert str(failure) == "2 checks failed (data.nulls, vertex.rows)."


def test_verification__failure_names_what_was_skipped(config: Config) -> None:
    failure = verified(make_snapshot(config, baseline=NO_BASELINE)).failure
    assert isinstance(failure, VerificationFailed)
    assert str(failure) == "1 check skipped (vertex.baseline)."


def test_checks__of_a_reply_that_cannot_be_read_end_in_one_sentence(config: Config) -> None:
    with pytest.raises(ApiError) as raised:
        check_snapshot(make_snapshot(config, data={}))
    assert str(raised.value) == (
        "Checking failed: the reply is not as Google documents it (KeyError: 'rows_in_window'); "
        "run it again, and with --traceback if it stays so."
    )


def test_verification__says_what_could_not_be_looked_at(config: Config) -> None:
    failure = verified(make_snapshot(config, runs=UNSEEN)).failure
    assert isinstance(failure, ForecastingError)
    assert str(failure) == f"Could not look at everything: {UNSEEN.reason}"


def test_verification__says_what_failed_beside_what_could_not_be_looked_at(config: Config) -> None:
    failure = verified(make_snapshot(config, runs=UNSEEN, dataset=None)).failure
    assert str(failure) == (
        f"Could not look at everything: {UNSEEN.reason}. "
        "1 check failed (dataset.exists), "
        "3 checks skipped (dataset.location, run.succeeded, run.fresh)."
    )


def test_verification__json_is_the_documented_one(config: Config) -> None:
    document = verified(make_snapshot(config, dataset=make_dataset(location="EU"))).as_json()
    first = ["command", "project", "location", "table", "at", "ok", "checks"]
    assert list(document) == [*first, "baseline"]
    assert (document["command"], document["ok"]) == ("bq_verify", False)
    assert [check["id"] for check in document["checks"]] == IDS
    assert document["checks"][1] == {
        "id": "dataset.location",
        "status": "fail",
        "message": "location: eu, not us-central1",
        "hint": "a dataset never moves: correct FORECASTING_LOCATION or choose another "
        "FORECASTING_DATASET",
        "expected": "us-central1",
        "observed": "eu",
    }


@pytest.mark.parametrize("baseline", [BASELINE, UNSEEN, None])
def test_verification__json_has_the_baseline_where_that_was_asked(
    config: Config, baseline: Any
) -> None:
    found = verified(make_snapshot(config, baseline=baseline)).as_json()
    assert found["baseline"] == (BASELINE.as_json() if baseline is BASELINE else None)
    assert (found["at"], found["ok"]) == ("2026-03-02T12:00:00+00:00", baseline is BASELINE)
    not_asked = make_snapshot(config, baseline=baseline, baseline_asked=False)
    assert "baseline" not in verified(not_asked).as_json()


def test_unique__names_each_scheduled_query(config: Config) -> None:
    schedules = [make_transfer(config, name=f"{TRANSFER_NAME}{number}") for number in (1, 2)]
    finding = findings_of(make_snapshot(config, schedules=schedules))["schedule.unique"]
    assert finding.observed == f"{TRANSFER_NAME}1, {TRANSFER_NAME}2"


def test_collapse__joins_what_is_skipped_for_one_reason_and_nothing_else() -> None:
    fine, alone = passed("a.fine", "fine"), skipped("b.alone", "no horizon", "set one")
    one, other = (skipped(check, "no table to read") for check in ("c.one", "d.other"))
    told = collapse_skipped([fine, one, alone, fine, other])
    assert [told[0], *told[2:]] == [fine, alone, fine]
    assert (told[1].id, told[1].message, told[1].hint) == (
        *("2 checks", "no table to read"),
        "c.one, d.other",
    )
