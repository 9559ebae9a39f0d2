"""Whether a person may have scheduled queries at all: Google asks for a consent first."""

from google.cloud.bigquery_datatransfer_v1.types import CheckValidCredsRequest

from ..conf import Config
from ..errors import MissingPrerequisiteError
from ..google.causes import CONSENT
from ..google.clients import Clients
from ..google.errors import reading
from .transfer_configs import DATA_SOURCE


def require_consent(config: Config, clients: Clients) -> None:
    """Raise MissingPrerequisiteError where a scheduled query would be refused for want of consent.

    Google says so only when it is created, and by then the connection is made. The consent is per
    data source and location; with a service account none is needed.
    """
    if config.service_account:
        return
    request = CheckValidCredsRequest(name=f"{config.parent}/dataSources/{DATA_SOURCE}")
    with reading("Asking whether a scheduled query may be made", clients):
        for _ in clients.attempts(2):  # An empty reply says no, too.
            reply = clients.surely(
                lambda: clients.transfers.check_valid_creds(request, **clients.repeating)
            )
            if reply.has_valid_creds:
                return
    raise MissingPrerequisiteError(f"Nothing was changed: {CONSENT}.")
