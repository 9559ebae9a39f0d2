"""Whether BigQuery reaches PostgreSQL through the connection, found out by a query through it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from google.api_core.exceptions import BadRequest, NotFound

from ..conf import Config
from ..counting import count_things
from ..errors import ForecastingError, SourceDatabaseError
from ..google.causes import (
    cause_line,
    ends_session,
    is_credential_refused,
    is_login_refused,
    is_out_of_reach,
)
from ..google.clients import Clients
from ..google.queries import run_query
from ..google.replies import GOOGLE_ERRORS, UnreadableReplyError, readable, text_of
from ..google.waiting import rounds
from ..sql.queries import render_connection_probe

_SAID_OF_A_STATEMENT = re.compile(r"\bERROR: |prepare statement failed\. Error: \w+: ")
"""PostgreSQL's own word, or Google's before a word in the language of its `lc_messages`."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What came of the source query through the connection: Google's refusal, or nothing.

    `orphans` is how many mentions have lost their event, where that was asked for.
    """

    error: str
    orphans: int = 0


def probe_connection(
    config: Config, clients: Clients, days: tuple[date, date] | None = None
) -> Probe:
    """Try the source query through the connection, reading nothing; with `days` count orphans.

    A missing permission is another matter, and raised as Google's clients raise it.
    """
    try:
        answer = run_query(clients, render_connection_probe(config, days), bounded=False)
    except (BadRequest, NotFound) as error:
        return Probe(error=text_of(error))
    with readable():
        return Probe(error="", orphans=sum(row["orphans"] for row in answer.rows))


def learn_refusal(config: Config, clients: Clients) -> str | None:
    """The error of a probe, empty for none; None where it cannot be learned."""
    try:
        return probe_connection(config, clients).error
    except (*GOOGLE_ERRORS, UnreadableReplyError):
        return None


def raise_refusal_of_query(config: Config, refusal: str) -> None:
    """Raise SourceDatabaseError where PostgreSQL lets the role in and refuses it the source query.

    The nightly load would fail likewise. What keeps the role from logging in is FATAL to
    PostgreSQL, and left to the run, as a new grant or password may take minutes to act.
    """
    if _SAID_OF_A_STATEMENT.search(refusal) and not ends_session(refusal):
        raise SourceDatabaseError(
            "PostgreSQL refuses the source query to the role of connection "
            f"{config.connection_name}: {refusal}{cause_line(refusal)}"
        )


def raise_refusal_of_login(refusal: str, *, again: bool = False) -> None:
    """Raise SourceDatabaseError where PostgreSQL lets the role in for no waiting.

    `again`: the credential before this one was refused, too.
    """
    if not is_login_refused(refusal):
        return
    also = ", too" if again else ""
    raise SourceDatabaseError(
        f"PostgreSQL refuses the credential that Secret Manager holds{also}: {refusal}"
        f"{cause_line(refusal)}"
        if is_credential_refused(refusal)
        else f"PostgreSQL lets the connection in to nothing: {refusal}{cause_line(refusal)}"
    )


def told_of_refusal(refusal: str) -> str:
    """A refusal that somebody has to know of, though it ends nothing, in a sentence."""
    return f"The connection cannot be used: {refusal}{cause_line(refusal)}"


def prove_credential(config: Config, clients: Clients, *, again: bool, lets_in: bool) -> str:
    """What came of trying a credential that has just been sent, in a sentence.

    Raises SourceDatabaseError where PostgreSQL refuses the source query to its role and, where it
    has to be let in, where PostgreSQL does not, which no waiting cures. A rotated one need not: the
    password may be changed in PostgreSQL a moment later. `again`: the one before was refused, too.
    """
    refusal = learn_refusal(config, clients)
    raise_refusal_of_query(config, refusal or "")
    if lets_in and refusal:
        raise_refusal_of_login(refusal, again=again)
    if refusal is None:
        return "The connection's credential was sent, and could not be tried: a run tells."
    if not refusal:
        return "The connection's credential was sent, and PostgreSQL takes it."
    if is_out_of_reach(refusal):
        return "The connection's credential was sent, and not tried: the instance is out of reach."
    return told_of_refusal(refusal)


def wait_for_reach(
    config: Config, clients: Clients, seconds: float, note: Callable[[str], None]
) -> None:
    """Return once the instance is in reach: a grant takes minutes to act.

    Raises ForecastingError where it is not within `seconds`.
    """
    for number in rounds(seconds, clients.pace.run_pause):
        # What cannot be learned a run tells for good.
        if not is_out_of_reach(learn_refusal(config, clients) or ""):
            return
        if number == 1:
            note("Waiting until BigQuery reaches the instance: a new grant takes minutes to act.")
    raise ForecastingError(
        "No run was started: BigQuery has not reached the instance through the connection within "
        f"{count_things(seconds, 'second')}; give the grant above, wait a few minutes, and "
        "run this again."
    )
