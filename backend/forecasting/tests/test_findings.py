"""What a comparison of two texts says."""

import pytest

from backend.forecasting.verification.findings import Finding, FindingStatus, compared


@pytest.mark.parametrize(
    ("observed", "said"),
    [("weekly", "schedule: weekly"), ("", "schedule: none"), (None, "schedule: none")],
)
def test_comparison__shows_both_or_that_there_is_none(observed: str | None, said: str) -> None:
    assert compared("a.b", "schedule", "daily", observed, "Set it.") == Finding(
        "a.b", FindingStatus.FAILED, f"{said}, not daily", "Set it.", "daily", observed
    )


def test_comparison__of_equals_passes() -> None:
    assert compared("a.b", "schedule", "daily", "daily", "Set it.") == Finding(
        "a.b", FindingStatus.PASSED, "schedule: daily", "", "daily", "daily"
    )
