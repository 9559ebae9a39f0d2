"""Plans as text that reads like a diff."""

import difflib
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from django.core.management.color import Style

from ..outcome import Mode, count
from ..provisioning.plan import Action, Change, Plan

_MARKS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.UNCHANGED: "=",
    Action.CONFLICT: "!",
}


def describe_plans(plans: Sequence[Plan], mode: Mode, style: Style) -> list[str]:
    """The lines of the plan, the last of them its summary."""
    styles: dict[Action, Callable[[str], str]] = {
        Action.CREATE: style.SUCCESS,
        Action.UPDATE: style.WARNING,
        Action.UNCHANGED: str,
        Action.CONFLICT: style.ERROR,
    }
    lines = []
    for plan in plans:
        lines.append(styles[plan.action](f"{_MARKS[plan.action]} {plan.kind} {plan.name}"))
        lines += [f"    {line}" for change in plan.changes for line in _describe(change)]
    return [*lines, _summary(plans, mode)]


def describe_applied(plans: Sequence[Plan]) -> str:
    """One line on what was written."""
    return (
        f"Done: {count(plans, Action.CREATE)} created, {count(plans, Action.UPDATE)} updated, "
        f"{count(plans, Action.UNCHANGED)} left as they were."
    )


def _describe(change: Change) -> Iterable[str]:
    before, after = change.before, change.after
    if "\n" in f"{before}{after}":
        yield from _describe_text(change.field, before or "", after or "")
    elif before is None:
        yield f"{change.field}: {after}"
    else:
        yield f"{change.field}: {before} -> {'none' if after is None else after}"


def _describe_text(field: str, before: str, after: str) -> Iterable[str]:
    """A text of many lines: how long it is, or the lines that differ."""
    if not before:
        yield f"{field}: {len(after.splitlines())} lines (--print-sql shows them)"
        return
    yield f"{field}:"
    changed = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    # The first two lines name files; a removed SQL comment begins with "---" as well.
    yield from (f"  {line}" for line in islice(changed, 2, None) if not line.startswith("@@"))


def _summary(plans: Sequence[Plan], mode: Mode) -> str:
    numbers = {
        "to create": count(plans, Action.CREATE),
        "to update": count(plans, Action.UPDATE),
        "unchanged": count(plans, Action.UNCHANGED),
        "in conflict": count(plans, Action.CONFLICT),
    }
    said = ", ".join(f"{number} {words}" for words, number in numbers.items() if number)
    return f"Plan: {said}." + ("" if mode is Mode.APPLY else " Nothing was changed.")
