"""Two hundred nights on a moving clock; the table is right after each of them."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from backend.forecasting.tests.reliability import soak
from backend.forecasting.tests.reliability.footprint import judge_growth, look_at_footprint
from backend.forecasting.tests.reliability.processes import PATIENCE_SECONDS
from backend.forecasting.tests.reliability.scene import Fault, Scene, build_scene, judge_rows
from backend.forecasting.tests.reliability.soak import Night, World, changed
from backend.forecasting.tests.reliability.tally import Tally
from backend.forecasting.tests.support.commands import call
from backend.forecasting.tests.support.loading import day_before
from backend.localcloud.postgres.server import RunningPostgres

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = pytest.mark.untraced

SUITE = "Nights on a moving clock"
NIGHTS = 200


@dataclass(frozen=True)
class Kind:
    """What is special about a night; `failure` is what its message has to say, if it fails."""

    name: str
    night: Night
    failure: str = ""


PROGRAM = (
    Kind("nothing special", soak.quiet),
    Kind("nothing special", soak.quiet),
    Kind("late news, also of days that are not read again", soak.late_news),
    Kind("late news, also of days that are not read again", soak.late_news),
    Kind("scores corrected", soak.corrected),
    Kind("a day's mentions withdrawn", soak.withdrawn),
    Kind("two runs at once", soak.doubled),
    Kind("a past date run again", soak.looked_back),
    Kind("password rotated", soak.rotated),
    Kind("window of 20 days", changed(window_days=20)),
    Kind("window of 10 days, with consent", soak.shrunk),
    Kind("window of 4 days, without consent", soak.shrunk_without_consent),
    Kind("10 days read again", changed(refresh_days=10)),
    Kind("3 days read again", changed(refresh_days=3)),
    Kind("history kept", changed(keep_history=True)),
    Kind("history not kept", changed(keep_history=False)),
    Kind("PostgreSQL empty", soak.emptied, "returned no rows"),
    Kind("PostgreSQL down", soak.down, "Connect to PostgreSQL server failed"),
    Kind("PostgreSQL takes no logins", soak.closed, "not currently accepting connections"),
    Kind("password changed, secret not", soak.locked_out, "password authentication failed"),
    Kind("session ended", soak.cut_off, "server closed the connection"),
    Kind("source shrunken to a day", soak.shrunken, "far fewer rows"),
    Kind("retention shorter than the window", soak.forgotten, "far fewer rows"),
    Kind("password of the connection set by hand", soak.set_by_hand, "authentication failed"),
    Kind("key of a dimension renamed", soak.renamed_key),
    Kind("wild value in a dimension", soak.wild_value),
)


NOTE = (
    "The stand-in's clock goes from night to night, and its own schedule starts the runs of one "
    f"pipeline. Every {len(PROGRAM)} nights, in another order each time, are those of the table. "
    "Before each of them there is yesterday's news. After a run that succeeds the table has the "
    "rows that Python makes of those of the night before, of PostgreSQL, and of the settings of "
    "that night; "
    "after one that fails, with the message that it should have, it is value for value what it "
    "was. A loss is silent where neither the run, nor the plan of `bq_setup_etl`, nor `bq_verify` "
    "says what it is. No lock and no session stays after a night. Settings and passwords reach the "
    "pipeline through `bq_setup_etl`, which has nothing to change at the end."
)


@pytest.fixture(scope="module")
def scene(
    cloud_server: "LocalCloud", postgres: RunningPostgres, transactional_db: None
) -> Iterator[Scene]:
    """PostgreSQL without a history, and the stand-in."""
    with build_scene(cloud_server, postgres, fill=lambda: None) as built:
        yield built


@pytest.fixture
def world(scene: Scene, everything: bool) -> World:
    """Everything set up, and nothing loaded, on the day before the first night."""
    count = how_many(everything)
    world = World(scene, random.Random("soak"), day_before(count))
    scene.cloud.clock.set(world.moment)
    world.begin()
    assert call("bq_setup").status == 0
    world.set_up()
    return world


def test_soak__table_is_right_after_each_night(
    world: World, tally: Tally, everything: bool
) -> None:
    tally.note(SUITE, NOTE)
    nights = list(shuffled(world, how_many(everything)))
    warm = len(PROGRAM) // 2
    for kind in nights[:warm]:
        spend_night(world, kind, tally)
    before = look_at_footprint(world.scene)
    for kind in nights[warm:]:
        spend_night(world, kind, tally)
    look = partial(look_at_footprint, world.scene)
    after, faults = judge_growth(before, look, len(nights) - warm)
    tally.add(SUITE, "leaks", len(faults), row="in the process of the stand-in")
    tally.note(
        SUITE,
        f"In the process that has the stand-in in it there were {before.describe()} after {warm} "
        f"nights; {after.describe()} after {len(nights)}.",
    )
    assert faults == []
    assert call("bq_setup", check=True).status == 0
    assert call("bq_setup_etl", check=True, **vars(world.window)).status == 0


def how_many(everything: bool) -> int:
    """A number of nights in which each kind comes up."""
    return NIGHTS if everything else len(PROGRAM)


def shuffled(world: World, count: int) -> Iterator[Kind]:
    """Each of the program's nights once, in some order, then again in another.

    The first is none of those that need a table with rows in it.
    """
    program = list(PROGRAM)
    for number in range(count):
        if number % len(program) == 0:
            world.rng.shuffle(program)
        if number == 0:
            quiet = program.index(PROGRAM[0])
            program[0], program[quiet] = program[quiet], program[0]
        yield program[number % len(program)]


def spend_night(world: World, kind: Kind, tally: Tally) -> None:
    """Counts the next night, and fails with what is wrong after it."""
    sessions = world.scene.sessions()
    faults = [*pass_night(world, kind), *world.scene.leaks(sessions)]
    outcome = "clearly failed" if kind.failure else "survived"
    tally.judge(SUITE, "nights", faults, row=kind.name, outcome=outcome)
    tally.add(SUITE, "silent losses", len(world.silent), row=kind.name)
    assert [*faults, *world.silent] == [], (kind.name, world.today)


def pass_night(world: World, kind: Kind) -> list[Fault]:
    """What is wrong after the next night."""
    before, known = world.scene.rows(), set(world.runs())
    world.today += timedelta(days=1)
    world.report(1)
    try:
        with kind.night(world) as during:
            world.scene.cloud.clock.set(world.moment)
            during()
            world.scene.cloud.wait_for_runs(PATIENCE_SECONDS)
            if not kind.failure:
                world.load(world.today)
    except TimeoutError as error:
        return [("hangs", str(error))]
    started = [run for name, run in world.runs().items() if name not in known]
    faults = [fault for run in started for fault in judge_run(run, kind)]
    if not started:
        faults.append(("losses", "no run started"))
    rows = world.scene.rows()
    if kind.failure:
        return faults + ([] if rows == before else [("losses", "the table has changed")])
    return faults + judge_rows(rows, world.rows)


def judge_run(run: dict[str, Any], kind: Kind) -> list[Fault]:
    """What is wrong with how a run ended."""
    message = run.get("errorStatus", {}).get("message", "")
    if (run["state"] == "FAILED") == bool(kind.failure) and kind.failure in message:
        return []
    return [("losses", f"the run ended {run['state']}: {message}")]
