"""Where an object lies now of which the row was read a while ago: a study may be moved while somebody reads it."""

from typing import Protocol

from archimage.model.records import StoredInstance


class Lookup(Protocol):
    """Finds rows: `ports.index.Finding`."""

    def lookup(self, sop_instance_uid: str) -> StoredInstance | None:
        """Return one instance, or None."""


def moved_to(index: Lookup, before: StoredInstance) -> StoredInstance | None:
    """Return the row that names the same bytes elsewhere by now, None where there is none; blocks."""
    now = index.lookup(before.sop_instance_uid)
    if now is None or now.path == before.path:
        return None
    same = (now.digest, now.size_bytes, now.data_set_offset) == (
        before.digest,
        before.size_bytes,
        before.data_set_offset,
    )
    return now if same else None
