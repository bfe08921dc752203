"""What objects without a patient need from the index, as a protocol."""

from collections.abc import Sequence
from typing import Literal, Protocol

from archimage.model.objects import KeptObject

Kept = Literal["stored", "replaced", "duplicate", "other"]
"""What became of an object: other is one of the same UID with other bytes that stays as it was."""


class Objects(Protocol):
    """Keeps objects without a patient, for every process; what returns is durable."""

    def put(self, added: KeptObject, data: bytes, *, replace: bool) -> Kept:
        """Keep an object and its data set; with replace instead of another one of its UID."""

    def get(self, sop_instance_uid: str) -> KeptObject | None:
        """Return one, or None."""

    def data(self, sop_instance_uid: str) -> bytes | None:
        """Return the data set of one as it came, or None."""

    def find(self, sop_class_uids: Sequence[str], *, before: int | None, limit: int) -> Sequence[KeptObject]:
        """Return the newest of some SOP classes, of all where none is named, before an id where one is given."""

    def remove(self, sop_instance_uid: str) -> bool:
        """Forget one; False where it is not kept."""
