"""The status page in Django's admin, with the stand-in behind it."""

import pickle
import re
import sys
from collections.abc import Callable
from importlib import resources

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from backend.forecasting.conf import Config
from backend.forecasting.monitoring import status
from backend.forecasting.monitoring.remembered import Patience
from backend.forecasting.output import svg
from backend.forecasting.output.page import _lines
from backend.forecasting.tests.support.factories import make_table
from backend.forecasting.tests.support.healthy import Healthy
from backend.forecasting.tests.support.snapshots import make_snapshot
from backend.forecasting.tests.support.tampering import no_table, old_runs
from backend.forecasting.verification.baseline import EXAMPLES

pytestmark = [pytest.mark.django_db, pytest.mark.untraced]

PAGE = "/admin/forecasting/pipeline/"
RUN, PROGRESS = f"{PAGE}run/", f"{PAGE}progress/"

Login = Callable[..., Client]


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for charts, which take long to draw; and the patience that a slow machine needs."""
    cache.delete_many([status._PIPELINE.key, status._RUN.key])
    monkeypatch.setattr(status, "PATIENCE", Patience(recent=60, recent_seconds=0, without=60))
    monkeypatch.setattr(status, "START_PATIENCE", 60)


@pytest.fixture
def login() -> Login:
    """A browser of a user with these permissions."""

    def login(*permissions: str, staff: bool = True, csrf: bool = False) -> Client:
        user = User.objects.create_user("ana", is_staff=staff)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client(enforce_csrf_checks=csrf)
        client.force_login(user)
        return client

    return login


@pytest.fixture
def viewer(login: Login) -> Client:
    return login("view_pipeline")


@pytest.fixture
def operator(login: Login) -> Client:
    return login("view_pipeline", "run_pipeline")


def page_of(client: Client) -> str:
    reply = client.get(PAGE)
    assert reply.status_code == 200
    return reply.content.decode()


def started(healthy: Healthy) -> int:
    """How many runs have been asked for since the last look."""
    return sum("startManualRuns" in request.path for request in healthy.cloud.requests)


# Who may -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [PAGE, PROGRESS])
def test_page__anonymous_gets_the_login(client: Client, address: str) -> None:
    reply = client.get(address)
    assert (reply.status_code, reply["Location"]) == (302, f"/admin/login/?next={address}")


@pytest.mark.parametrize("address", [PAGE, PROGRESS])
def test_page__user_who_is_no_staff_gets_the_login(login: Login, address: str) -> None:
    reply = login("view_pipeline", "run_pipeline", staff=False).get(address)
    assert (reply.status_code, reply["Location"]) == (302, f"/admin/login/?next={address}")


@pytest.mark.parametrize("address", [PAGE, PROGRESS])
def test_page__staff_without_permission_is_refused(login: Login, address: str) -> None:
    assert login("run_pipeline").get(address).status_code == 403


def test_page__is_linked_from_the_index(viewer: Client) -> None:
    assert f'href="{PAGE}"' in viewer.get(reverse("admin:index")).content.decode()


def test_page__is_not_linked_for_others(login: Login) -> None:
    assert PAGE not in login().get(reverse("admin:index")).content.decode()


def test_run__needs_a_permission_of_its_own(viewer: Client, healthy: Healthy) -> None:
    assert viewer.post(RUN).status_code == 403
    assert started(healthy) == 0
    assert RUN not in page_of(viewer)


def test_run__needs_a_post(operator: Client, healthy: Healthy) -> None:
    assert operator.get(RUN).status_code == 405
    assert started(healthy) == 0


def test_run__needs_the_token_of_the_page(login: Login, healthy: Healthy) -> None:
    client = login("view_pipeline", "run_pipeline", csrf=True)
    assert client.post(RUN).status_code == 403
    assert started(healthy) == 0
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page_of(client))
    assert found
    assert client.post(RUN, {"csrfmiddlewaretoken": found[1]}).status_code == 302
    assert started(healthy) == 1
    healthy.cloud.wait_for_runs(30)


# What it shows -----------------------------------------------------------------------------------


def test_page__shows_runs_checks_charts_and_the_next_run(viewer: Client, healthy: Healthy) -> None:
    with timezone.override("America/Caracas"):
        page = page_of(viewer)
    assert re.search(r"\b\d\d checks: ", page)
    assert page.count('<span class="mark">SUCCEEDED</span>') == 2
    assert re.search(r'<dt>next run</dt><dd><time datetime="[^"]+">\w{3} 02:00 UTC</time>', page)
    assert re.search(r"as it was \d+ seconds? ago", page)
    charts = re.findall(r'<svg role="img" aria-label="([^."]+)\.', page)
    assert {name for name in charts if not name.startswith("Entity ")} == {
        "Rows per day",
        "How many rows have a dimension",
        "Which entities have a score on which days",
        "How far off the simplest forecasts were",
    }
    assert len(charts) == 2 + 1 + 2 + 2 + EXAMPLES  # three of them for small screens too
    assert not healthy.cloud.writes


def test_page__without_a_library_has_all_but_the_charts(
    viewer: Client, healthy: Healthy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    page = page_of(viewer)
    assert re.search(r"\b\d\d checks: ", page)
    assert "No charts: altair and vl-convert-python are not both installed" in page
    assert '<svg role="img"' not in page


def test_page__second_view_asks_only_for_the_runs_and_the_time(
    viewer: Client, healthy: Healthy
) -> None:
    page_of(viewer)
    assert healthy.cloud.requests
    healthy.cloud.requests.clear()
    page_of(viewer)
    paths = [request.path.rsplit("/", 1)[-1] for request in healthy.cloud.requests]
    assert paths == ["transferConfigs", "runs", "serviceAccount"]


def test_page__failed_run_shows_googles_words_and_escapes_them(
    viewer: Client, healthy: Healthy
) -> None:
    words = "password authentication failed <script>alert(1)</script>"
    healthy.last_run.update(state="FAILED", errorStatus={"code": 3, "message": words})
    page = page_of(viewer)
    assert "password authentication failed &lt;script&gt;alert(1)" in page
    assert "put the right ones into Secret Manager" in page
    assert "<script>alert" not in page


def test_page__names_of_entities_are_escaped(viewer: Client, healthy: Healthy) -> None:
    healthy.change_source("UPDATE entities_entity SET name = '<script>alert(2)</script>'")
    page = page_of(viewer)
    assert "&lt;script&gt;alert(2)" in page
    assert "<script>alert" not in page


def test_page__has_no_script_or_style_of_its_own(viewer: Client, healthy: Healthy) -> None:
    main = page_of(viewer).split('<div id="content-main"')[1]
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", main)


@pytest.mark.traced
def test_page__unreachable_google_is_said(viewer: Client, settings: Settings) -> None:
    settings.GOOGLE_CLOUD_PROJECT = "demo-project"
    settings.CLOUD_SQL_INSTANCE = "demo-project:us-central1:main"
    settings.FORECASTING_API_ENDPOINT = "http://127.0.0.1:1"
    page = page_of(viewer)
    assert "Google Cloud could not be asked" in page
    assert "nothing usable answers at FORECASTING_API_ENDPOINT" in page


def test_page__shows_older_figures_when_google_is_gone(
    viewer: Client, healthy: Healthy, settings: Settings
) -> None:
    page_of(viewer)
    status._PIPELINE.outdate()
    settings.FORECASTING_API_ENDPOINT = "http://127.0.0.1:1"
    page = page_of(viewer)
    assert "so these are older figures" in page
    assert re.search(r"\b\d\d checks: ", page)


@pytest.mark.traced
def test_page__missing_setting_is_said(viewer: Client, settings: Settings) -> None:
    settings.GOOGLE_CLOUD_PROJECT = ""
    assert "GOOGLE_CLOUD_PROJECT is not set" in page_of(viewer)


@pytest.mark.traced
def test_page__disabled_api_is_said(viewer: Client, healthy: Healthy) -> None:
    healthy.cloud.disable_api("bigquerydatatransfer.googleapis.com")
    try:
        page = page_of(viewer)
    finally:
        healthy.cloud.enable_api("bigquerydatatransfer.googleapis.com")
    assert "gcloud services enable bigquerydatatransfer.googleapis.com" in page
    assert "Not everything could be looked at" in page


# The button --------------------------------------------------------------------------------------


def test_run__starts_one_run_logs_it_and_follows_it(operator: Client, healthy: Healthy) -> None:
    reply = operator.post(RUN)
    assert (reply.status_code, reply["Location"]) == (302, PAGE)
    assert started(healthy) == 1
    entry = LogEntry.objects.get()
    assert entry.user.username == "ana"
    assert re.fullmatch(r"Started a run: projects/\S+/runs/\S+", entry.change_message)
    healthy.cloud.wait_for_runs(30)
    progress = operator.get(PROGRESS).json()
    assert (progress["state"], progress["under_way"]) == ("SUCCEEDED", False)
    assert re.fullmatch(r"Run succeeded in .* rows\.", progress["sentence"])
    page = page_of(operator)
    assert progress["sentence"] in page
    assert page.count('<span class="mark">SUCCEEDED</span>') == 3


def test_run__failed_one_shows_message_and_cause(operator: Client, healthy: Healthy) -> None:
    healthy.change_source("TRUNCATE entities_entitymention")
    operator.post(RUN)
    healthy.cloud.wait_for_runs(30)
    assert operator.get(PROGRESS).json()["state"] == "FAILED"
    assert "source query returned no rows" in page_of(operator)


def test_run__one_under_way_is_followed_and_not_doubled(operator: Client, healthy: Healthy) -> None:
    healthy.last_run.update(state="RUNNING", startTime="2026-01-01T00:00:00Z")
    reply = operator.post(RUN, follow=True)
    assert started(healthy) == 0
    assert "A run was under way already" in reply.content.decode()
    assert "The run is running." in reply.content.decode()
    assert "while one was under way" in LogEntry.objects.get().change_message


def test_page__follows_a_run_that_the_schedule_started(viewer: Client, healthy: Healthy) -> None:
    healthy.last_run.update(state="RUNNING")
    page_of(viewer)
    assert viewer.get(PROGRESS).json()["under_way"]


@pytest.mark.traced
def test_run__refused_one_is_said_and_logged(operator: Client, healthy: Healthy) -> None:
    healthy.cloud.transfers.items.clear()
    reply = operator.post(RUN, follow=True)
    assert "There is no scheduled query to run" in reply.content.decode()
    assert LogEntry.objects.get().change_message.startswith("Tried to start a run: There is no")


def test_progress__no_run_is_under_way(viewer: Client, healthy: Healthy) -> None:
    old_runs(healthy)
    progress = viewer.get(PROGRESS).json()
    assert progress["sentence"] == "No run is under way."
    assert not progress["under_way"]
    assert not progress["state"]


def test_page__unseen_checks_are_one_line_with_their_reason(
    viewer: Client, healthy: Healthy
) -> None:
    no_table(healthy)
    page = page_of(viewer)
    skipped = re.findall(r'<span class="mark">skipped</span> <strong>(.*?)</strong>', page)
    assert skipped
    reasons = re.findall(r'<li class="skipped">.*?</strong>: (.*?)<p', page)
    assert len(set(reasons)) == len(reasons) == len(skipped)
    assert any(re.fullmatch(r"\d\d checks", name) for name in skipped)
    assert "data.rows, " in page


# What stands behind it ---------------------------------------------------------------------------


def test_status__fits_into_a_cache_that_pickles(healthy: Healthy) -> None:
    seen = status.see_pipeline()
    assert seen.value
    assert pickle.loads(pickle.dumps(seen)) == seen  # noqa: S301 - made here


def test_style__has_every_colour_of_the_charts() -> None:
    folder = resources.files("backend.forecasting")
    style = folder.joinpath("static/forecasting/pipeline.css").read_text()
    report = folder.joinpath("templates/forecasting/chart_colours.css").read_text()
    wanted = {svg.INK, svg.GRID, svg.EMPTY, svg.BAR, svg.LINE, svg.SIDE_LINE, *svg.HEAT}
    names = [colour.removeprefix("var(").rstrip(")") for colour in wanted]
    assert [name for name in names if f"{name}:" not in style] == []
    ours = {name: re.findall(rf"{name}: light-dark\((#\w+), (#\w+)\)", style) for name in names}
    assert len([name for name in names if ours[name]]) == len(names) - 3  # The rest is the admin's.
    for name in names:
        assert not ours[name] or [*ours[name][0]] == re.findall(rf"{name}: (#\w+)", report)


@pytest.mark.traced
@pytest.mark.parametrize(("held", "shown"), [("0", "0"), ("1234", "1,234"), (None, None)])
def test_runs__empty_table_has_no_rows_and_an_unknown_one_no_number(
    config: Config, held: str | None, shown: str | None
) -> None:
    snapshot = make_snapshot(config, table=make_table(numRows=held))
    assert [line.rows for line in _lines(snapshot)] == [shown]
