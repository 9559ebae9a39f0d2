"""Whether BigQuery reaches PostgreSQL through the connection, found out by a query through it."""

from collections.abc import Callable

from google.api_core.exceptions import BadRequest, NotFound

from ..conf import Config
from ..errors import ForecastingError
from ..google.causes import is_out_of_reach
from ..google.clients import Clients
from ..google.queries import run_query
from ..google.replies import GOOGLE_ERRORS, UnreadableReplyError, text_of
from ..google.waiting import rounds
from ..sql.queries import render_connection_probe


def probe_connection(config: Config, clients: Clients) -> str:
    """What Google says of the connection itself; empty where it can be used.

    A missing permission is another matter, and raised as Google's clients raise it.
    """
    try:
        run_query(clients, render_connection_probe(config), bounded=False)
    except (BadRequest, NotFound) as error:
        return text_of(error)
    return ""


def reaches_nothing(config: Config, clients: Clients) -> bool:
    """Whether the instance is out of the connection's reach; False where that cannot be learned."""
    try:
        return is_out_of_reach(probe_connection(config, clients))
    except (*GOOGLE_ERRORS, UnreadableReplyError):
        return False


def wait_for_reach(
    config: Config, clients: Clients, seconds: float, note: Callable[[str], None]
) -> None:
    """Return once the instance is in reach: a grant takes minutes to act.

    Raises ForecastingError where it is not within `seconds`.
    """
    for number in rounds(seconds, clients.pace.run_pause):
        if not reaches_nothing(config, clients):
            return
        if number == 1:
            note("Waiting until BigQuery reaches the instance: a new grant takes minutes to act.")
    raise ForecastingError(
        "No run was started: BigQuery has not reached the instance through the connection within "
        f"{seconds:g} seconds; give the grant above, wait a few minutes, and run this again."
    )
