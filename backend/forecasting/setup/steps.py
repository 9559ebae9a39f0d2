"""What both set-ups share: the lock, the plan shown, and what is told when it is done.

Neither imports anything of services that it does not ask: each of Google's clients costs a deploy
hook a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..conf import Config
from ..database.lock import provisioning_lock
from ..google.clients import Clients
from ..provisioning.engine import Step
from ..provisioning.plan import Action, Plan
from .outcome import Mode, Outcome, grants_for_load

if TYPE_CHECKING:
    from google.cloud.bigquery_datatransfer_v1.types import TransferRun

    from ..loading.backfill import SliceOutcome


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """Whom to tell while it goes on; the outcome has everything once more at the end."""

    plan: Callable[[Sequence[Plan]], None]
    applied: Callable[[Sequence[Plan]], None]
    note: Callable[[str], None]
    run: Callable[[TransferRun], None] = lambda _: None
    slice: Callable[[SliceOutcome], None] = lambda _: None


def exclusively(config: Config, clients: Clients, mode: Mode) -> AbstractContextManager[None]:
    """One run at a time, where it writes."""
    left = clients.deadline.left
    return provisioning_lock(config, left) if mode is Mode.APPLY else nullcontext()


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
    made = {step.plan.kind for step in done if step.plan.action is Action.CREATE}
    if "scheduled_query" in made:
        tell.note(grants_for_load(outcome.config, clients.member))
