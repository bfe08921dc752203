"""A receiver of subscriptions: a real HTTP server that notes what it is told, and can fail, or be gone, for a while."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.attacks.server import wait_until


@dataclass(frozen=True)
class Heard:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, from JSON."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """What was heard; status is what is answered, and location where a redirection leads."""

    port: int = 0
    status: int = 200
    location: str = ""
    heard: list[Heard] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/hook"

    def wait_for(self, method: str, path: str, within_s: float = 30) -> Heard:
        """Wait until something was heard; return it."""

        def found() -> list[Heard]:
            return [one for one in [*self.heard] if one.method == method and one.path == path]

        assert wait_until(lambda: bool(found()), within_s), [(one.method, one.path) for one in self.heard]
        return found()[-1]

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen, on the port of before if there was one."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def _hear(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.heard.append(Heard(self.command, self.path, headers, body))
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_PUT = do_DELETE = do_GET = _hear  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()
