"""How bq_verify ends and what it writes: exit status, text, JSON, and what it costs."""

import json
import re
from collections.abc import Callable
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings
from jsonschema import Draft202012Validator

from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.healthy import ENTITIES, Healthy
from backend.forecasting.tests.support.loading import day_before
from backend.forecasting.tests.support.tampering import (
    WITHOUT_CONNECTION,
    dataset_elsewhere,
    missing_day,
    no_table,
    null_target,
    old_runs,
    wrong_password,
)

pytestmark = [pytest.mark.django_db, pytest.mark.untraced]


def test_verify__strict_fails_on_a_warning(healthy: Healthy) -> None:
    missing_day(healthy)
    verified = healthy.verify(strict=True)
    assert verified.troubles == {"data.coverage": "warn"}
    assert verified.document["ok"] is False
    assert verified.status == 2
    assert verified.said.endswith("A warning fails under --strict.")


def test_verify__what_could_not_be_looked_at_is_skipped(healthy: Healthy) -> None:
    healthy.cloud.disable_api("bigqueryconnection.googleapis.com")
    verified = healthy.verify()
    healthy.cloud.enable_api("bigqueryconnection.googleapis.com")
    assert verified.troubles == {"connection.exists": "skipped", **WITHOUT_CONNECTION}
    assert "gcloud services enable" in verified.checks["connection.exists"]["message"]
    assert verified.document["ok"] is False
    assert verified.status == 1


def test_verify__unreachable_google_is_one_sentence(healthy: Healthy) -> None:
    with override_settings(FORECASTING_API_ENDPOINT="http://127.0.0.1:1"):
        verified = healthy.verify()
    assert verified.status == 1
    assert verified.document["status"] == "error"
    assert len(verified.said.splitlines()) == 1


def test_verify__asks_bigquery_at_most_three_queries(healthy: Healthy) -> None:
    healthy.verify()
    posted = [request for request in healthy.cloud.requests if request.method == "POST"]
    assert len(posted) == 3
    assert all(request.path.endswith("/queries") for request in posted)
    # The one through the connection is federated, and those take no limit on bytes.
    bounds = {str(request.body.get("maximumBytesBilled")) for request in posted}
    assert bounds == {"200000000000", "None"}


def test_verify__says_how_many_bytes_were_read(healthy: Healthy) -> None:
    message = healthy.verify().checks["data.rows"]["message"]
    assert message == (
        f"{ENTITIES * 90:,} rows of {ENTITIES} entities, {day_before(90)} to {day_before(1)} "
        f"({ENTITIES * 90 * 7 * 8 * 3:,} bytes read)"
    )


def test_verify__each_check_has_its_time_where_that_is_asked(healthy: Healthy) -> None:
    lines = call("bq_verify", "-v", "2").out.splitlines()
    checks = [line for line in lines if re.match(r"(pass|WARN|FAIL)  [a-z]+\.", line)]
    assert len(checks) > 20
    assert [line for line in checks if not re.search(r" \[\d+\.\d\d s\]$", line)] == []


def test_verify__text_has_one_line_a_check_and_a_summary(healthy: Healthy) -> None:
    out = StringIO()
    call_command("bq_verify", stdout=out)
    *lines, summary = out.getvalue().splitlines()
    assert all(line.startswith("pass  ") for line in lines)
    assert [line.split()[1] for line in lines] == list(healthy.verify().checks)
    assert summary == f"{len(lines)} checks: {len(lines)} passed."


# The JSON document ---------------------------------------------------------------------------


SCHEMA = json.loads((settings.BASE_DIR / "docs" / "bq_verify.schema.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    Draft202012Validator.check_schema(SCHEMA)
    return Draft202012Validator(SCHEMA)


@pytest.mark.parametrize(
    "tamper",
    [lambda healthy: None, old_runs, null_target, no_table, dataset_elsewhere, wrong_password],
    ids=["healthy", "failing", "null", "no table", "could not look", "refused"],
)
@pytest.mark.parametrize("reconcile", [False, True], ids=["", "reconcile"])
def test_json__is_what_the_schema_says(
    healthy: Healthy,
    schema: Draft202012Validator,
    tamper: Callable[[Healthy], None],
    reconcile: bool,
) -> None:
    tamper(healthy)
    schema.validate(healthy.verify(reconcile=reconcile).document)


def test_json_schema__names_every_check_in_its_order(healthy: Healthy) -> None:
    named = SCHEMA["$defs"]["check"]["properties"]["id"]["enum"]
    assert list(healthy.verify(reconcile=True, baseline=True).checks) == named


def test_json__of_a_refused_setting_is_what_the_schema_says(
    healthy: Healthy, schema: Draft202012Validator
) -> None:
    schema.validate(call("bq_verify", "--format=json", "--window-days=none").document)


def test_json_schema__refuses_what_is_none(healthy: Healthy, schema: Draft202012Validator) -> None:
    document = healthy.verify().document
    document["checks"][0]["status"] = "passed"
    assert not schema.is_valid(document)
