"""The management API, asked by tests."""

import json
from contextlib import closing
from http.client import HTTPConnection
from typing import Any


class Asking:
    """Asks one server."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str) -> Any:
        """Return what stands at an address."""
        status, found = self.ask("GET", path)
        assert status == 200, found
        return found

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        """Ask; return the status, and what was answered."""
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=10)) as connection:
            connection.request(method, f"/api/v1{path}", headers={"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")

    def page(self, path: str) -> str:
        """Return a page."""
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=10)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200
            return response.read().decode()
