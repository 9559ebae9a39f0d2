"""Observe, plan, apply: the one way in which all kinds of resources are provisioned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from google.api_core import exceptions

from ..errors import ConflictError
from ..google.clients import Clients, is_transient
from ..google.errors import (
    GOOGLE_ERRORS,
    UNREADABLE,
    explain,
    gather,
    google_errors,
)
from .plan import Action, Plan, Resource

Observed = TypeVar("Observed")

_ATTEMPTS = 4
"""How often one resource is looked at and written before another writer is given up on."""

_LOST_RACES = (exceptions.Conflict, exceptions.PreconditionFailed, exceptions.NotFound)


@dataclass(frozen=True)
class Step(Generic[Observed]):
    """A resource with what was observed of it and what is to be done."""

    resource: Resource[Observed]
    observed: Observed | None
    plan: Plan


def plan_steps(resources: Iterable[Resource[Any]], clients: Clients) -> list[Step[Any]]:
    """A step for each resource. Raises ApiDisabledError with every API that is disabled."""
    return gather(partial(plan_step, resource, clients) for resource in resources)


def plan_step(resource: Resource[Observed], clients: Clients) -> Step[Observed]:
    """The resource as it is, and what is to be done about it."""
    with google_errors(f"Looking at {resource.kind} {resource.name}", clients):
        observed = resource.observe(clients)
        # A reply that is not as documented often shows only when a field is looked at.
        return Step(resource, observed, resource.plan(observed))


def apply(steps: Sequence[Step[Any]], clients: Clients) -> list[Step[Any]]:
    """Execute the steps in order; returns them with what is there afterwards."""
    return [_apply_step(step, clients) for step in steps]


def _apply_step(step: Step[Observed], clients: Clients) -> Step[Observed]:
    """Write one resource, looking again whenever it cannot be told what became of the write.

    A race that was lost (409, 412, 404) and a reply that was lost are the same case: what is
    there now decides whether anything is left to do, so nothing is ever made twice.
    """
    current = step
    for attempt in clients.attempts(_ATTEMPTS):
        if attempt > 1:
            current = plan_step(step.resource, clients)
        if current.plan.refusal:
            raise ConflictError(current.plan.refusal)
        if current.plan.action is Action.UNCHANGED:
            break
        try:
            return Step(current.resource, _write(current, clients), step.plan)
        except (*GOOGLE_ERRORS, *UNREADABLE) as error:
            if attempt == _ATTEMPTS or not _look_again(error):
                doing = f"{_VERBS[current.plan.action]} {step.resource.kind} {step.resource.name}"
                raise explain(error, doing, clients) from error
    return Step(current.resource, current.observed, step.plan)


_VERBS = {Action.CREATE: "Creating", Action.UPDATE: "Updating"}


def _write(step: Step[Observed], clients: Clients) -> Observed:
    if step.observed is None:
        return step.resource.create(clients)
    return step.resource.update(clients, step.observed, step.plan)


def _look_again(error: Exception) -> bool:
    if isinstance(error, exceptions.RetryError) and error.cause:
        return is_transient(error.cause)
    # What a write did whose reply cannot be read is as unknown as with a lost one.
    return isinstance(error, (*_LOST_RACES, *UNREADABLE)) or is_transient(error)
