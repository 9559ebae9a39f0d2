"""The verification as a whole."""

from dataclasses import dataclass
from typing import Any

from ..conf import Config
from ..counting import count_things
from ..errors import ApiError, ForecastingError, VerificationFailed
from ..google.clients import Clients
from ..google.replies import UnreadableReplyError, readable
from .baseline import Baseline
from .data_checks import check_data, check_orphans, check_runs
from .dimension_checks import check_dimensions
from .findings import Finding, FindingStatus, count_findings
from .reconciliation import check_source
from .resource_checks import (
    check_connection,
    check_dataset,
    check_schedule,
    check_table,
    check_views,
)
from .snapshot import Snapshot, take_snapshot
from .vertex_checks import check_vertex
from .volume_checks import check_volume

_CHECKS = (
    check_dataset,
    check_table,
    check_connection,
    check_schedule,
    check_runs,
    check_data,
    check_volume,
    check_dimensions,
    check_orphans,
    check_source,
    check_vertex,
    check_views,
)


_NOT_GOOD = ((FindingStatus.FAILED, "failed"), (FindingStatus.SKIPPED, "skipped"))


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The findings, in the order in which the pipeline is built; `strict`: a warning fails too."""

    config: Config
    snapshot: Snapshot
    findings: tuple[Finding, ...]
    strict: bool

    @property
    def ok(self) -> bool:
        bad = [FindingStatus.FAILED, FindingStatus.SKIPPED]
        if self.strict:
            bad.append(FindingStatus.WARNED)
        return not any(finding.status in bad for finding in self.findings)

    @property
    def failure(self) -> ForecastingError | None:
        """Why the command does not end with exit status 0; None where it does."""
        if self.snapshot.unseen:
            why = f"Could not look at everything: {self.snapshot.unseen[0].reason}"
            failed = count_findings(self.findings, FindingStatus.FAILED)
            return ForecastingError(f"{why.rstrip('.')}. {self._not_good}." if failed else why)
        if self.ok:
            return None
        return VerificationFailed(f"{self._not_good or 'A warning fails under --strict'}.")

    @property
    def _not_good(self) -> str:
        """The checks that failed and those that were skipped, by name."""
        named = [
            f"{count_things(len(ids), 'check')} {ended} ({', '.join(ids)})"
            for status, ended in _NOT_GOOD
            if (ids := [finding.id for finding in self.findings if finding.status is status])
        ]
        return ", ".join(named)

    def as_json(self) -> dict[str, Any]:
        """The document of `--format json`."""
        document: dict[str, Any] = {
            "command": "bq_verify",
            "project": self.config.project,
            "location": self.config.location,
            "table": self.config.table_id,
            "at": self.snapshot.now.isoformat(timespec="seconds"),
            "ok": self.ok,
            "checks": [finding.as_json() for finding in self.findings],
        }
        baseline = self.snapshot.baseline
        if self.snapshot.baseline_asked:
            found = baseline.as_json() if isinstance(baseline, Baseline) else None
            document["baseline"] = found
        return document


def verify(config: Config, clients: Clients, *, strict: bool, **options: bool) -> Verification:
    """Look at everything and check it; `options` are those of take_snapshot.

    Raises UnreachableError where nothing can be asked.
    """
    snapshot = take_snapshot(config, clients, **options)
    findings = check_snapshot(snapshot)
    return Verification(config=config, snapshot=snapshot, findings=findings, strict=strict)


def check_snapshot(snapshot: Snapshot) -> tuple[Finding, ...]:
    """The findings of all checks; those of what was not looked at are skipped.

    Raises ApiError where a reply that was read turns out not to be as documented.
    """
    try:
        # Some fields of a reply are read only when they are looked at.
        with readable():
            return tuple(finding for check in _CHECKS for finding in check(snapshot))
    except UnreadableReplyError as error:
        raise ApiError(f"Checking failed: {error}") from error
