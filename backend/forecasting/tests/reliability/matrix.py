"""Every request that the three commands send, times every fault, before and after its effect."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby, product
from typing import TYPE_CHECKING, Any

import pytest
from django.test import override_settings

from backend.conftest import PASSWORDS, READER
from backend.demo.history import History, update_statistics, write_history
from backend.entities.models import Entity, EntityMention
from backend.events.models import Event
from backend.forecasting.conf import Config
from backend.forecasting.google.clients import Clients, make_clients
from backend.forecasting.google.waiting import Pace
from backend.forecasting.tests.reliability.scene import Fault as Trouble
from backend.forecasting.tests.reliability.scene import Scene, judge_resources
from backend.forecasting.tests.reliability.tracebacks import logged_tracebacks
from backend.forecasting.tests.support.commands import MAKE_CLIENTS, Result, call
from backend.forecasting.tests.support.loading import TABLE, day_before, midnight
from backend.forecasting.tests.support.stand_in import pipeline_settings
from backend.forecasting.training_table import DIMENSIONS
from backend.localcloud.http.errors import NotFound
from backend.localcloud.http.faults import Fault, Kind, kinds

if TYPE_CHECKING:
    from backend.localcloud.http.gateway import RecordedRequest
    from backend.localcloud.server import LocalCloud

COMMANDS: dict[str, dict[str, Any]] = {
    "bq_setup": {},
    "bq_setup_etl": {"run_now": True},
    "bq_verify": {"format": "json"},
}
PATIENCE_SECONDS = 120
"""The --timeout of what meets a fault: what it ends hangs, since nothing else takes so long."""

QUICK = Pace(first_pause=0.01, run_pause=0.03)
HASTY = replace(QUICK, request=3.0)
"""For a request that hangs, not for 30 seconds, and yet longer than any other may take."""

TRANSIENT = {
    *(Kind.TOO_MANY_REQUESTS, Kind.INTERNAL, Kind.BAD_GATEWAY, Kind.UNAVAILABLE),
    *(Kind.GATEWAY_TIMEOUT, Kind.RESET, Kind.HANG, Kind.TRUNCATED, Kind.HTML),
    *(Kind.ABORTED, Kind.CANCELLED, Kind.DATA_LOSS, Kind.UNKNOWN, Kind.GOAWAY),
    *(Kind.OVERSIZED, Kind.GARBLED, Kind.EMPTY),
    Kind.NOT_FOUND,
}
"""What is over when the request is sent again: nobody is to notice."""

ENTITIES, DAYS = 340, 3
"""Just enough rows for Vertex AI, of as few days as there can be."""

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MADE_AT = re.compile(r" of [-0-9]+T[0-9:.]+Z")
"""When a version of a secret was made, which is anew in each cell."""
_WHAT_WAS_DONE = re.compile(
    r"(Asking|Looking at|Creating|Reading|Starting|Counting|Querying) .* (failed|was refused): "
    r"|Could not look at everything: "
    r"|Enable [\w ]+ API: gcloud services enable "
    r"|Secret \w+ of project \S+ has no version that can be read "
    r"|Table \S+ does not exist: run bq_setup first "
)


@dataclass(frozen=True)
class Request:
    """The nth request of a command with this method and path, in which an id is any."""

    command: str
    transport: str
    method: str
    path: str
    nth: int


@dataclass(frozen=True)
class Cell:
    """A fault of one request."""

    request: Request
    kind: Kind
    after_effect: bool

    @property
    def fault(self) -> Fault:
        return Fault(
            kind=self.kind,
            method=self.request.method,
            path=self.request.path,
            nth=self.request.nth,
            after_effect=self.after_effect,
        )


def cells_of(requests: Iterable[Request]) -> list[Cell]:
    return [
        Cell(request, *parts)
        for request in requests
        for parts in product(kinds(request.transport), (False, True))
    ]


def sample_of(cells: Iterable[Cell]) -> list[Cell]:
    """As few as there can be of every request, and of every fault on both of its sides."""
    rows: dict[str, list[list[Cell]]] = {}
    for request, row in groupby(cells, key=lambda cell: cell.request):
        rows.setdefault(request.transport, []).append(list(row))
    return [
        there[number % len(there)][number % len(there[0])]
        for there in rows.values()
        for number in range(max(len(there), len(there[0])))
    ]


@dataclass
class Matrix:
    """The pipeline on which the cells are tried, one after the other.

    Undisturbed commands follow each cell, but for one that leaves a state behind from which an
    earlier one's have ended well.
    """

    scene: Scene
    pace: Pace = QUICK
    desired: Any = None
    settled: bool = False
    cells: list[Cell] = field(default_factory=list)
    converged: set[str] = field(default_factory=set)

    @property
    def cloud(self) -> "LocalCloud":
        return self.scene.cloud

    def clients(self, config: Config) -> Clients:
        return replace(make_clients(config), pace=self.pace)

    def learn(self) -> None:
        """Run the three commands undisturbed; keep what they send, and what they make."""
        for command, options in COMMANDS.items():
            self.begin(command)
            self.cloud.requests.clear()
            result = call(command, **options)
            assert result.status == 0, result.error
            self.cells += cells_of(_requests(command, self.cloud.requests))
            self.settled = command == "bq_setup_etl"
        self.desired = self.photograph()
        self.settled = True

    def begin(self, command: str) -> None:
        """The state in which a command is run for the first time."""
        if command == "bq_verify":
            assert self.settled or not self.converge()
            return
        self.cloud.reset()
        self.settled = False
        if command == "bq_setup_etl":
            assert call("bq_setup").status == 0

    def try_out(self, cell: Cell) -> tuple[Result, list[Trouble]]:
        """How the command ended that met the fault, and what is wrong with that or afterwards."""
        command = cell.request.command
        self.begin(command)
        self.cloud.requests.clear()
        with logged_tracebacks() as logged:
            result = self._disturbed(cell)
        troubles = [("tracebacks", text) for text in logged]
        if "seconds of --timeout" in result.error:
            troubles.append(("hangs", result.error))
        troubles += [("losses", text) for text in judge_end(cell, result)]
        if command == "bq_verify" and self.cloud.writes:
            troubles.append(("losses", f"bq_verify wrote: {self.cloud.writes}"))
        return result, [*troubles, *self._aftermath()]

    def _disturbed(self, cell: Cell) -> Result:
        self.cloud.faults.add(cell.fault)
        self.pace = HASTY if cell.kind is Kind.HANG else QUICK
        command = cell.request.command
        result = call(command, **COMMANDS[command], timeout=PATIENCE_SECONDS)
        hits = list(self.cloud.faults.hits)
        self.cloud.faults.clear()
        self.pace = QUICK
        assert hits == [cell.fault], f"the request was not sent: {cell}"
        return result

    def _aftermath(self) -> list[Trouble]:
        self.cloud.wait_for_runs()
        left = repr((self.photograph(), self._run_states()))
        if left in self.converged:
            return []
        troubles = self.converge()
        if not troubles:
            self.converged.add(left)
        return troubles

    def converge(self) -> list[Trouble]:
        """What is wrong with undisturbed commands, and with what they leave."""
        ends = [call("bq_setup"), call("bq_setup_etl", run_now=True)]
        troubles = judge_resources(self.scene.resources())
        if self.photograph() != self.desired:
            troubles.append(("losses", "something is not as after an undisturbed run"))
        again = [call("bq_setup"), call("bq_setup_etl")]
        if not all("Plan: 2 unchanged." in end.out for end in again):
            troubles.append(("losses", "a second run has something to do"))
        ends += [*again, call("bq_verify")]
        troubles += [("losses", f"undisturbed: {end.error}") for end in ends if end.status]
        self.settled = not troubles
        return troubles

    def photograph(self) -> Any:
        """Everything there is, but for ids and times that are made up anew each time."""
        cloud, made_up = self.cloud, ("etag", "creationTime", "lastModifiedTime")
        project, dataset, table = TABLE.split(".")
        parts = []
        with suppress(NotFound):
            parts.append(cloud.bigquery.datasets.to_json(project, dataset))
            parts.append(cloud.bigquery.tables.to_json(project, dataset, table))
        kept = [{k: v for k, v in part.items() if k not in made_up} for part in parts]
        connections = [
            (_MADE_AT.sub("", str(stored.resource)), stored.username, stored.password)
            for stored in cloud.connections.items.values()
        ]
        transfers = [(stored.resource, stored.owner) for stored in cloud.transfers.items.values()]
        return kept, connections, transfers, self.scene.rows()

    def _run_states(self) -> list[str]:
        transfers = self.cloud.transfers.items.values()
        return [run.resource["state"] for stored in transfers for run in stored.runs.values()]


def _requests(command: str, recorded: "list[RecordedRequest]") -> Iterator[Request]:
    """What was sent, in order. A run is asked about until it ends: only the first time counts."""
    seen: Counter[tuple[str, str]] = Counter()
    for request in recorded:
        path = f"^{_ID.sub('[^/:]+', request.path)}$"
        seen[request.method, path] += 1
        nth = seen[request.method, path]
        if nth == 1 or "/runs/" not in path:
            yield Request(command, request.transport, request.method, path, nth)


def judge_end(cell: Cell, result: Result) -> Iterator[str]:
    """What is wrong with how a command that met a fault ended."""
    said = result.out + result.err + result.error
    if result.status not in (0, 1):
        yield f"exit status {result.status}: {result.error}"
    if result.status and cell.kind in TRANSIENT:
        yield f"not survived: {result.error}"
    if result.status and not is_clear(result.error):
        yield f"not clear: {result.error}"
    if PASSWORDS[READER] in said or "Traceback" in said:
        yield f"says what it must not: {said}"
    if cell.request.command == "bq_verify" and (failed := _failed_checks(result)):
        yield f"a fault is reported as {failed}"


def is_clear(error: str) -> bool:
    """A sentence or two that begin with what was done, and nothing of a reply's form."""
    short = len(error) < 700 and len(error.splitlines()) <= 2
    return short and bool(_WHAT_WAS_DONE.match(error)) and not re.search(r"[<>{}]", error)


def _failed_checks(result: Result) -> list[str]:
    checks = json.loads(result.out).get("checks", []) if result.out else []
    return [check["id"] for check in checks if check["status"] == "fail"]


@contextmanager
def build_matrix(scene: Scene) -> Iterator[Matrix]:
    """Yields it with what an undisturbed run does learned, on a small history of its own."""
    with override_settings(**pipeline_settings(scene.cloud)), pytest.MonkeyPatch.context() as patch:
        matrix = Matrix(scene)
        patch.setattr(MAKE_CLIENTS, matrix.clients)
        write_history(History(), replace=True)
        write_small_history()
        try:
            matrix.learn()
            yield matrix
        finally:
            write_history(History(), replace=True)


def write_small_history() -> None:
    """Every entity is mentioned on each of the last days, in an event that others share."""
    entities = [Entity(name=f"Entity {n}", entity_type="company") for n in range(ENTITIES)]
    Entity.objects.bulk_create(entities)
    for age in range(DAYS):
        moment = midnight(day_before(age + 1)) + timedelta(hours=12)
        events = [_event(moment, 10.0 * age + number) for number in range(7)]
        Event.objects.bulk_create(events)
        EntityMention.objects.bulk_create(
            EntityMention(entity=entity, event=events[number % 7], mentioned_at=moment)
            for number, entity in enumerate(entities)
        )
    update_statistics()


def _event(moment: Any, score: float) -> Event:
    dimensions = {column.dimension: score / 2 for column in DIMENSIONS}
    return Event(occurred_at=moment, title="event", risk_score=score, risk_dimensions=dimensions)
