"""Each command killed with -9 at random points of its life: what comes next puts it right."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest

from backend.events.models import Event
from backend.forecasting.conf import load_config
from backend.forecasting.google.clients import make_clients
from backend.forecasting.tests.reliability.extent import chosen
from backend.forecasting.tests.reliability.kill_points import (
    MOMENTS,
    Point,
    draw_points,
    run_to_death,
)
from backend.forecasting.tests.reliability.scene import (
    UNDISTURBED,
    Fault,
    Scene,
    converge,
    expected_now,
    judge_rest,
)
from backend.forecasting.tests.reliability.tally import Tally
from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.loading import TABLE, day_before

pytestmark = pytest.mark.untraced

SUITE = "Commands killed with -9"
POINTS = 20
NOTE = (
    "A process that runs `manage.py`, its imports made before it, killed with SIGKILL at a random "
    "request of its life: before the request takes effect (which it then does without its "
    "sender), after that and before the answer, or up to 20 ms after the answer. There is one "
    "point in each twentieth of the requests that an undisturbed run sends. Every other time the "
    "two set-ups begin from nothing; in between with a table, a schedule and a password that "
    "differ and scores that have changed. "
    "Right after the kill the table has either all its old rows or all the new ones, and neither "
    "an advisory lock nor a session stays in PostgreSQL. Then `bq_setup`, `bq_setup_etl --run-now` "
    "and `bq_verify` run undisturbed in a new process: each has to exit 0, with one of each "
    "resource, and every row equal to what Python computes from PostgreSQL."
)


@dataclass(frozen=True)
class Start:
    """What a command finds: nothing of what it makes, or all of it, of which some differs."""

    scene: Scene
    command: tuple[str, ...]
    from_nothing: bool

    def make(self, rng: random.Random) -> None:
        """Scores differ from those in the table, if there is one."""
        if self.from_nothing:
            self.scene.reset()
        elif not self.scene.cloud.transfers.items:
            assert converge(self.scene) == []
        rescore(rng)
        if self.command[0] == "bq_setup_etl" and self.from_nothing:
            assert call("bq_setup").status == 0
        if self.command[0] != "bq_verify" and not self.from_nothing:
            make_differ(self.scene)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        points = [
            pytest.param(command, number, id=f"{command[0]}-{number}")
            for turn, command in enumerate(UNDISTURBED)
            for number in chosen(metafunc.config, POINTS, turn)
        ]
        metafunc.parametrize(("command", "number"), points)


@pytest.fixture(scope="module")
def requests_of(scene: Scene) -> Callable[[Start], int]:
    """How many requests the command sends when it is left alone."""

    @cache
    def measure(start: Start) -> int:
        start.make(random.Random("measured"))
        death, requests = run_to_death(scene, start.command, None)
        assert death.status == 0, death.said
        return requests

    return measure


def test_kill__what_it_leaves_is_put_right(
    scene: Scene,
    tally: Tally,
    requests_of: Callable[[Start], int],
    command: tuple[str, ...],
    number: int,
) -> None:
    start = Start(scene, command, number % 2 == 0 and command[0] != "bq_verify")
    point = draw_points(requests_of(start), POINTS, str(command))[number]
    faults = kill(start, point, random.Random(f"{command} {number}"))
    faults += converge(scene)
    tally.note(SUITE, NOTE)
    tally.judge(SUITE, "points", faults, row=f"`{' '.join(command)}`")
    assert faults == []


def test_point__has_earlier_ones_down_to_that_which_no_command_survives() -> None:
    point: Point | None = Point(2, "between", 0.01)
    seen = []
    while point:
        seen.append((point.request, point.moment))
        point = point.earlier
    assert seen == [(number, moment) for number in (2, 1) for moment in reversed(MOMENTS)]


def kill(start: Start, point: Point, rng: random.Random) -> list[Fault]:
    """What is wrong after the kill.

    A command that waits for a run does not always ask as often as it did when it was measured, and
    may be done before a pause is over: if it lived, it is begun again and dies a moment earlier.
    """
    scene = start.scene
    start.make(rng)
    old, wanted, sessions = scene.rows(), expected_now(), scene.sessions()
    death = run_to_death(scene, start.command, point)[0]
    if death.status == 0 and (earlier := point.earlier):
        return kill(start, earlier, rng)
    faults: list[Fault] = []
    if not death.killed:
        kind = "hangs" if death.status is None else "losses"
        faults.append((kind, f"{point}: {death.status}, {death.said}"))
    return [*faults, *judge_rest(scene.rows(), old, wanted), *scene.leaks(sessions)]


def rescore(rng: random.Random) -> None:
    """Another score for all events of a day that every load reads again."""
    day = day_before(rng.randrange(1, 7))
    events = Event.objects.filter(occurred_at__date=day)
    assert events.update(risk_score=rng.uniform(0, 100))


def make_differ(scene: Scene) -> None:
    """Something of every resource that a set-up has to change."""
    client = make_clients(load_config()).bigquery
    table = client.get_table(TABLE)
    table.description = "mine"
    client.update_table(table, ["description"])
    scene.rotate_password()
    for scheduled in scene.cloud.transfers.items.values():
        scheduled.resource["schedule"] = "every day 05:00"
