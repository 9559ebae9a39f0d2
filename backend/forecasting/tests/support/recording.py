"""Records what Google's clients send over HTTP and what they get, without touching either."""

import gzip
import json
from typing import Any

import pytest
import requests

from backend.forecasting.tests.oracles.discovery import Exchange


def record_exchanges(monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    """A list that grows with each request of this process, whichever client sends it."""
    exchanges: list[Exchange] = []
    send = requests.Session.send

    def send_and_record(
        session: requests.Session, request: requests.PreparedRequest, **kwargs: Any
    ) -> requests.Response:
        response = send(session, request, **kwargs)
        exchanges.append(
            Exchange(
                method=str(request.method),
                url=str(request.url),
                body=_json(_plain(request)),
                status=response.status_code,
                reply=_json(response.content),
            )
        )
        return response

    monkeypatch.setattr(requests.Session, "send", send_and_record)
    return exchanges


def _plain(request: requests.PreparedRequest) -> bytes:
    body = request.body or b""
    content = body.encode() if isinstance(body, str) else bytes(body)
    zipped = request.headers.get("Content-Encoding") == "gzip"
    return gzip.decompress(content) if zipped else content


def _json(content: bytes) -> Any:
    return json.loads(content) if content.strip() else None
