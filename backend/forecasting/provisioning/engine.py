"""Observe, plan, apply: the one way in which all kinds of resources are provisioned."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

from ..errors import ConflictError
from ..google.clients import Clients
from ..google.errors import explain, gather, reading
from ..google.replies import GOOGLE_ERRORS, UnreadableReplyError
from ..google.retrying import WRITE_TRIES, tries_after
from .plan import Action, Plan, Resource

Observed = TypeVar("Observed")


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
    return plan_observed(resource, partial(resource.observe, clients), clients)


def plan_observed(
    resource: Resource[Observed], observe: Callable[[], Observed | None], clients: Clients
) -> Step[Observed]:
    """The same of what `observe` finds, where that is known before the resource is."""
    with reading(f"Looking at {resource.kind} {resource.name}", clients):
        observed = observe()
        # A reply that is not as documented often shows only when a field is looked at.
        plan = _with_deletes(resource, resource.plan(observed), observed, clients)
        return Step(resource, observed, plan)


def _with_deletes(
    resource: Resource[Observed], plan: Plan, observed: Observed | None, clients: Clients
) -> Plan:
    """The plan with the training data that it costs, and a conflict where nobody allowed that."""
    if plan.action is Action.CONFLICT:
        return plan
    if observed and plan.action is Action.UNCHANGED and resource.is_kept(clients, observed):
        return plan
    deletes = resource.deletes(clients, observed)
    remedy = resource.keep(deletes) if deletes else ""
    action = Action.CONFLICT if remedy else plan.action
    return replace(plan, action=action, remedy=remedy, deletes=deletes)


def apply(steps: Sequence[Step[Any]], clients: Clients) -> list[Step[Any]]:
    """Execute the steps in order; returns them with what is there afterwards."""
    return [apply_step(step, clients) for step in steps]


def apply_step(step: Step[Observed], clients: Clients) -> Step[Observed]:
    """Write one resource, observing it again whenever it cannot be told what became of the write.

    So nothing is ever made twice.
    """
    current, left = step, WRITE_TRIES
    for attempt in clients.attempts(WRITE_TRIES):
        if attempt > 1:
            current = plan_step(step.resource, clients)
        if current.plan.refusal:
            raise ConflictError(current.plan.refusal)
        if current.plan.action is Action.UNCHANGED:
            break
        try:
            return replace(step, observed=_write(current, clients))
        except (*GOOGLE_ERRORS, UnreadableReplyError) as error:
            left = min(left - 1, tries_after(error))
            if not left:
                doing = f"{_VERBS[current.plan.action]} {step.resource.kind} {step.resource.name}"
                raise explain(error, doing, clients) from error
    return replace(step, observed=current.observed)


_VERBS = {Action.CREATE: "Creating", Action.UPDATE: "Updating"}


def _write(step: Step[Observed], clients: Clients) -> Observed:
    if step.observed is None:
        return step.resource.create(clients)
    return step.resource.update(clients, step.observed, step.plan)
