"""A proxy before a real object store that can be told to fail in the ways that networks and stores do."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Literal

Fault = Literal["none", "500", "507", "hang", "lost answer", "slow", "cut"]
"""500, 507: that is the answer. hang: there is none. lost answer: it is done, and nobody hears. cut: connections end.

slow: the answer begins at once, and the rest of it takes longer than anybody waits.
"""

_WITHIN_S: Final = 30.0
_GOOGLE_CREATE: Final = "x-goog-if-generation-match"
_PASSED_OVER: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


class FaultyProxy:
    """Passes requests on to a port of the loopback; `fault` is what happens to those of the given methods."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.fault: Fault = "none"
        self.methods = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})
        self.requests: list[tuple[str, str]] = []
        self.healed = threading.Event()
        self.is_google = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail(self, fault: Fault, *methods: str) -> None:
        """Begin to fail, for all methods or some."""
        self.healed.clear()
        self.methods = frozenset(methods or {"GET", "HEAD", "PUT", "POST", "DELETE"})
        self.fault = fault

    def heal(self) -> None:
        """Pass everything on again; who hangs is let go."""
        self.fault = "none"
        self.healed.set()

    def count(self, method: str) -> int:
        """Return how many requests of a method came."""
        return sum(one == method for one, _ in self.requests)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self.heal()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def faulty(upstream: int, *, google: bool = False) -> Iterator[FaultyProxy]:
    """Run a proxy before a port; google: what comes speaks the dialect of Google, and the store that of Amazon."""
    proxy = FaultyProxy(upstream)
    proxy.is_google = google
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.close()


def _handler(proxy: FaultyProxy) -> type["_Handler"]:
    return type("Handler", (_Handler,), {"proxy": proxy})


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"
    timeout = _WITHIN_S

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do(self) -> None:
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.proxy.requests.append((self.command, self.path))
        fault = self.proxy.fault if self.command in self.proxy.methods else "none"
        if fault in {"hang", "cut"}:
            self._end(after_healing=fault == "hang")
        elif fault in {"500", "507"}:
            self._answer(int(fault), [("Content-Type", "application/xml")], b"<Error><Code>Failed</Code></Error>")
        else:
            status, headers, data = self._passed_on(body)
            if fault == "lost answer":
                self._end(after_healing=True)
            else:
                self._answer(status, headers, data, slow=fault == "slow")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do  # noqa: N815 - the library's names

    def _end(self, *, after_healing: bool) -> None:
        """End the connection without a word."""
        if after_healing:
            self.proxy.healed.wait(_WITHIN_S)
        self.close_connection = True

    def _passed_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.upstream, timeout=_WITHIN_S)
        try:
            connection.request(self.command, self.path, body, self._headers())
            answer = connection.getresponse()
            headers = [one for one in answer.getheaders() if one[0].lower() not in _PASSED_OVER]
            size = answer.getheader("Content-Length") if self.command == "HEAD" else None
            length = [] if size is None else [("Content-Length", size)]
            return answer.status, [*headers, *length], answer.read()
        finally:
            connection.close()

    def _headers(self) -> dict[str, str]:
        found = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        if self.proxy.is_google:
            found = {name: value for name, value in found.items() if name.lower() != "authorization"}
            if any(name.lower() == _GOOGLE_CREATE for name in found):
                found["If-None-Match"] = "*"
        return found

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes, *, slow: bool = False) -> None:
        with suppress(OSError):
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(data)))
            if slow and not data:
                self.proxy.healed.wait(_WITHIN_S)
            self.end_headers()
            if slow and data:
                self.wfile.write(data[:1])
                self.proxy.healed.wait(_WITHIN_S)
            if self.command != "HEAD":
                self.wfile.write(data[1:] if slow else data)
