"""Tracing with OpenTelemetry: spans are sampled, and told to a collector over OTLP (HTTP, protobuf).

It is imported only where `tracing.exporter` asks for it: the interface alone takes 40 ms to import, and a span that is
not sampled 7 us. Where nobody traces, `spans` costs nothing of that.
"""

import os
import threading
import time
from itertools import count
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation import tracecontext

from archimage import __version__
from archimage.observe.text import escape
from archimage.spans import NONE, WAITING, WITHIN, Attributes, Kind, Span, Tracer

FAREWELL_S: Final = 0.1
_TOLD_EVERY_MS: Final = 1_000
_EXPORT_TIMEOUT_S: Final = 10.0
_PATH: Final = "/v1/traces"
_KINDS: Final = {
    "server": trace.SpanKind.SERVER,
    "client": trace.SpanKind.CLIENT,
    "internal": trace.SpanKind.INTERNAL,
}


class Tracing(Tracer):
    """Tells a collector at endpoint of a share of what goes on, sample, 0 to 1. `close` it.

    With follow, what a client has traced is traced here too, and what it has not is not (W3C Trace Context).
    """

    traces = True

    def __init__(self, endpoint: str, sample: float, *, follow: bool, service: str, instance: str) -> None:
        exporter = OTLPSpanExporter(endpoint.rstrip("/") + _PATH, timeout=_EXPORT_TIMEOUT_S)
        self._processor = BatchSpanProcessor(exporter, max_queue_size=WAITING, schedule_delay_millis=_TOLD_EVERY_MS)
        named = {
            "service.name": service,
            "service.version": __version__,
            "service.instance.id": f"{instance}-{os.getpid()}",
        }
        provider = TracerProvider(ParentBased(TraceIdRatioBased(sample)), Resource(named), shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("archimage", __version__)
        self._follow = follow

    def begin(
        self, name: str, attributes: Attributes = NONE, kind: Kind = "internal", traceparent: str = ""
    ) -> Span | None:
        """Begin something that is within nothing here, unless it is not sampled."""
        return self._begin(name, attributes, kind, traceparent if self._follow else "")

    def go_on(self, name: str, attributes: Attributes = NONE, traceparent: str = "") -> Span | None:
        """Begin something within what an archive has begun, and without that something that is within nothing."""
        return self._begin(name, attributes, "internal", traceparent)

    def _begin(self, name: str, attributes: Attributes, kind: Kind, traceparent: str) -> Span | None:
        carrier = {"traceparent": traceparent} if traceparent else {}
        parent = tracecontext.TraceContextTextMapPropagator().extract(carrier, Context())
        begun = self._tracer.start_span(name, parent, _KINDS[kind], _safe(attributes))
        return _Span(self._tracer, begun, count(1)) if begun.is_recording() else None

    def close(self) -> None:
        """Tell what is left, as far as that goes within FAREWELL_S: a collector that is away holds nobody up."""
        ending = threading.Thread(target=self._processor.shutdown, name="tracing", daemon=True)
        ending.start()
        ending.join(FAREWELL_S)


class _Span:
    """Implements `spans.Span`; numbers counts what has begun within the one that is within nothing."""

    __slots__ = ("_begun", "_numbers", "_tracer")

    def __init__(self, tracer: trace.Tracer, begun: trace.Span, numbers: "count[int]") -> None:
        self._tracer = tracer
        self._begun = begun
        self._numbers = numbers

    @property
    def traceparent(self) -> str:
        """How others refer to it."""
        context = self._begun.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def child(self, name: str, attributes: Attributes = NONE, kind: Kind = "internal") -> Span | None:
        """Begin something within it."""
        begun = self._within(name, attributes, kind)
        return None if begun is None else _Span(self._tracer, begun, self._numbers)

    def past(self, name: str, since_s: float, attributes: Attributes = NONE) -> None:
        """Tell of something within it that is over."""
        now = time.time_ns()
        begun = self._within(name, attributes, "internal", now - int(since_s * 1e9))
        if begun is not None:
            begun.end(now)

    def rename(self, name: str) -> None:
        """Call it by another name."""
        self._begun.update_name(name)

    def note(self, attributes: Attributes) -> None:
        """Add to what is known of it."""
        self._begun.set_attributes(_safe(attributes))

    def fail(self, kind: str) -> None:
        """Tell that it failed."""
        self._begun.set_attribute("error.type", kind)
        self._begun.set_status(trace.StatusCode.ERROR)

    def end(self) -> None:
        """Tell that it is over."""
        self._begun.end()

    def _within(self, name: str, attributes: Attributes, kind: Kind, start_ns: int | None = None) -> trace.Span | None:
        if next(self._numbers) > WITHIN:
            self._begun.set_attribute("archimage.cut", True)
            return None
        parent = trace.set_span_in_context(self._begun, Context())
        return self._tracer.start_span(name, parent, _KINDS[kind], _safe(attributes), start_time=start_ns)


def _safe(attributes: Attributes) -> Attributes:
    """Escape what may come from a peer."""
    return {key: escape(value) if isinstance(value, str) else value for key, value in attributes.items()}
