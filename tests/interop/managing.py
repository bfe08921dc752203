"""The management API as a program uses it, over HTTP."""

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from tests.attacks.server import wait_until

_WITHIN_S = 60.0


@dataclass(frozen=True)
class Answered:
    """Status, and JSON that came back, None where nothing did."""

    status: int
    json: Any
    location: str


class Api:
    """Talks JSON to the server at an address."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc

    def ask(self, method: str, path: str, body: object = None) -> Answered:
        """Send one request below /api/v1."""
        connection = HTTPConnection(self._address, timeout=_WITHIN_S)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v1{path}", data, {"Content-Type": "application/json"} if data else {})
            answer = connection.getresponse()
            content = answer.read()
            found = json.loads(content) if content else None
            return Answered(answer.status, found, answer.getheader("Location") or "")
        finally:
            connection.close()

    def task(self, method: str, path: str, body: object) -> Any:
        """Begin a task, wait for its end, and return it."""
        begun = self.ask(method, path, body)
        assert begun.status == 202, begun
        path = begun.location.removeprefix("/api/v1")
        assert wait_until(lambda: bool(self.ask("GET", path).json["ended"]), _WITHIN_S)
        return self.ask("GET", path).json

    def add(self, ae_title: str, port: int, host: str = "127.0.0.1") -> None:
        """Add a node."""
        answer = self.ask("POST", "/nodes", {"ae_title": ae_title, "host": host, "port": port})
        assert answer.status == 201, answer

    def studies(self) -> list[str]:
        """Return the UIDs of the studies that are kept."""
        connection = HTTPConnection(self._address, timeout=_WITHIN_S)
        try:
            connection.request("GET", "/dicom-web/studies", headers={"Accept": "application/dicom+json"})
            return [found["0020000D"]["Value"][0] for found in json.loads(connection.getresponse().read() or b"[]")]
        finally:
            connection.close()
