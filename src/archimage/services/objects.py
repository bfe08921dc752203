"""Objects without a patient: taken whole, kept as they came, found by every attribute, and given back byte for byte.

Ref: PS3.4 Annexes GG (storage), U, X, BB, HH, II and KK (query and retrieve).
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson
import xxhash

from archimage.buffers import Allowance
from archimage.dicom.json import MetadataWriter
from archimage.dicom.layout import DEFLATED_SYNTAXES
from archimage.dicom.limits import ScanLimits
from archimage.dicom.scan import scan
from archimage.dicom.window import Held
from archimage.errors import (
    ArchimageError,
    BlobNotFoundError,
    DuplicateInstanceError,
    ExcessiveDatasetError,
    IdentityMismatchError,
    InvalidQueryError,
    NotFoundError,
    OutOfResourcesError,
    UnsupportedTransferSyntaxError,
)
from archimage.model.objects import KeptObject
from archimage.model.query import Exact, UIDList
from archimage.model.records import InstanceRecord, StoredInstance
from archimage.ports.object import Objects
from archimage.services import scoped
from archimage.services.datasets import Model, text
from archimage.services.identifiers import Key
from archimage.services.intake import Done, Outcome
from archimage.services.matching import parse_match
from archimage.services.memory_reader import MemoryReader
from archimage.services.modelmatching import Wanted, matches
from archimage.services.store import Expected, Pieces

MAX_OBJECT_BYTES: Final = 64 << 20
MAX_RECEIVED_BYTES: Final = 256 << 20
"""Of all objects that are on their way in, for they are held in memory."""
MAX_DESCRIBED_BYTES: Final = 8 << 20
"""Of an object, what is read to describe it: all but long binary values, some of it twice."""
_LIMITS: Final = ScanLimits(max_elements=100_000)
_MOST_SHOWN: Final = 1_000
_LONGEST_VALUE: Final = 4_096
_PAGE: Final = 100
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018


class ObjectService:
    """Keeps, finds and gives objects; all of it blocks but `begin`."""

    def __init__(self, table: Objects, *, replace: bool) -> None:
        """Replace an object by another one of its UID, or refuse that one."""
        self._table = table
        self._replace = replace
        self.allowance = Allowance(MAX_RECEIVED_BYTES)
        """What those that are on their way in may take."""

    def begin(self, expected: Expected) -> "ObjectReception":
        """Begin to receive an object; UnsupportedTransferSyntaxError where it could not be looked into."""
        if expected.transfer_syntax_uid in DEFLATED_SYNTAXES:
            raise UnsupportedTransferSyntaxError("objects without a patient are not taken deflated")
        return ObjectReception(self, expected)

    def keep(self, expected: Expected, data: bytes) -> Outcome:
        """Keep an object; durable when this returns.

        Raises:
            IdentityMismatchError: it is not what it was announced as.
            InvalidDatasetError: it cannot be parsed.
            DuplicateInstanceError: another one of its UID is kept.
        """
        model = _model(data, expected.transfer_syntax_uid)
        for tag, announced in ((_SOP_CLASS, expected.sop_class_uid), (_SOP_INSTANCE, expected.sop_instance_uid)):
            if text(model, tag) != announced:
                raise IdentityMismatchError(f"announced as {announced}, but the data set says {text(model, tag)!r}")
        scoped.check(model)
        kept = KeptObject(
            sop_instance_uid=expected.sop_instance_uid,
            sop_class_uid=expected.sop_class_uid,
            transfer_syntax_uid=expected.transfer_syntax_uid,
            size_bytes=len(data),
            digest=xxhash.xxh3_128(data).digest(),
            received_at=time.time(),
            source_ae_title=expected.source_ae_title,
            model=model,
        )
        kind = self._table.put(kept, data, replace=self._replace)
        if kind == "other":
            raise DuplicateInstanceError(f"another object is kept as {kept.sop_instance_uid}")
        return Outcome(_record(kept), kind)

    def find(self, sop_class_uids: Sequence[str], wanted: Sequence[Wanted]) -> Iterator[Sequence[Model]]:
        """Yield, in pages, the data sets of some SOP classes that match and that the asker may see."""
        before: int | None = None
        while page := self._table.find(sop_class_uids, before=before, limit=_PAGE):
            before = page[-1].id
            models = [dict(one.model) for one in page]
            yield [model for model in models if matches(model, wanted) and scoped.is_shown(model)]

    def select(self, sop_class_uids: Sequence[str], keys: Sequence[Key]) -> Sequence[StoredInstance]:
        """Return the objects of some SOP classes that an identifier names by their UIDs.

        Raises:
            InvalidQueryError: it names none.
        """
        named = next((key.value for key in keys if key.tag == _SOP_INSTANCE), "")
        match = parse_match(named, "UI")
        if not isinstance(match, Exact | UIDList):
            raise InvalidQueryError("SOPInstanceUID must hold what to retrieve")
        uids = (match.value,) if isinstance(match, Exact) else tuple(match.values)
        found = (self._table.get(uid) for uid in dict.fromkeys(uids))
        return [
            _stored(one)
            for one in found
            if one is not None and one.sop_class_uid in sop_class_uids and scoped.is_shown(dict(one.model))
        ]

    def open(self, instance: StoredInstance) -> MemoryReader:
        """Open an object; BlobNotFoundError where it was removed."""
        data = self._table.data(instance.sop_instance_uid)
        if data is None:
            raise BlobNotFoundError(f"no object {instance.sop_instance_uid}")
        return MemoryReader(data)

    def list(
        self, sop_class_uids: Sequence[str] = (), before: int | None = None, limit: int = 100
    ) -> Sequence[KeptObject]:
        """Return the newest, of some SOP classes and before an id where these are given."""
        return self._table.find(sop_class_uids, before=before, limit=min(limit, _MOST_SHOWN))

    def get(self, sop_instance_uid: str) -> KeptObject:
        """Return one; NotFoundError where it is not kept."""
        found = self._table.get(sop_instance_uid)
        if found is None:
            raise _absent()
        return found

    def verified(self, sop_instance_uid: str) -> tuple[str, bool] | None:
        """Return the SOP class of an object that is kept, and whether its bytes are those that came; else None."""
        kept = self._table.get(sop_instance_uid)
        data = None if kept is None else self._table.data(sop_instance_uid)
        if kept is None or data is None:
            return None
        return kept.sop_class_uid, xxhash.xxh3_128(data).digest() == kept.digest

    def remove(self, sop_instance_uid: str) -> None:
        """Forget one; NotFoundError where it is not kept."""
        if not self._table.remove(sop_instance_uid):
            raise _absent()


class ObjectReception:
    """One object on its way in, held in memory. Implements `services.store.Receiving`."""

    def __init__(self, service: ObjectService, expected: Expected) -> None:
        self._service = service
        self._expected = expected
        self._data = bytearray()
        self._failure: ArchimageError | None = None

    @property
    def is_refused(self) -> bool:
        """Tell whether it will be refused already."""
        return self._failure is not None

    def is_quick(self, size_bytes: int) -> bool:  # noqa: ARG002 - however small, it is written to the index
        """Tell that `finish` may not run on an event loop."""
        return False

    def write(self, pieces: Pieces) -> None:
        """Take the next bytes."""
        for piece in pieces:
            if self._failure is None:
                self._keep(piece)

    def _keep(self, piece: bytes | memoryview) -> None:
        if len(self._data) + len(piece) > MAX_OBJECT_BYTES:
            self._fail(ExcessiveDatasetError(f"objects without a patient have {MAX_OBJECT_BYTES >> 20} MiB at most"))
        elif not self._service.allowance.take(len(piece)):
            self._fail(OutOfResourcesError("too many objects without a patient are on their way; send it again"))
        else:
            self._data += piece

    def _fail(self, error: ArchimageError) -> None:
        self.discard()
        self._failure = error

    def finish(self, pieces: Pieces, done: Done) -> None:
        """Take the last bytes, and keep the object."""
        self.write(pieces)
        try:
            if self._failure is not None:
                raise self._failure
            answer = self._service.keep(self._expected, bytes(self._data))
        except ArchimageError as error:
            done(error)
        else:
            done(answer)
        finally:
            self.discard()

    def discard(self) -> None:
        """Forget it."""
        self._service.allowance.give(len(self._data))
        self._data.clear()


class _Described(Held):
    """An object that is in memory, of which no more is read than describes an honest one."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = MAX_DESCRIBED_BYTES

    def read(self, offset: int, length: int, /) -> bytes:
        """Read; ExcessiveDatasetError beyond the bound."""
        self._left -= length
        if self._left < 0:
            raise ExcessiveDatasetError("there is too much in it beside long binary values")
        return super().read(offset, length)


def _model(data: bytes, transfer_syntax_uid: str) -> Model:
    scan(data, transfer_syntax_uid, frozenset(), _LIMITS)
    writer = MetadataWriter(bulk_threshold_bytes=_LONGEST_VALUE)
    written = writer.write(_Described(data), transfer_syntax_uid, _elsewhere, size_bytes=len(data))
    model: Model = _without_bulk(orjson.loads(written))
    return model


def _elsewhere(_path: object) -> str:
    return "-"


def _without_bulk(model: dict[str, Any]) -> dict[str, Any]:
    """Leave out values that are too large to be looked for, at every depth."""
    kept = {name: one for name, one in model.items() if "BulkDataURI" not in one}
    for one in kept.values():
        if one["vr"] == "SQ" and "Value" in one:
            one["Value"] = [_without_bulk(item) for item in one["Value"]]
    return kept


def _record(kept: KeptObject) -> InstanceRecord:
    uids = {"sop_class_uid": kept.sop_class_uid, "sop_instance_uid": kept.sop_instance_uid}
    return InstanceRecord(
        values=uids | {"study_instance_uid": "", "series_instance_uid": ""},
        transfer_syntax_uid=kept.transfer_syntax_uid,
        path="",
        size_bytes=kept.size_bytes,
        data_set_offset=0,
        digest=kept.digest,
        received_at=kept.received_at,
        source_ae_title=kept.source_ae_title,
    )


def _stored(kept: KeptObject) -> StoredInstance:
    return StoredInstance(
        kept.sop_instance_uid, kept.sop_class_uid, kept.transfer_syntax_uid, "", kept.size_bytes, 0, kept.digest
    )


def _absent() -> NotFoundError:
    return NotFoundError("no object of this UID is kept", next_step="GET /api/v1/objects lists them.")
