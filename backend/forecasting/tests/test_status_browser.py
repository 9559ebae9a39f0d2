"""The status page as a person sees it, in Debian's Chromium."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from pytest_django.live_server_helper import LiveServer

from backend.forecasting.monitoring import status
from backend.forecasting.monitoring.remembered import Patience
from backend.forecasting.tests.oracles.browser import Browser, start_browser, why_no_browser
from backend.forecasting.tests.support.healthy import Healthy, provision_healthy
from backend.forecasting.verification.verify import verify

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = [
    pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser()),
    pytest.mark.django_db(transaction=True),
    pytest.mark.untraced,
]

PAGE, PASSWORD = "/admin/forecasting/pipeline/", "a long enough word"
SCREENSHOTS = os.environ.get("SCREENSHOTS", "")
"""A folder to leave pictures of the page in, for somebody to look at."""

Open = Callable[[str], Browser]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_browser() as browser:
        yield browser


@pytest.fixture
def healthy(cloud: "LocalCloud", monkeypatch: pytest.MonkeyPatch) -> Iterator[Healthy]:
    """A pipeline of this test's own: the database is emptied after it."""
    cache.clear()
    monkeypatch.setattr(status, "PATIENCE", Patience(recent=60, recent_seconds=0, without=60))
    monkeypatch.setattr(status, "START_PATIENCE", 60)
    with provision_healthy(cloud) as healthy:
        yield healthy
    cache.clear()


@pytest.fixture
def log_in(browser: Browser, live_server: LiveServer) -> Iterator[Open]:
    """Opens the page as a new user does: by way of the login. Its last look ends with the test.

    Who is to see a pipeline asks for `healthy` before this.
    """

    def log_in(name: str) -> Browser:
        browser.command("Network.clearBrowserCookies", {})
        browser.resize(1280)
        browser.open(f"{live_server.url}{PAGE}")
        fields = {"id_username": name, "id_password": PASSWORD}
        for field, value in fields.items():
            browser.evaluate(f"document.getElementById('{field}').value = '{value}'")
        press(browser, "#login-form [type=submit]")
        return browser

    yield log_in
    # A page that is left open goes on to ask, and a look goes on without whoever asked.
    browser.open("about:blank")
    for thread in threading.enumerate():
        if thread.name == "forecasting":
            thread.join()


def press(browser: Browser, selector: str) -> None:
    """Click, and wait for the page that comes of it."""
    browser.evaluate(f"(window.before = true, document.querySelector('{selector}').click())")
    wait_for(browser, "window.before === undefined && document.readyState === 'complete'")


def wait_for(browser: Browser, condition: str) -> None:
    deadline = time.monotonic() + 240
    while not browser.evaluate(condition):
        assert time.monotonic() < deadline, condition
        # Else to ask is what the machine is busy with, and not what is waited for.
        time.sleep(0.05)


def complaints(browser: Browser) -> list[str]:
    """What the console says, but for the icon, which Django's admin does not have."""
    return [line for line in browser.console() if "favicon.ico" not in line]


def text_of(browser: Browser, selector: str) -> str:
    return str(browser.evaluate(f"document.querySelector('{selector}').innerText")).strip()


def picture(browser: Browser, name: str) -> None:
    if SCREENSHOTS:
        browser.take_screenshot(Path(SCREENSHOTS) / f"status-{name}.png")


CHARTS = "document.querySelectorAll('.pipeline svg[role=img]').length"
GOOD_RUNS = "document.querySelectorAll('.runs .pass').length"


@pytest.fixture
def held(
    healthy: Healthy, log_in: Open, monkeypatch: pytest.MonkeyPatch
) -> Iterator[threading.Event]:
    """No look at the pipeline ends before this is set, and nobody waits for it until then."""
    answers, patient = threading.Event(), status.PATIENCE

    def verify_late(*args: Any, **options: Any) -> Any:
        answers.wait()
        monkeypatch.setattr(status, "PATIENCE", patient)
        return verify(*args, **options)

    monkeypatch.setattr("backend.forecasting.monitoring.status.verify", verify_late)
    monkeypatch.setattr(status, "PATIENCE", Patience(recent=0, recent_seconds=0, without=0))
    yield answers
    answers.set()


def test_browser__fills_itself_in_when_figures_arrive(
    healthy: Healthy, log_in: Open, held: threading.Event
) -> None:
    """The first ones, and those after the end of a run."""
    User.objects.create_superuser("ana", password=PASSWORD)
    healthy.change_rows("DELETE FROM {table} WHERE risk_score > 90")
    browser = log_in("ana")
    assert text_of(browser, "h1") == "Nightly load"
    assert text_of(browser, "#pipeline-now") == "Nothing is known yet"
    assert browser.evaluate(CHARTS) == 0
    held.set()
    wait_for(browser, f"{CHARTS} === 11")
    before = text_of(browser, ".figures")
    assert browser.evaluate(GOOD_RUNS) == 2
    press(browser, ".pipeline form button")
    assert "has been started" in text_of(browser, ".messagelist")
    wait_for(browser, f"{GOOD_RUNS} === 3")
    assert text_of(browser, "#pipeline-progress").startswith("Run succeeded in")
    assert text_of(browser, ".figures") != before
    picture(browser, "run")
    assert complaints(browser) == []


def test_browser__fits_every_screen(healthy: Healthy, log_in: Open) -> None:
    User.objects.create_superuser("ana", password=PASSWORD)
    healthy.last_run.update(
        state="FAILED", errorStatus={"code": 3, "message": f"denied: projects/{'x' * 300}"}
    )
    browser = log_in("ana")
    assert "denied: projects/xxx" in text_of(browser, ".runs")
    for width, dark in ((1280, False), (1280, True), (390, False), (320, True)):
        browser.resize(width, dark=dark)
        picture(browser, f"{width}{'-dark' if dark else ''}")
        assert browser.evaluate("document.documentElement.scrollWidth") <= width, (width, dark)
    assert complaints(browser) == []


def test_browser__staff_without_permission_is_refused(log_in: Open) -> None:
    User.objects.create_user("eva", password=PASSWORD, is_staff=True)
    assert "403 Forbidden" in log_in("eva").evaluate("document.body.innerText")


def test_browser__others_stay_at_the_login(log_in: Open) -> None:
    User.objects.create_user("leo", password=PASSWORD)
    browser = log_in("leo")
    assert "staff account" in text_of(browser, ".errornote")
