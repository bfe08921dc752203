"""Spans: what takes place within what, and for how long; `observe.tracing` tells them to a collector.

Everything here may be called from any thread and never raises. Where nobody traces, or what goes on was not sampled,
there is no current span, and a step costs one look at a context variable.

What goes into a span leaves the house: names are constants, and attributes neither name patients nor quote what a peer
sent, but for AE titles.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Literal, Protocol

Kind = Literal["server", "client", "internal"]
"""Who asked: a peer of us, we of somebody (the database, a peer), or nobody."""
Attributes = Mapping[str, str | int | float | bool]
NONE: Final[Attributes] = {}
WITHIN: Final = 1_000
"""Spans within one that is within nothing; an association of 100,000 objects would drown whoever looks at it."""
WAITING: Final = 4_096
"""Spans that wait to be told."""


class Span(Protocol):
    """Something that has begun; `end` it."""

    @property
    def traceparent(self) -> str:
        """How others refer to it (W3C Trace Context §3.2)."""

    def child(self, name: str, attributes: Attributes = NONE, kind: Kind = "internal") -> "Span | None":
        """Begin something within it; None where it has had too much within it."""

    def past(self, name: str, since_s: float, attributes: Attributes = NONE) -> None:
        """Tell of something within it that began since_s seconds ago, and is over."""

    def rename(self, name: str) -> None:
        """Call it by another name."""

    def note(self, attributes: Attributes) -> None:
        """Add to what is known of it."""

    def fail(self, kind: str) -> None:
        """Tell that it failed, and by which kind of error."""

    def end(self) -> None:
        """Tell that it is over; once."""


class Tracer:
    """Traces nothing; what traces overrides it."""

    traces: bool = False
    """Whether anything may be."""

    def begin(
        self,
        name: str,  # noqa: ARG002
        attributes: Attributes = NONE,  # noqa: ARG002
        kind: Kind = "internal",  # noqa: ARG002
        traceparent: str = "",  # noqa: ARG002
    ) -> Span | None:
        """Begin something that is within nothing here, unless it is not sampled; traceparent is what a client sent."""
        return None

    def go_on(self, name: str, attributes: Attributes = NONE, traceparent: str = "") -> Span | None:  # noqa: ARG002
        """Begin something within what an archive has begun, in whichever process; without that, within nothing."""
        return self.begin(name, attributes)

    def close(self) -> None:
        """Tell what is left."""


_current: ContextVar[Span | None] = ContextVar("span", default=None)


def current() -> Span | None:
    """Return what goes on here."""
    return _current.get()


def enter(span: Span | None) -> None:
    """Let a span be what goes on, for the rest of this task and for all that it begins."""
    _current.set(span)


class Within:
    """A span that goes on within a `with` block, and is ended with it if it is the block's own."""

    __slots__ = ("_own", "_span", "_token")

    def __init__(self, span: Span, *, own: bool) -> None:
        self._span = span
        self._own = own
        self._token: Token[Span | None] | None = None

    def __enter__(self) -> Span:
        self._token = _current.set(self._span)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
        if self._own:
            _finish(self._span, kind)


class _Leaf:
    """A span of a `with` block with nothing within it, so that the block may be left in another context."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _finish(self._span, kind)


def _finish(span: Span, error: type[BaseException] | None) -> None:
    if error is not None and issubclass(error, Exception):
        span.fail(error.__name__)
    span.end()


_NOTHING: Final = nullcontext(None)
Step = AbstractContextManager[Span | None]


def within(span: Span | None) -> Step:
    """Let a span be what goes on in a `with` block; None leaves all as it is."""
    return _NOTHING if span is None else Within(span, own=False)


def step(name: str, attributes: Attributes = NONE, kind: Kind = "internal") -> Step:
    """Have a `with` block be a span within the current one, if there is one."""
    parent = _current.get()
    span = None if parent is None else parent.child(name, attributes, kind)
    return _NOTHING if span is None else Within(span, own=True)


def leaf(name: str, attributes: Attributes = NONE, kind: Kind = "internal") -> Step:
    """Do the same for a block with nothing within it; a generator may be left in the middle of it."""
    parent = _current.get()
    span = None if parent is None else parent.child(name, attributes, kind)
    return _NOTHING if span is None else _Leaf(span)


def whole(tracer: Tracer, name: str, attributes: Attributes = NONE) -> Step:
    """Have a `with` block be a span within the current one, and without one a span that is within nothing."""
    parent = _current.get()
    span = tracer.begin(name, attributes) if parent is None else parent.child(name, attributes)
    return _NOTHING if span is None else Within(span, own=True)


def resumed(tracer: Tracer, name: str, attributes: Attributes, traceparent: str) -> Step:
    """Have a `with` block be a span within one that an archive has begun before, and without one within nothing."""
    span = tracer.go_on(name, attributes, traceparent)
    return _NOTHING if span is None else Within(span, own=True)
