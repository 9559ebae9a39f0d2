"""What a check found, as a value: printed, compared in tests, and found by its id."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from ..counting import count_things
from ..provisioning.plan import Change


class FindingStatus(StrEnum):
    PASSED = "pass"
    WARNED = "warn"
    FAILED = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """The result of one check; `expected` and `observed` are what it compared, as text."""

    id: str
    status: FindingStatus
    message: str
    hint: str = ""
    expected: str | None = None
    observed: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "status": str(self.status), "hint": self.hint or None}


def passed(check: str, message: str, observed: str | None = None) -> Finding:
    return Finding(check, FindingStatus.PASSED, message, "", observed, observed)


def compared(check: str, what: str, expected: str, observed: str | None, hint: str) -> Finding:
    """A pass where both are equal, else a failure that shows both."""
    if observed == expected:
        return passed(check, f"{what}: {expected}", expected)
    return failed(check, f"{what}: {observed or 'none'}, not {expected}", hint, expected, observed)


def failed(
    check: str, message: str, hint: str, expected: str | None = None, observed: str | None = None
) -> Finding:
    return Finding(check, FindingStatus.FAILED, message, hint, expected, observed)


def warned(
    check: str, message: str, hint: str, expected: str | None = None, observed: str | None = None
) -> Finding:
    return Finding(check, FindingStatus.WARNED, message, hint, expected, observed)


def differing(check: str, message: str, hint: str, changes: Iterable[Change]) -> Finding:
    """A failure that shows both values of each field that differs."""
    changes = tuple(changes)
    expected = "; ".join(f"{c.field} {c.after or 'none'}" for c in changes)
    observed = "; ".join(f"{c.field} {c.before or 'none'}" for c in changes)
    return failed(check, message, hint, expected, observed)


def no_rows(check: str, number: int | None, fine: str, what: str, hint: str) -> Finding:
    """A pass where no row is like that, else a failure that says how many are, and `what`."""
    if not number:
        return passed(check, fine, "0")
    return failed(check, f"{count_things(number, 'row')} {what}", hint, "0", str(number))


def collapse_skipped(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, of several that are skipped for one reason one, which names them in its hint.

    It stands where the first of them stood.
    """
    lines: dict[object, list[Finding]] = {}
    for number, finding in enumerate(findings):
        is_skipped = finding.status is FindingStatus.SKIPPED
        reason = (finding.message, finding.hint) if is_skipped else number
        lines.setdefault(reason, []).append(finding)
    return [_collapse(alike) if len(alike) > 1 else alike[0] for alike in lines.values()]


def _collapse(alike: list[Finding]) -> Finding:
    first, ids = alike[0], ", ".join(finding.id for finding in alike)
    hint = f"{first.hint} ({ids})" if first.hint else ids
    return replace(first, id=count_things(len(alike), "check"), hint=hint)


def skipped(check: str, why: str, hint: str = "") -> Finding:
    return Finding(check, FindingStatus.SKIPPED, why, hint)


def count_findings(findings: Iterable[Finding], status: FindingStatus) -> int:
    return sum(finding.status is status for finding in findings)
