"""Whether a person may have scheduled queries at all, asked before anything is made."""

from dataclasses import replace

import pytest
from google.cloud.bigquery_datatransfer_v1.types import CheckValidCredsResponse

from backend.forecasting.conf import Config
from backend.forecasting.errors import ApiError, MissingPrerequisiteError
from backend.forecasting.google.causes import CONSENT
from backend.forecasting.google.waiting import TIMEOUT
from backend.forecasting.provisioning.consent import require_consent
from backend.forecasting.tests.support.factories import SERVICE_ACCOUNT, Google, google_error

YES, NO = CheckValidCredsResponse(has_valid_creds=True), CheckValidCredsResponse()


@pytest.mark.parametrize("answers", [[YES], [NO, YES]])
def test_consent__that_is_given_is_enough(
    google: Google, config: Config, answers: list[object]
) -> None:
    google.transfers.check_valid_creds.side_effect = answers
    require_consent(config, google)
    calls = google.transfers.check_valid_creds.call_args_list
    assert len(calls) == len(answers)
    for call in calls:
        assert call.args[0].name == f"{config.parent}/dataSources/scheduled_query"
        assert call.kwargs["timeout"] == TIMEOUT


def test_consent__that_is_missing_is_told_before_anything_is_made(
    google: Google, config: Config
) -> None:
    google.transfers.check_valid_creds.side_effect = [NO, NO]
    with pytest.raises(MissingPrerequisiteError) as raised:
        require_consent(config, google)
    assert str(raised.value) == f"Nothing was changed: {CONSENT}."


def test_consent__that_cannot_be_asked_for_says_so(google: Google, config: Config) -> None:
    google.transfers.check_valid_creds.side_effect = google_error(403, "no")
    with pytest.raises(ApiError) as raised:
        require_consent(config, google)
    assert str(raised.value) == (
        "Asking whether a scheduled query may be made was refused: no (HTTP 403)."
    )


def test_consent__is_not_asked_for_where_a_service_account_runs_it(
    google: Google, config: Config
) -> None:
    require_consent(replace(config, service_account=SERVICE_ACCOUNT), google)
    assert not google.transfers.check_valid_creds.called
