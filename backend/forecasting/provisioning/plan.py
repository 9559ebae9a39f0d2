"""What would be done to a resource, as values: a plan is compared, printed and executed."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from ..google.clients import Clients


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One owned field that differs; None stands for: not there."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done to one resource, and for a conflict the operator's ways out."""

    kind: str
    name: str
    action: Action
    changes: tuple[Change, ...] = ()
    remedy: str = ""

    @property
    def fields(self) -> set[str]:
        return {change.field for change in self.changes}


Observed = TypeVar("Observed")


class Resource(Protocol[Observed]):
    """A desired resource: a frozen spec that can be looked up, compared and written.

    `observe` reads and returns None for what is absent. `plan` is pure. `create` and `update`
    only execute a plan and return what Google answered; both may meet another writer, which
    `backend.forecasting.provisioning.engine` settles by observing again.
    """

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...

    def observe(self, clients: Clients) -> Observed | None: ...

    def plan(self, observed: Observed | None) -> Plan: ...

    def create(self, clients: Clients) -> Observed: ...

    def update(self, clients: Clients, observed: Observed, plan: Plan) -> Observed: ...


def plan_create(kind: str, name: str, fields: Iterable[tuple[str, str]] = ()) -> Plan:
    """The plan for a resource that is absent; `fields` is what will be set."""
    changes = tuple(Change(field=field, before=None, after=after) for field, after in fields)
    return Plan(kind=kind, name=name, action=Action.CREATE, changes=changes)


def plan_changes(kind: str, name: str, changes: Iterable[Change]) -> Plan:
    """The plan for a resource that exists and differs in these owned fields, or in none."""
    found = tuple(changes)
    action = Action.UPDATE if found else Action.UNCHANGED
    return Plan(kind=kind, name=name, action=action, changes=found)


def plan_conflict(kind: str, name: str, changes: Iterable[Change], remedy: str) -> Plan:
    """The plan for a resource that differs in what cannot be changed without loss."""
    return Plan(kind=kind, name=name, action=Action.CONFLICT, changes=tuple(changes), remedy=remedy)


def differences(*fields: tuple[str, str | None, str | None]) -> list[Change]:
    """The changes among (field, before, after) triples: those whose two values differ."""
    return [
        Change(field=field, before=before, after=after)
        for field, before, after in fields
        if before != after
    ]
