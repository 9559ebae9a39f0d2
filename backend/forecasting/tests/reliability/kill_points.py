"""Points in the life of a command at which it is killed, counted by the requests that it sends."""

import random
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backend.forecasting.tests.reliability.processes import Manage, end_of, holds_soon, start_manage
from backend.forecasting.tests.reliability.scene import Scene

if TYPE_CHECKING:
    from backend.localcloud.http.call import Call

MOMENTS = ("before", "after", "between")
"""Before a request takes effect (it does all the same), after that, or after its answer."""

_LONGEST_PAUSE = 0.02
_KILLED = -9


@dataclass(frozen=True)
class Point:
    """The n-th request, from 1, and when; `pause` is how many seconds after an answer."""

    request: int
    moment: str
    pause: float

    @property
    def earlier(self) -> "Point | None":
        """The one before it, None of the first: before a request is answered nobody is done."""
        place = self.request * len(MOMENTS) + MOMENTS.index(self.moment) - 1
        request, moment = divmod(place, len(MOMENTS))
        return replace(self, request=request, moment=MOMENTS[moment]) if request else None


@dataclass(frozen=True)
class Death:
    """How a process ended that was to be killed: not at all (None), killed, or of itself."""

    status: int | None
    said: str

    @property
    def killed(self) -> bool:
        return self.status == _KILLED


def draw_points(requests: int, count: int, seed: str) -> list[Point]:
    """Random points, one in each of `count` equal parts of a life of so many requests."""
    rng = random.Random(seed)
    places = [int((part + rng.random()) / count * requests * 3) for part in range(count)]
    return [
        Point(place // 3 + 1, MOMENTS[place % 3], rng.uniform(0, _LONGEST_PAUSE))
        for place in places
    ]


class Killer:
    """A watcher of the stand-in that kills `process` at a point and counts what it sends."""

    def __init__(self, point: Point | None = None) -> None:
        self.point = point
        self.process: Manage | None = None
        self.requests = 0
        self._numbers: dict[int, int] = {}
        self._lock = threading.Lock()
        self._started = threading.Event()

    def begin(self, process: Manage) -> None:
        self.process = process
        self._started.set()

    @property
    def settled(self) -> bool:
        """Whether every request that came has been dealt with."""
        return not self._numbers

    def __call__(self, call: "Call", done: bool) -> None:
        with self._lock:
            if not done:
                self.requests += 1
                self._numbers[id(call)] = self.requests
            number = self._numbers[id(call)]
        if self.point and number == self.point.request:
            self._at_request(done)
        if done:
            with self._lock:
                del self._numbers[id(call)]

    def _at_request(self, done: bool) -> None:
        moment = self.point.moment if self.point else ""
        if (moment == "before" and not done) or (moment == "after" and done):
            self._kill()
        elif moment == "between" and done:
            threading.Timer(self.point.pause if self.point else 0, self._kill).start()

    def _kill(self) -> None:
        """Returns when the process is gone, so that what happens next happens without it."""
        self._started.wait()
        if self.process:
            self.process.kill()
            self.process.wait()


def run_to_death(scene: Scene, command: tuple[str, ...], point: Point | None) -> tuple[Death, int]:
    """How the command ended, and how many requests it sent; without a point it is let live."""
    killer = Killer(point)
    scene.cloud.watchers.append(killer)
    try:
        with start_manage(scene.environment(), *command) as process:
            killer.begin(process)
            status, said = end_of(process)
        holds_soon(lambda: killer.settled)
    finally:
        scene.cloud.watchers.remove(killer)
    return Death(status, said), killer.requests
