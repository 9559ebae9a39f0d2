"""Eight processes of mixed commands at once, from nothing, over and over."""

import random
from collections.abc import Sequence

import pytest

from backend.conftest import PASSWORDS, READER
from backend.forecasting.tests.reliability.extent import chosen
from backend.forecasting.tests.reliability.processes import run_at_once
from backend.forecasting.tests.reliability.scene import (
    Fault,
    Scene,
    converge,
    expected_now,
    judge_ends,
    judge_resources,
    judge_rows,
)
from backend.forecasting.tests.reliability.tally import Tally
from backend.forecasting.tests.support.concurrent_runs import ROTATE, Ended

pytestmark = pytest.mark.untraced

SUITE = "Races"
ROUNDS, PROCESSES = 10, 8
FEW_PROCESSES = 4
"""Enough for a race, where not everything is run."""
NOTE = (
    f"{PROCESSES} processes, from nothing, begin at the same moment, and wait for each other "
    "before each of their three commands. Each is, at random, a deploy (`bq_setup`, "
    "`bq_setup_etl`, `bq_verify`), a load (`bq_setup`, `bq_setup_etl --run-now`, `bq_verify`), a "
    "rotation (`bq_setup`, a new version of the password's secret, `bq_setup_etl`), a changed "
    "schedule (`bq_setup`, `bq_setup_etl` with another schedule, `bq_setup_etl`), or only "
    "verifies, three times; at least one loads. Every set-up and every load has to exit 0. "
    "`bq_verify` may exit 2, since what it looks at is still being made; it may not exit 1, since "
    "it can look. At the end there is one of each resource and every row is right before anything "
    "is done about it, no lock or session stays, and no process has said the password. Then the "
    "three commands run undisturbed and are judged as above. Without the lock means that Django's "
    "database is out of reach."
)
LOAD = (("bq_setup",), ("bq_setup_etl", "--run-now"), ("bq_verify",))
KINDS = (
    LOAD,
    (("bq_setup",), ("bq_setup_etl",), ("bq_verify",)),
    (("bq_setup",), (ROTATE,), ("bq_setup_etl",)),
    (("bq_setup",), ("bq_setup_etl", "--schedule", "every day 03:00"), ("bq_setup_etl",)),
    (("bq_verify",), ("bq_verify",), ("bq_verify",)),
)
Commands = tuple[tuple[str, ...], ...]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", chosen(metafunc.config, ROUNDS))


@pytest.mark.parametrize("with_lock", [True, False], ids=["locked", "unlocked"])
def test_race__ends_with_one_of_each(
    scene: Scene, tally: Tally, everything: bool, number: int, with_lock: bool
) -> None:
    rng = random.Random(f"race {number}")
    processes = PROCESSES if everything else FEW_PROCESSES
    lists: list[Commands] = [LOAD, *rng.choices(KINDS, k=processes - 1)]
    scene.reset()
    sessions = scene.sessions()
    environment = scene.environment(with_database=with_lock) | {ROTATE: PASSWORDS[READER]}
    faults = judge_race(run_at_once(environment, lists), lists)
    faults += judge_resources(scene.resources())
    faults += judge_rows(scene.rows(), expected_now())
    faults += scene.leaks(sessions)
    faults += converge(scene)
    tally.note(SUITE, NOTE)
    row = f"{'with' if with_lock else 'without'} the lock"
    tally.judge(SUITE, "rounds", faults, row=row)
    tally.add(SUITE, "processes", len(lists), row=row)
    assert faults == []


def judge_race(ends: Sequence[Sequence[Ended]], lists: Sequence[Commands]) -> list[Fault]:
    """What is wrong with how the processes ended, and with what they said."""
    faults: list[Fault] = []
    for ended, commands in zip(ends, lists, strict=True):
        may = [e for e in ended if not (e.arguments[0] == "bq_verify" and e.status == 2)]
        faults += judge_ends(may, [])
        faults += judge_ends([], commands[len(ended) :])
        faults += [("leaks", str(e)) for e in ended if PASSWORDS[READER] in e.said]
    return faults
