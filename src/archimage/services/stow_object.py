"""One object of a web request on its way in, and the answer that it gets (PS3.18 §10.5.3, Annex I)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final, Protocol

from archimage import errors
from archimage.errors import ArchimageError, DicomError, IdentityMismatchError, InvalidFileError
from archimage.protocol.status import Status
from archimage.services.intake import Kind, Outcome
from archimage.services.sources import HEAD_BYTES, Identity, identify
from archimage.services.store import Expected, Receiving, StoreService

_FIRST_LOOK_BYTES: Final = 4 << 10
_PREAMBLE_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that is kept; preamble tells that it came with one, which is not, kind whether it is new here."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    preamble: bool = False
    kind: Kind = "stored"


@dataclass(frozen=True, slots=True)
class Failed:
    """An object that is not kept; its UIDs are empty where it could not be told what it was."""

    sop_class_uid: str
    sop_instance_uid: str
    error: ArchimageError


Answer = Stored | Failed
Done = Callable[[Answer], None]


class Submission(Protocol):
    """A whole object that is ready to be kept."""

    @property
    def is_quick(self) -> bool:
        """Tell whether `submit` neither writes nor inflates."""

    def submit(self, done: Done) -> None:
        """Have it kept; blocks while its last bytes are written. done may be called from another thread."""


_REASONS: Final[Mapping[type[ArchimageError], Status]] = MappingProxyType(
    {
        ArchimageError: Status.PROCESSING_FAILURE,
        errors.DicomError: Status.CANNOT_UNDERSTAND,
        errors.ExcessiveDatasetError: Status.OUT_OF_RESOURCES,
        errors.InvalidInstanceUIDError: Status.INVALID_SOP_INSTANCE,
        errors.IdentityMismatchError: Status.DATASET_MISMATCH,
        errors.DuplicateInstanceError: Status.DUPLICATE_SOP_INSTANCE,
        errors.HeldError: Status.DUPLICATE_SOP_INSTANCE,
        errors.NotAuthorisedError: Status.NOT_AUTHORISED,
        errors.OutOfResourcesError: Status.OUT_OF_RESOURCES,
        errors.ExcessiveRequestError: Status.OUT_OF_RESOURCES,
        errors.ConflictError: Status.CANNOT_UNDERSTAND,
        errors.InvalidRequestError: Status.CANNOT_UNDERSTAND,
        errors.UnsupportedMediaTypeError: Status.CANNOT_UNDERSTAND,
        errors.UnavailableError: Status.OUT_OF_RESOURCES,
        errors.StorageError: Status.OUT_OF_RESOURCES,
    }
)
_SYNTAX_NOT_SUPPORTED: Final = 0xC122


def failure_reason(error: ArchimageError) -> int:
    """Return the Failure Reason (0008,1197) of an error: the nearest class in the error tree decides.

    Ref: PS3.18 Table I.2-2, PS3.4 Table B.2-1, PS3.7 Annex C.
    """
    if isinstance(error, errors.UnsupportedTransferSyntaxError):
        return _SYNTAX_NOT_SUPPORTED
    return next(_REASONS[kind] for kind in type(error).__mro__ if kind in _REASONS)


def failure(error: ArchimageError, sop_class_uid: str = "", sop_instance_uid: str = "") -> Failed:
    """Return the answer to an object that failed; the error lets go of what it was raised in."""
    error.__traceback__ = error.__context__ = None
    return Failed(sop_class_uid, sop_instance_uid, error)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part that nothing can be made of."""

    error: ArchimageError
    is_quick: bool = True

    def submit(self, done: Done) -> None:
        """Answer at once."""
        done(failure(self.error))


class ObjectPart:
    """One Part 10 file on its way in; what the data set says of itself counts, not its File Meta Information."""

    def __init__(self, store: StoreService, study_instance_uid: str = "") -> None:
        self._store = store
        self._study_instance_uid = study_instance_uid
        self._held: list[bytes | memoryview] = []
        self._held_bytes = 0
        self._reception: Receiving | None = None
        self._identity: Identity | None = None
        self._error: ArchimageError | None = None
        self._preamble = False

    @property
    def is_refused(self) -> bool:
        """Tell whether it has been found wrong."""
        return self._error is not None or (self._reception is not None and self._reception.is_refused)

    @property
    def is_quick(self) -> bool:
        """Tell whether it is small enough to be held in memory until it is kept."""
        return self._error is not None or (self._reception is not None and self._reception.is_quick(self._held_bytes))

    def write(self, piece: memoryview) -> None:
        """Take the next bytes, which are not referred to after the call."""
        if self._error is not None:
            return
        if self._reception is None:
            self._held.append(piece)
            self._held_bytes += len(piece)
            if self._held_bytes <= HEAD_BYTES:
                self._held[-1] = bytes(piece)
                return
            self._begin()
            pieces, self._held, self._held_bytes = self._held, [], 0
        else:
            pieces = [piece]
        if self._reception is not None:
            self._reception.write(pieces)

    def end(self) -> None:
        """Tell that its last byte has come; `submit` follows."""
        if self._reception is None and self._error is None:
            self._begin()

    def submit(self, done: Done) -> None:
        """Have it kept."""
        if self._reception is None:
            done(self._failed(self._error or InvalidFileError("the part is empty")))
            return
        self._reception.finish(self._held, partial(self._answer, done))
        self._held = []

    def discard(self) -> None:
        """Forget it."""
        if self._reception is not None:
            self._reception.discard()

    def _begin(self) -> None:
        """Read from the first bytes what the object is, and begin to store it."""
        try:
            head = b"".join(_first(self._held, HEAD_BYTES))
            self._identity = found = _identity(head)
            self._preamble = any(head[:_PREAMBLE_BYTES])
            self._held = _after(self._held, found.data_set_offset)
            self._held_bytes -= found.data_set_offset
            self._reception = self._store.begin(
                Expected(
                    found.transfer_syntax_uid,
                    found.sop_class_uid,
                    found.sop_instance_uid,
                    study_instance_uid=self._study_instance_uid,
                )
            )
        except ArchimageError as error:
            self._error = error
            self._held, self._held_bytes = [], 0

    def _answer(self, done: Done, answer: Outcome | ArchimageError) -> None:
        if isinstance(answer, ArchimageError):
            done(self._failed(answer))
        else:
            done(stored(answer, preamble=self._preamble))

    def _failed(self, error: ArchimageError) -> Failed:
        if self._identity is None:
            return failure(error)
        return failure(error, self._identity.sop_class_uid, self._identity.sop_instance_uid)


def _identity(head: bytes) -> Identity:
    """Tell what a file holds: nearly always its first 4 KiB tell it."""
    try:
        found = identify(head[:_FIRST_LOOK_BYTES])
    except (DicomError, IdentityMismatchError):
        found = identify(head)
    if found is None:
        raise InvalidFileError("no DICOM file: the prefix DICM is missing, or it is a DICOMDIR")
    return found


def _first(pieces: Iterable[bytes | memoryview], size_bytes: int) -> Iterator[bytes | memoryview]:
    for piece in pieces:
        yield piece[:size_bytes]
        size_bytes -= len(piece)
        if size_bytes <= 0:
            return


def _after(pieces: Iterable[bytes | memoryview], offset: int) -> list[bytes | memoryview]:
    """Return pieces without their first bytes."""
    rest: list[bytes | memoryview] = []
    for piece in pieces:
        if offset < len(piece):
            rest.append(piece[offset:])
        offset = max(0, offset - len(piece))
    return rest


def stored(outcome: Outcome, *, preamble: bool = False) -> Stored:
    values = outcome.record.values
    return Stored(
        values["study_instance_uid"],
        values["series_instance_uid"],
        values["sop_instance_uid"],
        values["sop_class_uid"],
        preamble,
        outcome.kind,
    )
