"""What would be done to a resource, as values: a plan is compared, printed and executed."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import partial
from typing import ClassVar, Generic, TypeVar

from ..counting import count_things
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
class Deletes:
    """What training data a plan has the next run delete: all days from the first before one.

    `ordinary` is what leaves the window as the nights go by, for which nobody has to agree.
    """

    rows: int
    days: int
    first: date
    before: date
    ordinary: bool = False

    def __str__(self) -> str:
        rows, days = count_things(self.rows, "row"), count_things(self.days, "day")
        return f"{rows} of {days} before {self.before}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done to one resource, and for a conflict the operator's ways out."""

    kind: str
    name: str
    action: Action
    changes: tuple[Change, ...] = ()
    remedy: str = ""
    deletes: Deletes | None = None

    @property
    def fields(self) -> set[str]:
        return {change.field for change in self.changes}

    @property
    def refusal(self) -> str:
        """Why nothing at all may be written, and the ways out; empty where nothing is in the way.

        One sentence with both values of each field.
        """
        if self.action is not Action.CONFLICT:
            return ""
        if self.deletes:
            return (
                f"{self.kind} {self.name} would have the next run delete {self.deletes}. "
                f"{self.remedy}"
            )
        found = "; ".join(
            f"{c.field} is {c.before or 'missing'}, not {c.after}" for c in self.changes
        )
        return f"{self.kind} {self.name} cannot be changed in place: {found}. {self.remedy}"


Observed = TypeVar("Observed")


class Resource(ABC, Generic[Observed]):
    """A desired resource: a frozen spec of what is wanted, compared with what is there.

    A kind of resource is a subclass that says what it wants, what stands in its way and what
    differs; all of these are pure. `create` and `update` only execute a plan and return what
    Google answered; both may meet another writer, which `engine` settles by observing again.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def name(self) -> str:
        """What an operator knows it by."""

    @abstractmethod
    def observe(self, clients: Clients) -> Observed | None:
        """What is there; None for what is absent."""

    @abstractmethod
    def wanted(self) -> dict[str, str]:
        """What will be set where it is absent, by field."""

    @abstractmethod
    def obstacles(self, observed: Observed) -> list[Change]:
        """What differs and cannot be changed without loss."""

    @abstractmethod
    def remedy(self, observed: Observed) -> str:
        """The operator's ways out where there are obstacles."""

    @abstractmethod
    def changes(self, observed: Observed) -> list[Change]:
        """The owned fields that differ."""

    def deletes(self, clients: Clients, observed: Observed | None) -> Deletes | None:
        """What training data would go that stays as things are."""
        return None

    def is_kept(self, clients: Clients, observed: Observed) -> bool:
        """Whether no more goes than every night, where no owned field differs."""
        return True

    def keep(self, deletes: Deletes) -> str:
        """The operator's ways out where data would go; empty where that is allowed."""
        return ""

    @abstractmethod
    def create(self, clients: Clients) -> Observed: ...

    @abstractmethod
    def update(self, clients: Clients, observed: Observed, plan: Plan) -> Observed: ...

    def plan(self, observed: Observed | None) -> Plan:
        """What is to be done about what was observed."""
        planned = partial(Plan, kind=self.kind, name=self.name)
        if observed is None:
            wanted = ((field, None, value) for field, value in self.wanted().items())
            return planned(action=Action.CREATE, changes=tuple(differences(*wanted)))
        if obstacles := tuple(self.obstacles(observed)):
            remedy = self.remedy(observed)
            return planned(action=Action.CONFLICT, changes=obstacles, remedy=remedy)
        changes = tuple(self.changes(observed))
        return planned(action=Action.UPDATE if changes else Action.UNCHANGED, changes=changes)


def refusals(plans: Iterable[Plan]) -> str:
    """A line for each plan that is refused; empty where all may be carried out."""
    return "\n".join(plan.refusal for plan in plans if plan.refusal)


def differences(*fields: tuple[str, str | None, str | None]) -> list[Change]:
    """The changes among (field, before, after) triples: those whose two values differ."""
    return [
        Change(field=field, before=before, after=after)
        for field, before, after in fields
        if before != after
    ]
