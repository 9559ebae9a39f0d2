"""Every request of the commands, times every fault: survived, or clearly failed and put right."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from backend.forecasting.tests.reliability.matrix import (
    COMMANDS,
    Cell,
    Matrix,
    build_matrix,
    sample_of,
)
from backend.forecasting.tests.reliability.scene import Fault as Trouble
from backend.forecasting.tests.reliability.scene import Scene
from backend.forecasting.tests.reliability.tally import Tally
from backend.localcloud.http.faults import Kind, kinds
from backend.localcloud.postgres.server import RunningPostgres

if TYPE_CHECKING:
    from backend.localcloud.server import LocalCloud

pytestmark = pytest.mark.untraced

SUITES = {"grpc": "Faults at every request over gRPC", "rest": "Faults at every request over REST"}
ASKED = {
    "grpc": "What is asked of the BigQuery Connection, Data Transfer and Secret Manager services, "
    "over gRPC as in production. ",
    "rest": "What is asked of BigQuery, which speaks REST only. ",
}
NOTE = (
    "Every request that a first `bq_setup`, `bq_setup_etl --run-now` and `bq_verify` send, times "
    "every fault of the transport, each before the request takes effect and after it, when only "
    "the reply is lost. The requests are learned from an undisturbed run. A read is disturbed on "
    "both sides too, although it has no effect that could make a difference; a run that is waited "
    "for is asked about several times, of which the first one is disturbed. A cell is survived "
    "when the command exits 0 as if nothing had been, and clearly failed when it exits 1 with a "
    "sentence or two that say what was being done; anything else is a loss, as are a transient "
    "fault (429, 5xx, a reset, a hang, a truncated reply, a page of HTML, a single 404, an empty "
    "reply; over gRPC its ABORTED, CANCELLED, DATA_LOSS and UNKNOWN, a GOAWAY, a reply of 5 MiB "
    "or one that is no protobuf) that is not survived, and a check of `bq_verify` that fails. A "
    "traceback is one that anybody logs, libraries included; one that came through a command "
    "would end the test. Afterwards, once for each state that cells leave behind, `bq_setup` and "
    "`bq_setup_etl --run-now` run undisturbed: there is one of each resource, all of them, the "
    "credential and the rows equal those of an undisturbed run, a second run has nothing to do, "
    "and `bq_verify` passes."
)


@pytest.fixture(scope="module")
def matrix(
    cloud_server: "LocalCloud", postgres: RunningPostgres, transactional_db: None
) -> Iterator[Matrix]:
    with build_matrix(Scene(cloud_server, postgres)) as built:
        yield built


@pytest.fixture
def cells(matrix: Matrix, everything: bool) -> list[Cell]:
    """Those that are tried: all, or a sample."""
    return matrix.cells if everything else sample_of(matrix.cells)


def test_requests__are_those_of_all_three_commands(matrix: Matrix) -> None:
    requests = {cell.request for cell in matrix.cells}
    assert {request.command for request in requests} == COMMANDS.keys()
    writes = {re.findall(r"\w+\$", r.path)[0] for r in requests if r.method == "POST"}
    assert writes == {
        *("datasets$", "tables$", "connections$", "transferConfigs$", "startManualRuns$"),
        *("queries$", "checkValidCreds$"),  # These two are POST, and only read.
    }
    asked = Counter(request.transport for request in requests)
    assert asked.keys() == SUITES.keys()
    assert len(set(matrix.cells)) == len(matrix.cells)
    assert len(matrix.cells) == sum(asked[name] * len(kinds(name)) * 2 for name in SUITES)


def test_cells__are_of_every_request_every_fault_and_both_sides(
    matrix: Matrix, cells: list[Cell]
) -> None:
    assert {cell.request for cell in cells} == {cell.request for cell in matrix.cells}
    assert {(cell.request.transport, cell.kind, cell.after_effect) for cell in cells} == {
        (name, kind, side) for name in SUITES for kind in kinds(name) for side in (False, True)
    }


@pytest.mark.parametrize(
    ("transport", "kind"), [(name, kind) for name in SUITES for kind in kinds(name)]
)
def test_fault__is_survived_or_clearly_failed_and_put_right(
    matrix: Matrix, cells: list[Cell], tally: Tally, transport: str, kind: Kind
) -> None:
    suite = SUITES[transport]
    tally.note(suite, ASKED[transport] + NOTE)
    wrong: dict[Cell, list[Trouble]] = {}
    tried = [cell for cell in cells if (cell.request.transport, cell.kind) == (transport, kind)]
    assert tried
    for cell in tried:
        result, troubles = matrix.try_out(cell)
        outcome = "survived" if result.status == 0 else "clearly failed"
        tally.judge(suite, "cells", troubles, row=kind, outcome=outcome)
        wrong |= {cell: troubles} if troubles else {}
    assert wrong == {}
