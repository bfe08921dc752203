"""The spans of an association: its own, and one for each operation on it, from the request to the last response."""

from archimage import spans
from archimage.net.dispatch import Response
from archimage.protocol.command import command_name
from archimage.protocol.status import is_failure
from archimage.spans import Attributes, Span


class AssociationSpans:
    """Spans of one association; only its loop's thread calls."""

    def __init__(self) -> None:
        self._whole: Span | None = None
        self._open: set[Span] = set()

    def begin(self, span: Span | None) -> None:
        """Have what comes from here on be within a span; to be called by the association's own task."""
        self._whole = span
        spans.enter(span)

    def operation(self, command_field: int, attributes: Attributes) -> Span | None:
        """Begin the span of an operation."""
        if self._whole is None:
            return None
        span = self._whole.child(command_name(command_field).removesuffix("-RQ"), attributes, "server")
        if span is not None:
            self._open.add(span)
        return span

    def answered(self, span: Span | None, response: Response) -> None:
        """Take note of the final response to an operation."""
        if span is None:
            return
        status = f"{response.status:#06x}"
        span.note({"dicom.status": status})
        if is_failure(response.status):
            span.fail(status)
        self._open.discard(span)
        span.end()

    def end(self, attributes: Attributes, failure: str) -> None:
        """Tell that the association is over, and what was never answered; failure is empty where all went well."""
        for span in self._open:
            span.fail("unanswered")
            span.end()
        self._open.clear()
        if self._whole is not None:
            self._whole.note(attributes)
            if failure:
                self._whole.fail(failure)
            self._whole.end()
