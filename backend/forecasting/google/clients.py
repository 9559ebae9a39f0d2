"""The one place where Google's clients are made, with the timeouts and retries they all use."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.api_core.retry import Retry
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_JOB_RETRY

from ..conf import Config
from .causes import NO_PROJECT
from .login import log_in
from .logs import keep_messages_unlogged
from .replies import GOOGLE_ERRORS, UnreadableReplyError, named, readable
from .retrying import is_transient
from .waiting import BoundedAdapter, BoundedRetry, Deadline, GoogleClock, Pace, request_seconds

if TYPE_CHECKING:
    import grpc
    import requests
    from google.cloud.bigquery_connection_v1 import ConnectionServiceClient
    from google.cloud.bigquery_datatransfer_v1 import DataTransferServiceClient
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient

    Client = TypeVar(
        "Client", ConnectionServiceClient, DataTransferServiceClient, SecretManagerServiceClient
    )

T = TypeVar("T")


@dataclass(frozen=True)
class Clients:
    """The four services, each client imported and made when it is first used, and their patience.

    Every call is given `repeating`, or `once` where it must not be sent twice. Both are for a call
    that is made now: with a deadline started it ends before that.
    """

    project: str
    location: str
    credentials: Credentials
    endpoint: str = ""
    grpc_endpoint: str = field(default="", kw_only=True)
    pace: Pace = field(default=Pace(), kw_only=True)
    deadline: Deadline = field(default_factory=Deadline, compare=False, kw_only=True)
    clock: GoogleClock = field(default_factory=GoogleClock, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        keep_messages_unlogged()

    @property
    def repeating(self) -> dict[str, Any]:
        """For what may be sent twice without harm: reads, and writes to a name that we chose.

        Raises GivenUpError when the deadline is over.
        """
        return {"retry": self.retry, "timeout": self.timeout}

    @property
    def once(self) -> dict[str, Any]:
        """For what is looked for before it is sent again. Raises as `repeating` does."""
        return {"retry": None, "timeout": self.timeout}

    def querying(self, seconds: float) -> dict[str, Any]:
        """For a query that is waited for this long, with time left to cancel it.

        Its job is asked about as often as it takes. A job that failed by no fault of its own is
        begun again, which by default takes 40 minutes. Raises as `repeating` does.
        """
        timeout = self.timeout
        wait = min(seconds, self.deadline.left - 2 * timeout)
        until = self.deadline.within(wait + 2 * timeout)
        begun_again = DEFAULT_JOB_RETRY.with_timeout(self.pace.retries)
        return {
            "retry": BoundedRetry(is_transient, self.pace, until, math.inf),
            "job_retry": begun_again.with_delay(self.pace.first_pause, self.pace.longest_pause),
            "api_timeout": timeout,
            "wait_timeout": wait,
        }

    @property
    def timeout(self) -> float:
        return request_seconds(self.pace, self.deadline)

    @property
    def retry(self) -> Retry:
        return BoundedRetry(is_transient, self.pace, self.deadline, self.pace.most_requests)

    def attempts(self, count: int) -> Iterator[int]:
        """The numbers from 1 to `count`, with a pause before each but the first."""
        pauses = self.pace.pauses()
        yield 1
        for number in range(2, count + 1):
            time.sleep(min(next(pauses), self.deadline.left))
            yield number

    def surely(self, read: Callable[[], T]) -> T:
        """What `read` answers, asked once more where it says that nothing is there.

        A single 404, or an empty list, may be a slip or a race. Raises the second NotFound. An
        empty message, or what cannot be read, says nothing at all: raises UnreadableReplyError for
        two of them.
        """
        nothing: T | None = None
        with suppress(exceptions.NotFound):
            nothing = self._told(read)
            if nothing not in ((), []):
                return nothing
        self._pause()
        try:
            return self._told(read)
        except exceptions.NotFound:
            if nothing is None:
                raise
            return nothing

    def _told(self, read: Callable[[], T]) -> T:
        with suppress(UnreadableReplyError), readable():
            return named(read())
        self._pause()
        with readable():
            return named(read())

    def _pause(self) -> None:
        time.sleep(min(next(self.pace.pauses()), self.deadline.left))

    def find(self, read: Callable[[], T]) -> T | None:
        """What `read` answers; None for what surely is not there.

        Raises NotFound where the project is not: it is no empty one.
        """
        try:
            return self.surely(read)
        except exceptions.NotFound as error:
            if NO_PROJECT in str(error):
                raise
            return None

    @cached_property
    def bigquery(self) -> bigquery.Client:
        client = bigquery.Client(
            project=self.project,
            location=self.location,
            credentials=self.credentials,
            client_options=self._options,
        )
        self._pass_proxies(client._http)
        if not client._http.is_mtls:  # That has an adapter of its own.
            for scheme in ("https://", "http://"):
                client._http.mount(scheme, BoundedAdapter(self.pace, self.deadline, self.clock))
        return client

    @cached_property
    def connections(self) -> ConnectionServiceClient:
        from google.cloud.bigquery_connection_v1 import ConnectionServiceClient

        return self._gapic(ConnectionServiceClient)

    @cached_property
    def transfers(self) -> DataTransferServiceClient:
        from google.cloud.bigquery_datatransfer_v1 import DataTransferServiceClient

        return self._gapic(DataTransferServiceClient)

    @cached_property
    def secrets(self) -> SecretManagerServiceClient:
        from google.cloud.secretmanager_v1 import SecretManagerServiceClient

        return self._gapic(SecretManagerServiceClient)

    @cached_property
    def project_number(self) -> str:
        """The project's number, empty where BigQuery does not tell it.

        Asked for only to compare it with the project that an error names.
        """
        try:
            with readable():
                account = self.bigquery.get_service_account_email(**self.repeating)
                found = re.match(r"bq-(\d+)@", account or "")
        except (*GOOGLE_ERRORS, UnreadableReplyError):
            return ""
        return found.group(1) if found else ""

    def now(self) -> datetime:
        """The time, of which BigQuery is asked where no answer has told it: gRPC tells none."""
        if not self.clock.told:
            _ = self.project_number
        return self.clock.now()

    @property
    def service_account_email(self) -> str:
        """The service account that the credentials are; empty for a person and for others."""
        email = getattr(self.credentials, "service_account_email", None) or ""
        # On Compute Engine the attribute is the word "default" until the first refresh.
        return email if "@" in email else ""

    @property
    def account(self) -> str:
        """The e-mail address that the credentials are; empty where they do not say."""
        return self.service_account_email or getattr(self.credentials, "account", None) or ""

    @property
    def member(self) -> str:
        """Who the credentials are, as IAM writes it; a placeholder where they do not say."""
        email = self.service_account_email
        return f"serviceAccount:{email}" if email else f"user:{self.account or 'YOUR_ACCOUNT'}"

    @property
    def _options(self) -> ClientOptions | None:
        return ClientOptions(api_endpoint=self.endpoint) if self.endpoint else None

    def _gapic(self, kind: type[Client]) -> Client:
        """A client of a service that has gRPC, which is its client's default."""
        # Its loggers have come with it.
        keep_messages_unlogged()
        if self.grpc_endpoint:
            return kind(transport=kind.get_transport_class("grpc")(channel=self._channel))
        if self.endpoint:
            client = kind(
                credentials=self.credentials, transport="rest", client_options=self._options
            )
            self._pass_proxies(cast(Any, client.transport)._session)
            return client
        return kind(credentials=self.credentials)

    def _pass_proxies(self, session: requests.Session) -> None:
        """Let no proxy of this machine's environment see what goes to the machine itself."""
        session.trust_env = not self.endpoint

    @cached_property
    def _channel(self) -> grpc.Channel:
        """To the stand-in: as the clients' own, but unencrypted, and past any proxy."""
        import grpc

        unlimited = [(f"grpc.max_{way}_message_length", -1) for way in ("send", "receive")]
        options = [*unlimited, ("grpc.enable_http_proxy", 0)]
        return grpc.insecure_channel(self.grpc_endpoint, options=options)


def make_clients(config: Config) -> Clients:
    """Clients with Application Default Credentials, or anonymous ones for a local endpoint.

    Those have got a token by then. Raises UnreachableError as `log_in` does.
    """
    return Clients(
        config.project,
        config.location,
        AnonymousCredentials() if config.api_endpoint else log_in(),
        config.api_endpoint,
        grpc_endpoint=config.grpc_endpoint,
    )
