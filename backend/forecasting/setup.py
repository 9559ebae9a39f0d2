"""What bq_setup does, without arguments parsed or anything printed; and what both set-ups share.

It imports nothing of services that it does not ask: each of Google's clients costs a deploy hook
a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .conf import Config
from .database.lock import provisioning_lock
from .google.clients import Clients
from .outcome import Mode, Outcome, Status, hints_after
from .provisioning.datasets import DatasetSpec
from .provisioning.engine import Step, apply, plan_steps
from .provisioning.plan import Plan, Resource
from .provisioning.tables import TableSpec
from .provisioning.views import view_specs

if TYPE_CHECKING:
    from google.cloud.bigquery_datatransfer_v1.types import TransferRun

    from .loading.backfill import SliceOutcome


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """Whom to tell while it goes on; the outcome has everything once more at the end."""

    plan: Callable[[Sequence[Plan]], None]
    applied: Callable[[Sequence[Plan]], None]
    note: Callable[[str], None]
    run: Callable[[TransferRun], None] = lambda _: None
    slice: Callable[[SliceOutcome], None] = lambda _: None


def set_up_table(config: Config, clients: Clients, mode: Mode, tell: Listeners) -> Outcome:
    """Bring the dataset, the training table and, with a horizon, its views into their state.

    Conflicts and what is left to do are in the outcome. Raises ForecastingError for what could
    not be done.
    """
    specs: list[Resource[Any]] = [
        DatasetSpec.from_config(config),
        TableSpec.from_config(config),
        *view_specs(config),
    ]
    with exclusively(config, clients, mode):
        steps = plan_steps(specs, clients)
        outcome = present("bq_setup", config, clients, mode, tell, steps)
        if outcome.status is Status.APPLIED:
            conclude(outcome, apply(steps, clients), clients, tell)
    return outcome


@contextmanager
def exclusively(config: Config, clients: Clients, mode: Mode) -> Iterator[None]:
    left = clients.deadline.left
    with provisioning_lock(config, left) if mode is Mode.APPLY else nullcontext():
        yield


def present(
    command: str,
    config: Config,
    clients: Clients,
    mode: Mode,
    tell: Listeners,
    steps: Sequence[Step[Any]],
) -> Outcome:
    plans = tuple(step.plan for step in steps)
    tell.plan(plans)
    now = clients.clock.now()
    return Outcome(command=command, config=config, mode=mode, plans=plans, at=now)


def conclude(
    outcome: Outcome, done: Sequence[Step[Any]], clients: Clients, tell: Listeners
) -> None:
    tell.applied(outcome.plans)
    for hint in hints_after(done, outcome.config, clients.member):
        tell.note(hint)
