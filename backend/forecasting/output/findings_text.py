"""Findings as a table of text."""

from collections.abc import Callable, Sequence

from django.core.management.color import Style

from ..verification.findings import Finding, FindingStatus, count_findings


def describe_findings(findings: Sequence[Finding], style: Style) -> list[str]:
    """One line for each finding, what to do under those that are not fine, and a summary."""
    styles: dict[FindingStatus, Callable[[str], str]] = {
        FindingStatus.PASSED: style.SUCCESS,
        FindingStatus.WARNED: style.WARNING,
        FindingStatus.FAILED: style.ERROR,
        FindingStatus.SKIPPED: style.NOTICE,
    }
    width = max((len(finding.id) for finding in findings), default=0)
    lines = []
    for finding in findings:
        mark = styles[finding.status](_MARKS[finding.status])
        lines.append(f"{mark}  {finding.id:<{width}}  {' '.join(finding.message.split())}")
        if finding.hint and finding.status is not FindingStatus.PASSED:
            lines.append(f"{'':<{width + 8}}{finding.hint}")
    return [*lines, summarize_findings(findings)]


_MARKS = {
    FindingStatus.PASSED: "pass",
    FindingStatus.WARNED: "WARN",
    FindingStatus.FAILED: "FAIL",
    FindingStatus.SKIPPED: "skip",
}


def summarize_findings(findings: Sequence[Finding]) -> str:
    """How many checks there were, and how many of them ended how."""
    words = {
        FindingStatus.PASSED: "passed",
        FindingStatus.WARNED: "warned",
        FindingStatus.FAILED: "failed",
        FindingStatus.SKIPPED: "skipped",
    }
    numbers = [(count_findings(findings, status), word) for status, word in words.items()]
    said = ", ".join(f"{number} {word}" for number, word in numbers if number)
    return f"{len(findings)} checks: {said}."
