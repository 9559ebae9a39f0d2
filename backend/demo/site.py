"""Django's admin on a free port of this machine, with a login that lives as long as the demo."""

import os
import re
import secrets
import select
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from backend.localcloud.postgres.keeper import start_kept

USER = "demo"
_SERVES = re.compile(r"at (http://127\.0\.0\.1:[1-9]\d*/)")
_START_SECONDS = 60
_PLAIN = {
    "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
    "DJANGO_DEBUG": "false",
    # Loopback has no TLS, and what a developer has set for a proxy or a cache is not for here.
    "DJANGO_HTTPS": "false",
    "DJANGO_SSL_REDIRECT": "",
    "DJANGO_HSTS_SECONDS": "",
    "DJANGO_SECURE_PROXY_SSL_HEADER": "",
    "CACHE_URL": "",
    "PYTHONUNBUFFERED": "1",
}


class SiteError(Exception):
    """The site did not start; the message has what it wrote."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where the admin answers, and who may come in."""

    url: str
    user: str
    password: str


def new_login() -> dict[str, str]:
    """The environment in which `createsuperuser --no-input` makes the demo's login."""
    return {
        "DJANGO_SUPERUSER_USERNAME": USER,
        "DJANGO_SUPERUSER_PASSWORD": secrets.token_urlsafe(9),
        "DJANGO_SUPERUSER_EMAIL": "demo@localhost",
    }


@contextmanager
def running_site(
    manage: Sequence[str], environment: Mapping[str, str], login: Mapping[str, str]
) -> Iterator[Site]:
    """Yields the site while it is served, on loopback only. Raises SiteError.

    `manage` is how manage.py is run. Static files come from `--insecure`, as DEBUG stays off.
    """
    server = start_kept(
        [*manage, "runserver", "127.0.0.1:0", "--noreload", "--insecure"],
        environment={**environment, **_PLAIN},
    )
    try:
        url = _await_url(server.keeper.stdout)
        if not url:
            raise SiteError(f"the admin's site did not start: {server.log.strip()}")
        yield Site(
            url=f"{url}admin/forecasting/pipeline/",
            user=login["DJANGO_SUPERUSER_USERNAME"],
            password=login["DJANGO_SUPERUSER_PASSWORD"],
        )
    finally:
        server.stop()


def _await_url(output: IO[str] | None) -> str:
    """The address that the server says it serves at; empty where it says none in time."""
    text, deadline = "", time.monotonic() + _START_SECONDS
    while output and select.select([output], [], [], max(deadline - time.monotonic(), 0))[0]:
        # Not `readline`: it would hold back lines that `select` no longer sees.
        part = os.read(output.fileno(), 4096).decode()
        text += part
        found = _SERVES.search(text)
        if found or not part:
            return found.group(1) if found else ""
    return ""
