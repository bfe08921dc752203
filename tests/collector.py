"""A collector of spans: it takes OTLP over HTTP, as the real ones do, and keeps what it is told."""

import gzip
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_WITHIN_S = 20.0


@dataclass(frozen=True)
class Told:
    """One span; ids are hexadecimal, times nanoseconds since 1970."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    began_ns: int
    ended_ns: int
    failed: bool
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]


@dataclass
class Collector:
    """What was told so far."""

    url: str = ""
    spans: list[Told] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, body: bytes) -> None:
        """Take one request."""
        with self.changed:
            for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                resource = _values(of_resource.resource.attributes)
                self.spans += [_told(span, resource) for scope in of_resource.scope_spans for span in scope.spans]
            self.changed.notify_all()

    def wait(self, *names: str) -> list[Told]:
        """Return all spans once one of each name has come."""
        with self.changed:
            came = self.changed.wait_for(lambda: {one.name for one in self.spans} >= set(names), _WITHIN_S)
            assert came, f"{names} did not all come: {sorted({one.name for one in self.spans})}"
            return list(self.spans)

    def named(self, name: str) -> list[Told]:
        """Return those of one name."""
        return [one for one in self.spans if one.name == name]

    def children(self, parent: Told) -> list[Told]:
        """Return what is directly within another."""
        return [one for one in self.spans if one.parent_id == parent.span_id and one.trace_id == parent.trace_id]


def _told(span: Any, resource: Mapping[str, Any]) -> Told:
    return Told(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code == span.status.STATUS_CODE_ERROR,
        _values(span.attributes),
        resource,
    )


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on a free port of loopback."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            known = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            if known:
                collector.take(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
