"""Who may do what at each address of the admin page, without anything behind it."""

from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.admin import AdminSite, site
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages import get_messages
from django.test import Client, RequestFactory

from backend.forecasting.admin import PipelineAdmin
from backend.forecasting.models import Pipeline
from backend.forecasting.monitoring import status
from backend.forecasting.monitoring.remembered import Seen

pytestmark = pytest.mark.django_db

PAGE = "/admin/forecasting/pipeline/"
TO_LOGIN, FORBIDDEN = 302, 403
GET, POST = "GET", "POST"
ADDRESSES = {("", GET): 200, ("progress/", GET): 200, ("run/", POST): 302}
"""What somebody gets who may do everything; the last one is sent to the page."""

WHO: dict[str, tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]] = {
    "no staff": ({}, ("view_pipeline", "run_pipeline"), ()),
    "staff": ({"is_staff": True}, (), ()),
    "viewer": ({"is_staff": True}, ("view_pipeline",), ("", "progress/")),
    "starter": ({"is_staff": True}, ("run_pipeline",), ()),
    "operator": ({"is_staff": True}, ("view_pipeline", "run_pipeline"), ("", "progress/", "run/")),
    "superuser": ({"is_staff": True, "is_superuser": True}, (), ("", "progress/", "run/")),
    "retired": ({"is_superuser": True, "is_staff": True, "is_active": False}, (), ()),
}


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """In the place of a start at Google; what else is asked has no answer."""
    started = Mock(return_value=status.StartedRun(name="r"))
    monkeypatch.setattr(status, "start_run", started)
    monkeypatch.setattr(status, "see_run", Seen)
    monkeypatch.setattr(status, "see_pipeline", lambda _: Seen())
    return started


def test_addresses__are_all_of_the_admins() -> None:
    routes = {str(each.pattern) for each in PipelineAdmin(Pipeline, site).get_urls()}
    assert routes == {route for route, _ in ADDRESSES}


@pytest.mark.parametrize("who", ["anonymous", *WHO])
def test_permission__of_everybody_at_every_address(start: Mock, who: str) -> None:
    flags, permissions, allowed = WHO.get(who, ({}, (), ()))
    client = Client()
    if who != "anonymous":
        user = User.objects.create_user("ana", **flags)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(user)
    is_staff = flags.get("is_staff") and flags.get("is_active", True)
    for (address, method), fine in ADDRESSES.items():
        reply = client.generic(method, f"{PAGE}{address}")
        refused = FORBIDDEN if is_staff else TO_LOGIN
        assert reply.status_code == (fine if address in allowed else refused), address
    assert start.called == ("run/" in allowed)


def test_addresses__of_objects_are_not_there(start: Mock) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("ana"))
    assert [client.get(f"{PAGE}{rest}").status_code for rest in ("add/", "1/change/")] == [404, 404]


def test_page__links_to_the_site_that_shows_it(start: Mock, rf: RequestFactory) -> None:
    request: Any = rf.get(PAGE)
    request.user = User.objects.create_superuser("ana")
    PipelineAdmin(Pipeline, AdminSite("own")).changelist_view(request)
    assert request.current_app == "own"


@pytest.mark.parametrize(
    ("address", "looks"), [("", 1), ("progress/?figures", 1), ("progress/", 0)], ids=str
)
def test_figures__are_asked_for_with_the_run_that_has_to_be_in_them(
    start: Mock, monkeypatch: pytest.MonkeyPatch, address: str, looks: int
) -> None:
    run = status.RunStatus(name="r", state="SUCCEEDED", sentence="It ended.")
    monkeypatch.setattr(status, "see_run", lambda: Seen(value=run))
    asked = Mock(return_value=Seen())
    monkeypatch.setattr(status, "see_pipeline", asked)
    client = Client()
    client.force_login(User.objects.create_superuser("ana"))
    assert client.get(f"{PAGE}{address}").status_code == 200
    assert [call.args for call in asked.mock_calls] == [(run,)] * looks


STARTS: dict[str, tuple[status.StartedRun, str, str]] = {
    "started": (
        status.StartedRun(name="runs/1"),
        "success: The run has been started.",
        "Started a run: runs/1",
    ),
    "adopted": (
        status.StartedRun(name="runs/1", adopted=True),
        "warning: A run was under way already; it is followed here.",
        "Tried to start a run while one was under way: runs/1",
    ),
    "refused": (
        status.StartedRun(problem="Google says no."),
        "error: Google says no.",
        "Tried to start a run: Google says no.",
    ),
}


@pytest.mark.parametrize("start_of", STARTS)
def test_start__is_told_and_noted_with_who_asked(start: Mock, start_of: str) -> None:
    start.return_value, told, noted = STARTS[start_of]
    client, user = Client(), User.objects.create_superuser("ana")
    client.force_login(user)
    reply: Any = client.post(f"{PAGE}run/")
    assert (reply.status_code, reply.url) == (302, PAGE)
    assert [f"{m.level_tag}: {m}" for m in get_messages(reply.wsgi_request)] == [told]
    (entry,) = LogEntry.objects.all()
    assert (entry.user, entry.action_flag, entry.change_message) == (user, CHANGE, noted)
    assert entry.content_type == ContentType.objects.get_for_model(Pipeline)
    assert client.get(f"{PAGE}run/").headers["Allow"] == "POST"


def test_progress__is_all_that_the_page_follows(
    start: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = status.RunStatus(state="RUNNING", under_way=True, sentence="It runs.", seconds=7)
    figures: Seen[Any] = Seen(looking=True, tried_at=datetime(2026, 3, 1, tzinfo=UTC))
    client = Client()
    client.force_login(User.objects.create_superuser("ana"))
    nothing = {"under_way": False, "state": "", "sentence": "", "seconds": None}
    not_asked = {"figures": None, "figures_awaited": False}
    seen = client.get(f"{PAGE}progress/").json()
    assert seen == {**nothing, **not_asked, "looking": False, "problem": ""}
    monkeypatch.setattr(status, "see_run", lambda: Seen(value=run, looking=True, problem="slow"))
    monkeypatch.setattr(status, "see_pipeline", lambda _: figures)
    assert client.get(f"{PAGE}progress/?figures").json() == {
        **{"under_way": True, "state": "RUNNING", "sentence": "It runs.", "seconds": 7},
        **{"looking": True, "problem": "slow"},
        **{"figures": "2026-03-01T00:00:00+00:00", "figures_awaited": True},
    }


@pytest.mark.parametrize("permissions", [("view",), ("view", "run")], ids=str)
def test_page__is_made_of_what_was_seen(
    start: Mock, rf: RequestFactory, permissions: tuple[str, ...]
) -> None:
    request: Any = rf.get(PAGE)
    names = [f"{name}_pipeline" for name in permissions]
    request.user = User.objects.create_user("ana", is_staff=True)
    request.user.user_permissions.set(Permission.objects.filter(codename__in=names))
    page = PipelineAdmin(Pipeline, site)
    reply = page.changelist_view(request)
    found = reply.context_data or {}
    assert {**found, **site.each_context(request)}.keys() == found.keys()
    assert (found["title"], found["opts"]) == ("Nightly load", page.opts)
    assert (found["run"], found["seen"]) == (Seen(), Seen())
    assert found["may_run"] is ("run" in permissions)
    assert reply.template_name == "admin/forecasting/pipeline/status.html"
