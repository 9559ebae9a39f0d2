"""The nightly load as a check of django-health-check (version 4), which is optional.

List it in a view of yours, or use the one at /health/, which is there where the package is:

    HealthCheckView.as_view(checks=["backend.forecasting.monitoring.health.NightlyLoad"])

It fails when the last run failed or is too old, or when a resource is gone or differs. It runs no
query, so it costs nothing, and asks Google at most once in CACHE_SECONDS, however many probes come
at once: the others wait for what the first one finds. It tells about data, not about whether this
process can serve: no liveness probe.
"""

import dataclasses
from datetime import timedelta

from health_check.base import HealthCheck
from health_check.exceptions import ServiceReturnedUnexpectedResult, ServiceUnavailable

from ..conf import load_config
from ..google.clients import make_clients
from ..verification.findings import FindingStatus
from ..verification.snapshot import look_at_resources
from ..verification.verify import check_snapshot
from .remembered import Patience, Remembered

CACHE_KEY = "forecasting.health.2"
CACHE_SECONDS = 300
_SECONDS = 60.0


@dataclasses.dataclass
class NightlyLoad(HealthCheck):  # type: ignore[misc]
    """Whether the training table was loaded last night, and will be again."""

    timeout: timedelta = dataclasses.field(default=timedelta(seconds=_SECONDS), repr=False)

    # Not a coroutine: the view runs it in a thread, as Google's clients block.
    def run(self) -> None:
        seconds = self.timeout.total_seconds() - 1
        seen = _HEALTH.see(Patience(recent=seconds, recent_seconds=0, without=seconds))
        could_look, problems = seen.value or (False, [])
        if problems and not seen.problem:
            advice = f"{', '.join(problems)}: see manage.py bq_verify"
            raise ServiceReturnedUnexpectedResult(advice)
        if not could_look or seen.problem or seen.looking:
            raise ServiceUnavailable("Google Cloud could not be asked: see manage.py bq_verify")


def _look() -> tuple[bool, list[str]]:
    """Whether everything could be looked at, and the ids of the checks that fail.

    Only ids: what a health page shows is often open to everybody.
    """
    config = load_config()
    snapshot = look_at_resources(config, make_clients(config))
    findings = check_snapshot(snapshot)
    failures = [f.id for f in findings if f.status is FindingStatus.FAILED]
    return not snapshot.unseen, failures


_HEALTH: Remembered[tuple[bool, list[str]]] = Remembered(
    key=CACHE_KEY, look=_look, fresh_seconds=CACHE_SECONDS
)
