import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from io import StringIO
from pathlib import Path

import psycopg2
import pytest
import requests
from django.conf import settings
from django.core.management import CommandError, call_command

from backend.demo import run
from backend.demo.run import DemoOptions
from backend.localcloud.signals import handled

# Fewer give fewer usable rows than Vertex AI trains on, which bq_verify reports.
ENTITIES = "120"
STEPS = [
    "migrate --verbosity 0",
    "bq_setup_etl --print-role-sql | psql -v role=bigquery",
    f"load_sample --entities {ENTITIES}",
    "bq_setup --project demo-project",
    "bq_setup_etl --project demo-project --run-now",
    "bq_verify --project demo-project",
    "bq_setup --project demo-project",
    "bq_setup_etl --project demo-project",
    "bq_setup --project demo-project --horizon-days 14",
    "bq_verify --project demo-project --horizon-days 14 --baseline --training-spec training.json",
]

Demo = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder for the demo alone, where every user may write as in /tmp."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o1777)
        yield Path(name)


@pytest.fixture
def demo(temporary: Path) -> Iterator[Demo]:
    """Starts the demo as a user would."""
    with ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "demo", *arguments],
                cwd=settings.BASE_DIR,
                env={**os.environ, "TMPDIR": str(temporary)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def _read_until(process: subprocess.Popen[str], text: str) -> str:
    """What the demo has written up to the line that holds `text`."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            break
    return "".join(lines)


def _served(output: str) -> set[str]:
    """Which of the stand-in's two ports are."""
    found = set(re.findall(r"FORECASTING_(?:API|GRPC)_ENDPOINT=\S*127\.0\.0\.1:(\d+)", output))
    assert len(found) == 2
    return {port for port in found if _connects(int(port))}


def _connects(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _log_in(output: str) -> tuple[requests.Response, str]:
    """The status page, and the password, with which the demo says how to come to it."""
    found = re.search(
        r"^  (http://127\.0\.0\.1:\d+/admin/\S+)\n  user demo, password (\S+)$", output, re.M
    )
    assert found
    with requests.Session() as session:
        session.get(found[1], timeout=30)
        data = {"username": "demo", "password": found[2], "next": "/admin/forecasting/pipeline/"}
        data["csrfmiddlewaretoken"] = session.cookies["csrftoken"]
        login = found[1].replace("forecasting/pipeline/", "login/")
        return session.post(login, data=data, timeout=60), found[2]


def _assert_model_is_shown(output: str) -> None:
    """The views, the checks, the baseline and the specification: on one screen."""
    screen = output.split("--horizon-days 14\n")[1].split(" rows arrived in ")[0].splitlines()
    assert len(screen) < 60
    wanted = [
        r"Plan: 2 to create, 2 unchanged\.",
        r"[1-9][\d,]* rows in demo-project\.intelligence\.entity_risk_training_data_training",
        r"[1-9][\d,]* rows in demo-project\.intelligence\.entity_risk_training_data_forecast",
        r"\.\.\.   [1-9]\d checks that passed above too",
        r"(?:pass|WARN)  vertex\.series_usable .*",
        r"pass  vertex\.baseline .*a model has to beat .*",
        r"pass  views\.query .*for a horizon of 14 days",
        r"Baseline: 14 days from .*",
    ]
    assert [w for w in wanted if not any(re.fullmatch(w, line) for line in screen)] == []
    assert '"forecast_horizon": 14, ' in " ".join(map(str.strip, screen))


def _readers_rights(output: str) -> tuple[int, bool, bool, bool]:
    """Of the role that BigQuery logs in as: roles it is in, and three columns it may read."""
    found = re.search(r"export DATABASE_URL=(\S+)", output)
    assert found
    with closing(psycopg2.connect(shlex.split(found[1])[0])) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM pg_auth_members WHERE member = 'bigquery'::regrole), "
            "has_column_privilege('bigquery', 'auth_user', 'password', 'SELECT'), "
            "has_column_privilege('bigquery', 'events_event', 'title', 'SELECT'), "
            "has_column_privilege('bigquery', 'events_event', 'risk_score', 'SELECT')"
        )
        memberships, password, title, score = cursor.fetchone() or (1, True, True, False)
    return memberships, password, title, score


def test_steps__real_records_take_the_place_of_the_sample() -> None:
    options = DemoOptions(events=Path("records of 2025.csv.gz"))
    assert options.steps[1] == ["load_sample", "--events", "records of 2025.csv.gz"]


def test_demo__shows_every_step_and_leaves_nothing(demo: Demo, temporary: Path) -> None:
    process = demo("--entities", ENTITIES, "--horizon-days", "14", "--keep")
    output = _read_until(process, "user demo, password")
    assert len(_served(output)) == 2
    assert output.count("\nFor development: all is reached from this machine only") == 1
    assert _readers_rights(output) == (0, False, False, True)
    site, password = _log_in(output)
    assert site.ok
    assert "Nightly load" in site.text
    assert output.count(password) == 1
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert output.count("Plan: 2 to create.") == output.count("Plan: 2 unchanged.") == 2
    _assert_model_is_shown(output)
    assert re.findall(r"^\$ python manage\.py (.*)$", output, re.MULTILINE) == [
        *STEPS,
        "createsuperuser --no-input --verbosity 0",
    ]
    assert re.search(
        r"^[1-9][\d,]* rows arrived in demo-project\.intelligence\.entity_risk_training_data; "
        r"the demo took \d+ s\.$",
        output,
        re.MULTILINE,
    )
    assert not _served(output)
    with pytest.raises(requests.ConnectionError):
        requests.get(site.url, timeout=5)
    assert list(temporary.iterdir()) == []


def test_demo__interrupted_leaves_nothing(demo: Demo, temporary: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.csv.gz"
    os.mkfifo(events)  # Nobody writes to it: the step does not end before the signal comes.
    process = demo("--events", str(events))
    output = _read_until(process, "$ python manage.py load_sample")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not _served(output)
    assert list(temporary.iterdir()) == []


def test_demo__killed_leaves_nothing_after_a_moment(demo: Demo, temporary: Path) -> None:
    process = demo("--entities", ENTITIES)
    output = _read_until(process, "$ python manage.py migrate")
    process.kill()
    process.wait()
    deadline = time.monotonic() + 240
    while _served(output) or any(temporary.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_demo__impossible_horizon_is_refused_before_anything_starts() -> None:
    with pytest.raises(CommandError, match=r'^--horizon-days is "0": expected a whole number'):
        call_command("demo", "--horizon-days", "0")


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What becomes of the demo's servers, in whose place there are none."""
    history: list[str] = []

    @contextmanager
    def running() -> Iterator[tuple[None, dict[str, str]]]:
        history.append("started")
        try:
            yield None, dict(os.environ)
        finally:
            history.append("stopped")

    monkeypatch.setattr(run, "_running_servers", running)
    return history


def test_demo__failing_step_ends_it(servers: list[str]) -> None:
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("demo", stdout=out)  # There is no database to migrate.
    assert caught.value.returncode == 1
    assert str(caught.value) == (
        "`python manage.py migrate --verbosity 0` ended with exit status 1; the demo stops there"
    )
    assert out.getvalue().count("$ python manage.py") == 1
    assert servers == ["started", "stopped"]


@pytest.fixture
def ignored() -> Iterator[None]:
    """SIGTERM, by all but who has it handled."""
    with handled(signal.SIG_IGN, signal.SIGTERM):
        yield


@pytest.mark.usefixtures("ignored")
def test_demo__terminated_stops_all_that_it_started(servers: list[str]) -> None:
    class Terminal(StringIO):
        def write(self, text: str) -> int:
            if "$ python manage.py" in text:
                signal.raise_signal(signal.SIGTERM)
            return super().write(text)

    with pytest.raises(SystemExit) as caught:
        call_command("demo", stdout=Terminal())
    assert caught.value.code == 143
    assert servers == ["started", "stopped"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
