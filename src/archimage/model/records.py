"""What is known of one stored object."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrameTable:
    """Where the pixels lie in the stored file; offsets are bytes from the start of the file.

    native objects have one entry, the whole value; encapsulated ones an entry a fragment, the Basic Offset Table not
    counted. Where offsets say nothing of the stored bytes, as with deflated objects, a record has none.
    """

    encapsulated: bool
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """The index's view of one instance, made once at ingest.

    values maps columns of `model.attributes` to decoded text, several values joined with a backslash; absent and empty
    attributes do not stand in it. size_bytes is that of the file as kept, data_set_offset the length of its preamble
    and File Meta Information, digest xxh3-128 over the data set after it. received_at: seconds since 1970, UTC.
    """

    values: Mapping[str, str]
    transfer_syntax_uid: str
    path: str
    size_bytes: int
    data_set_offset: int
    digest: bytes
    received_at: float
    source_ae_title: str
    frames: FrameTable | None = None

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID, the identity of the record."""
        return self.values["sop_instance_uid"]


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """What retrieval needs of one instance."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    path: str
    size_bytes: int
    data_set_offset: int
    digest: bytes
