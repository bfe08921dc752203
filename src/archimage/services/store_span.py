"""The span of one object that is stored, from its first byte to its answer."""

from archimage import spans
from archimage.errors import ArchimageError
from archimage.services.intake import Outcome


class StoreSpan:
    """A span within what goes on where it is made, if that is traced."""

    def __init__(self, sop_class_uid: str) -> None:
        parent = spans.current()
        self._span = None if parent is None else parent.child("store", {"dicom.sop_class_uid": sop_class_uid})

    def within(self) -> spans.Step:
        """Have what a `with` block does be a part of it."""
        return spans.within(self._span)

    def end(self, answer: Outcome | ArchimageError) -> None:
        """Tell what became of the object."""
        if self._span is None:
            return
        if isinstance(answer, ArchimageError):
            self._fail(type(answer).__name__)
            return
        timing = answer.timing
        self._span.note({"storage.outcome": answer.kind, "storage.size_bytes": answer.record.size_bytes})
        parts = {"commit.wait_s": timing.wait_s, "commit.sync_s": timing.sync_s, "commit.index_s": timing.index_s}
        self._span.past("group commit", timing.sync_s + timing.index_s, parts)
        self._span.end()

    def discard(self) -> None:
        """Tell that the object never came to its end."""
        self._fail("discarded")

    def _fail(self, kind: str) -> None:
        if self._span is not None:
            self._span.fail(kind)
            self._span.end()
