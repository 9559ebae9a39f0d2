"""A token server on this machine, and credentials of google-auth that ask it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from google.oauth2.credentials import Credentials

from backend.forecasting.google.login import SCOPE

REVOKED = 400, {"error": "invalid_grant", "error_description": "Token has been revoked."}
TOKEN: dict[str, Any] = {"access_token": "ya29.a", "expires_in": 3600, "scope": SCOPE}


@dataclass
class TokenServer:
    """What it answers, status and body; None: nothing, until it is stopped."""

    answer: tuple[int, dict[str, Any] | str] | None = (200, TOKEN)
    asked: int = 0
    stopped: Event = field(default_factory=Event)
    uri: str = ""

    def credentials(self, account: str = "") -> Credentials:
        """A person's login, without a token yet."""
        return Credentials(
            None,
            refresh_token="refresh",
            token_uri=self.uri,
            client_id="client",
            client_secret="secret",
            scopes=[SCOPE],
            account=account,
        )


@contextmanager
def token_server() -> Iterator[TokenServer]:
    tokens = TokenServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            tokens.asked += 1
            self.rfile.read(int(self.headers["Content-Length"]))
            if tokens.answer is None:
                tokens.stopped.wait(30)
                return
            status, body = tokens.answer
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tokens.uri = f"http://127.0.0.1:{server.server_address[1]}/token"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield tokens
    finally:
        tokens.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
