"""A load that is ended while it runs leaves the table as it was, or as it should be."""

import random

import pytest

from backend.forecasting.tests.reliability.extent import chosen
from backend.forecasting.tests.reliability.load_kills import (
    RUN_NOW,
    Blow,
    Lives,
    cancel_job,
    kill_command,
    kill_session,
    measure_lives,
    recover,
    stop_job,
)
from backend.forecasting.tests.reliability.processes import (
    PATIENCE_SECONDS,
    Manage,
    end_of,
    start_manage,
)
from backend.forecasting.tests.reliability.scene import (
    Fault,
    Scene,
    converge,
    expected_now,
    judge_rest,
    judge_rows,
)
from backend.forecasting.tests.reliability.tally import Tally
from backend.forecasting.tests.reliability.test_kills import rescore

pytestmark = pytest.mark.untraced

SUITE = "Loads ended while they run"
BLOWS: dict[str, tuple[Blow, int]] = {
    "PostgreSQL's process killed with -9": (kill_session, 20),
    "BigQuery's job cancelled": (cancel_job, 10),
    "BigQuery's job stopped between two statements": (stop_job, 20),
    "the waiting command killed with -9": (kill_command, 10),
}
"""What is done to a load, and at how many points."""

NOTE = (
    "`bq_setup_etl --run-now` on a pipeline whose scores have changed. While its load runs, at a "
    "random moment in each of as many equal parts of the life of what is hit: PostgreSQL's process "
    "that the load reads through is killed with SIGKILL, on which PostgreSQL ends all sessions and "
    "recovers; or BigQuery's job is cancelled, at any moment or between two statements; or the "
    "command is killed, and the load goes on. "
    "The table has all its old rows, or all the new ones, and that is what the command's exit "
    "status says: 2 with a message (clearly failed), or 0. A load that nobody waits for ends by "
    "itself. Then the three commands run undisturbed and are judged as above."
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        points = [
            (blow, number)
            for turn, blow in enumerate(BLOWS)
            for number in chosen(metafunc.config, BLOWS[blow][1], turn)
        ]
        metafunc.parametrize(("blow", "number"), points)


@pytest.fixture(scope="module")
def lives(scene: Scene) -> Lives:
    """A pipeline that is all there, and how long its load takes."""
    assert converge(scene) == []
    return measure_lives(scene)


def test_load_kill__leaves_the_old_rows_or_the_new(
    scene: Scene, tally: Tally, lives: Lives, blow: str, number: int
) -> None:
    do, points = BLOWS[blow]
    rng = random.Random(f"{blow} {number}")
    sessions = scene.sessions()
    faults, status = strike(scene, do, lives, (number + rng.random()) / points)
    faults += scene.leaks(sessions)
    faults += converge(scene)
    tally.note(SUITE, NOTE)
    outcome = "clearly failed" if status == 2 else "survived"
    tally.judge(SUITE, "points", faults, row=blow, outcome=outcome)
    assert faults == []


def strike(scene: Scene, blow: Blow, lives: Lives, at: float) -> tuple[list[Fault], int | None]:
    """What is wrong after the blow, and the command's exit status.

    A load that was over before the blow fell is begun again, and hit earlier.
    """
    rescore(random.Random(at))
    old = scene.rows()
    with start_manage(scene.environment(), *RUN_NOW) as process:
        hit = blow(scene, process, lives, at)
        faults, status = judge_end(scene, process, blow is kill_command)
    if not hit and not faults:
        return strike(scene, blow, lives, at / 2)
    if not recover(scene):
        return [*faults, ("hangs", "PostgreSQL does not recover")], status
    rows, wanted = scene.rows(), expected_now()
    faults += judge_rest(rows, old, wanted)
    if status != 2:
        faults += judge_rows(rows, wanted)
    return faults, status


def judge_end(scene: Scene, process: Manage, killed: bool) -> tuple[list[Fault], int | None]:
    """What is wrong with how the command ended, and its load: in time, with a reason."""
    status, said = end_of(process)
    faults: list[Fault] = []
    if status not in ([-9, 0] if killed else [0, 2]) or "Traceback" in said:
        faults.append(("hangs" if status is None else "losses", f"exit status {status}: {said}"))
    try:
        scene.cloud.wait_for_runs(PATIENCE_SECONDS)
    except TimeoutError as error:
        faults.append(("hangs", str(error)))
    return faults, status
