"""The deploy hooks and alarms of docs/operations.md: read, run, and held to what we write."""

import base64
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
import yaml
from asgiref.sync import async_to_sync
from django.test import RequestFactory
from google.cloud.bigquery_datatransfer_v1.types import TransferRun
from health_check.views import HealthCheckView
from pytest_django import Settings

from backend.forecasting.monitoring.health import NightlyLoad
from backend.forecasting.tests.support.commands import Run, without_table
from backend.forecasting.tests.support.documents import DOCUMENTS, ROOT, blocks_in
from backend.forecasting.tests.support.factories import Google, make_run
from backend.forecasting.tests.support.hooks import Machine, run_cloud_build, run_github_job
from backend.forecasting.tests.support.stand_in import command_environment
from backend.localcloud.postgres.server import RunningPostgres

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

OPERATIONS = ROOT / "docs" / "operations.md"
PIP = "exit 0"
VERIFYING = """echo "$*" >>calls
case "$*" in *bq_verify*) ;; *) exit 0;; esac
echo page >verification/report.html
echo '{"ok": false}'
echo 'CommandError: 1 check failed (run.fresh).' >&2
exit "$STATUS"
"""
GCLOUD = 'for word in "$@"; do printf "%s|" "$word"; done >>asked; echo >>asked'


def blocks_with(key: str) -> list[Any]:
    """The YAML blocks of docs/operations.md that have a key."""
    return [b for b in map(yaml.safe_load, blocks_in(OPERATIONS, "yaml")) if key in b]


def block_with(key: str) -> Any:
    (found,) = blocks_with(key)
    return found


def run_build(machine: Machine, on_failure: str) -> bool:
    return run_cloud_build(block_with("steps"), machine, _ON_FAILURE=on_failure)


def run_workflow(machine: Machine, on_failure: str) -> bool:
    (job,) = block_with("jobs")["jobs"].values()
    return run_github_job(job, machine, ON_FAILURE=on_failure)


HOOKS = [
    pytest.param(run_build, id="Cloud Build"),
    pytest.param(run_workflow, id="GitHub Actions"),
]
Hook = Callable[[Machine, str], bool]


def test_documents__every_yaml_block_can_be_read() -> None:
    blocks = [block for document in DOCUMENTS for block in blocks_in(document, "yaml")]
    assert len(blocks) > 4
    assert {type(yaml.safe_load(block)) for block in blocks} == {dict}


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    ("status", "on_failure", "succeeds", "told"),
    [(0, "fail", True, 0), (2, "notify", True, 1), (2, "fail", False, 0), (1, "fail", False, 0)],
)
def test_hooks__a_failing_check_fails_or_tells_as_chosen(
    tmp_path: Path, hook: Hook, status: int, on_failure: str, succeeds: bool, told: int
) -> None:
    machine = Machine(tmp_path, {"STATUS": str(status)})
    machine.install("python", VERIFYING)
    machine.install("gcloud", GCLOUD)
    machine.install("pip", PIP)
    assert hook(machine, on_failure) == succeeds
    published = [line for line in machine.read("asked").splitlines() if "publish" in line]
    assert len(published) == told
    assert all(
        "bq_verify: CommandError: 1 check failed (run.fresh). (" in line for line in published
    )
    left = {path.name for path in (tmp_path / "verification").iterdir()}
    assert {"report.html", "checks.json", "checks.txt"} <= left
    assert [call.split()[1] for call in machine.read("calls").splitlines()] == [
        "bq_setup",
        "bq_setup_etl",
        "bq_verify",
    ]


@pytest.mark.parametrize("hook", HOOKS)
def test_hooks__a_failing_setup_stops_the_deploy(tmp_path: Path, hook: Hook) -> None:
    machine = Machine(tmp_path)
    machine.install("python", 'echo "$*" >>calls; exit 1')
    machine.install("gcloud", GCLOUD)
    machine.install("pip", PIP)
    assert not hook(machine, "notify")
    assert machine.read("calls").splitlines() == ["manage.py bq_setup"]
    assert machine.read("asked") == ""


def test_hooks__cloud_build_keeps_what_was_found_in_the_bucket(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {"STATUS": "2"})
    machine.install("python", VERIFYING)
    machine.install("gcloud", GCLOUD)
    assert not run_build(machine, "fail")
    assert (
        machine.read("asked") == "storage|cp|verification/*|gs://my-project-verification/1f3a/|\n"
    )


def test_hooks__github_keeps_what_was_found_as_an_artifact() -> None:
    (job,) = block_with("jobs")["jobs"].values()
    ids = [step.get("id") or step.get("uses", "") for step in job["steps"]]
    (upload,) = (s for s in job["steps"] if s.get("uses", "").startswith("actions/upload-artifact"))
    assert upload["with"]["path"] == "verification"
    assert "if" not in upload
    assert ids.index("verify") < ids.index(upload["uses"]) < ids.index("tell")


@pytest.mark.django_db(transaction=True)
def test_hooks__the_workflow_runs_against_the_stand_in(
    pipeline: "LocalCloud", postgres: RunningPostgres, tmp_path: Path
) -> None:
    """Before the first night, which bq_verify is right to report."""
    machine = Machine(tmp_path)
    machine.install("python", f'shift; exec "{sys.executable}" "{ROOT}/manage.py" "$@"')
    machine.install("gcloud", GCLOUD)
    machine.install("pip", PIP)
    (job,) = block_with("jobs")["jobs"].values()
    settings = command_environment(pipeline, postgres)
    assert run_github_job(job, machine, **settings)
    assert len(pipeline.transfers.items) == 1
    found = json.loads(machine.read("verification/checks.json"))
    failed = {check["id"] for check in found["checks"] if check["status"] == "fail"}
    assert "run.succeeded" in failed
    assert "run.succeeded" in machine.read("verification/report.html")
    assert "VERIFICATION_FAILED" in machine.read("asked")


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What the function of docs/operations.md writes to Slack of a message on the topic."""
    (source,) = (block for block in blocks_in(OPERATIONS, "python") if "def tell" in block)
    framework = ModuleType("functions_framework")
    framework.cloud_event = lambda function: function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "functions_framework", framework)
    monkeypatch.setenv("SLACK_WEBHOOK", "https://hooks.slack.example/T/B/x")
    sent = Mock()
    monkeypatch.setattr("urllib.request.urlopen", sent)
    module: dict[str, Any] = {}
    exec(compile(source, "main.py", "exec"), module)  # noqa: S102

    def deliver(kind: str, text: str) -> list[str]:
        data = base64.b64encode(text.encode()).decode()
        message = {"data": data, "attributes": {"eventType": kind}}
        module["tell"](SimpleNamespace(data={"message": message}))
        requests = [call.args[0] for call in sent.call_args_list]
        assert {request.full_url for request in requests} <= {"https://hooks.slack.example/T/B/x"}
        return [json.loads(request.data)["text"] for request in requests]

    return deliver


def test_slack__is_told_of_a_failed_run(tell: Callable[..., list[str]]) -> None:
    run = make_run("FAILED", error_status={"code": 9, "message": "returned no rows"})
    (text,) = tell("TRANSFER_RUN_FINISHED", TransferRun.to_json(run, use_integers_for_enums=False))
    assert text == f"{run.name}: FAILED returned no rows"


def test_slack__is_not_told_of_a_good_run(tell: Callable[..., list[str]]) -> None:
    run = TransferRun.to_json(make_run("SUCCEEDED"), use_integers_for_enums=False)
    assert tell("TRANSFER_RUN_FINISHED", run) == []


def test_slack__is_told_what_a_hook_found(tell: Callable[..., list[str]]) -> None:
    assert tell("VERIFICATION_FAILED", "1 check failed (run.fresh).") == [
        "1 check failed (run.fresh)."
    ]


def test_alerts__name_the_metric_that_the_health_check_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NightlyLoad, "run", lambda self: None)
    view = async_to_sync(HealthCheckView.as_view(checks=[NightlyLoad]))
    (scrape,) = block_with("scrape_configs")["scrape_configs"]
    url = f"{scrape['metrics_path']}?format={scrape['params']['format'][0]}"
    page = view(RequestFactory().get(url)).content.decode()
    (group,) = block_with("groups")["groups"]
    metrics = [re.search(r"\w+\{.*?\}", rule["expr"]) for rule in group["rules"]]
    assert len(metrics) == 2
    assert all(metric and f"{metric[0]} 1" in page for metric in metrics)


def test_alerts__match_the_event_of_a_command_that_fails(
    run: Run, provisioned: Google, settings: Settings
) -> None:
    settings.FORECASTING_LOG_FORMAT = "json"
    without_table(provisioned)
    said = [json.loads(line) for line in run("bq_setup", "--check").err.splitlines()]
    filters = [
        condition["conditionMatchedLog"]["filter"]
        for policy in blocks_with("conditions")
        for condition in policy["conditions"]
    ]
    (found,) = (text for text in filters if "jsonPayload" in text)
    field, pattern, severity = re.fullmatch(
        r'jsonPayload\.(\w+)=~"(.+)" AND severity>=(\w+)', found
    ).groups()  # type: ignore[union-attr]
    assert [each["severity"] for each in said if re.search(pattern, each[field])][-1] == severity
