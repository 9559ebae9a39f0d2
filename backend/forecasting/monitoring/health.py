"""The nightly load as a check of django-health-check (version 4), which is optional.

List it in a view of yours, or use the one at /health/, which is there where the package is:

    HealthCheckView.as_view(checks=["backend.forecasting.monitoring.health.NightlyLoad"])

It fails when the last run failed or is too old, or when a resource is gone or differs. It runs no
query, so it costs nothing, and asks Google at most once in CACHE_SECONDS: probes come every few
seconds. It tells about data, not about whether this process can serve: no liveness probe.
"""

import dataclasses
from datetime import UTC, datetime, timedelta

from django.core.cache import cache
from health_check.base import HealthCheck
from health_check.exceptions import ServiceReturnedUnexpectedResult, ServiceUnavailable

from ..conf import load_config
from ..errors import ForecastingError
from ..google.clients import make_clients
from ..verification.findings import FindingStatus
from ..verification.snapshot import look_at_resources
from ..verification.verify import check_snapshot

CACHE_KEY = "forecasting.health"
CACHE_SECONDS = 300


@dataclasses.dataclass
class NightlyLoad(HealthCheck):  # type: ignore[misc]
    """Whether the training table was loaded last night, and will be again."""

    timeout: timedelta = dataclasses.field(default=timedelta(seconds=60), repr=False)

    # Not a coroutine: the view runs it in a thread, as Google's clients block.
    def run(self) -> None:
        could_look, problems = cache.get(CACHE_KEY) or _look()
        if problems:
            advice = f"{', '.join(problems)}: see manage.py bq_verify"
            raise ServiceReturnedUnexpectedResult(advice)
        if not could_look:
            raise ServiceUnavailable("Google Cloud could not be asked: see manage.py bq_verify")


def _look() -> tuple[bool, list[str]]:
    """Whether everything could be looked at, and the ids of the checks that fail; remembered.

    Only ids: what a health page shows is often open to everybody.
    """
    try:
        config = load_config()
        snapshot = look_at_resources(config, make_clients(config), datetime.now(UTC))
    except ForecastingError:
        seen: tuple[bool, list[str]] = (False, [])
    else:
        findings = check_snapshot(snapshot)
        failures = [f.id for f in findings if f.status is FindingStatus.FAILED]
        seen = (not snapshot.unseen, failures)
    cache.set(CACHE_KEY, seen, CACHE_SECONDS)
    return seen
