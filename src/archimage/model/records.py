"""What is known of one stored object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrameTable:
    """Where the pixels lie in the stored file; offsets are bytes from the start of the file.

    native objects have one entry, the whole value; encapsulated ones an entry a fragment, the Basic Offset Table not
    counted. Where offsets say nothing of the stored bytes, as with deflated objects, a record has none.

    element_offset  of the pixel element's tag: what stands before it is the object's header
    count           of frames; 0 where it is not known: the table is older than these columns, or the object is no image
    frame_bits      of one native frame, which need not end with a byte; 0 where it is not known
    firsts          the first fragment of each frame, where fragments and frames do not go one by one; empty otherwise
    """

    encapsulated: bool
    offsets: Sequence[int]
    lengths: Sequence[int]
    element_offset: int = 0
    count: int = 0
    frame_bits: int = 0
    firsts: Sequence[int] = ()

    def fragments(self, number: int) -> range | None:
        """Return which fragments a frame of an encapsulated object consists of, counted from 0; None if untold."""
        if self.count == 1:
            return range(len(self.offsets))
        if self.firsts:
            end = self.firsts[number + 1] if number + 1 < self.count else len(self.offsets)
            return range(self.firsts[number], end)
        return range(number, number + 1) if self.count == len(self.offsets) else None


@dataclass(frozen=True, slots=True)
class Original:
    """What the data set of an instance was when it came, where the archive has compressed or corrected it since.

    sha256 is that of its size_bytes bytes: nobody can make another object that has the same.
    """

    transfer_syntax_uid: str
    size_bytes: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """The index's view of one instance, made once at ingest.

    values maps columns of `model.attributes` to decoded text, several values joined with a backslash; absent and empty
    attributes do not stand in it. size_bytes is that of the file as kept, data_set_offset the length of its preamble
    and File Meta Information, digest xxh3-128 over the data set after it. received_at: seconds since 1970, UTC.
    compress_to is the transfer syntax that it waits to be compressed to, empty where it does not. called_ae_title is
    what the sender called this archive by, empty where it came over no association.
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
    original: Original | None = None
    compress_to: str = ""
    called_ae_title: str = ""

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


@dataclass(frozen=True, slots=True)
class Kept:
    """An instance with what its next form takes over: what it waits to be compressed to, when and from whom it came.

    original tells what it was when it came, None where it is that still.
    """

    stored: StoredInstance
    compress_to: str
    received_at: float
    source_ae_title: str
    original: Original | None = None
    called_ae_title: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much the archive holds."""

    patients: int
    studies: int
    series: int
    instances: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """How much came in and is kept."""

    instances: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Removed:
    """How much a removal took away; files_due tells that some of its files are still to be deleted."""

    studies: int
    series: int
    instances: int
    files_due: bool = False
