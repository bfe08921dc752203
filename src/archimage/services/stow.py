"""Storing what one web request brings: whole objects, or metadata with bulk values beside it (PS3.18 §10.5).

The parts of a request go through `Upload` in their order. Objects are streamed to the store as they come; metadata and
bulk values are kept until the last part, because either may come first. A bulk value is only ever looked for among the
parts of its own request.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from archimage.dicom.jsonmodel import Model, ModelLimits, parse_json
from archimage.dicom.mediatypes import pixel_syntax
from archimage.dicom.modelencode import BulkValue, encode_json_pieces
from archimage.dicom.xml import parse_xml
from archimage.errors import (
    ArchimageError,
    ConflictError,
    ExcessiveRequestError,
    IdentityMismatchError,
    UnsupportedMediaTypeError,
)
from archimage.model.ids import is_uid
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.intake import Outcome
from archimage.services.spool import PIECE_BYTES, Spool
from archimage.services.store import Expected, Pieces, Receiving, StoreService
from archimage.services.stow_object import Done, ObjectPart, Refusal, Submission, failure, stored

DICOM: Final = "application/dicom"
JSON_TYPES: Final = frozenset({"application/dicom+json", "application/json"})
XML_TYPES: Final = frozenset({"application/dicom+xml"})
METADATA_TYPES: Final = JSON_TYPES | XML_TYPES
MAX_METADATA_BYTES: Final = 16 << 20
MAX_REFUSED_BYTES: Final = 1 << 30
"""So much of objects that were found wrong is read over; a request that brings more is given up."""

_MODEL_LIMITS: Final = ModelLimits(max_bytes=MAX_METADATA_BYTES, max_elements=200_000)
_SOP_CLASS_UID, _SOP_INSTANCE_UID, _STUDY_INSTANCE_UID = "00080016", "00080018", "0020000D"
_SYNTAX_TAGS: Final = ("00020010", "00083002")
"""Transfer Syntax UID, where File Meta Information came along, and Available Transfer Syntax UID."""
_PIXEL_TAGS: Final = ("7FE00010", "7FE00008", "7FE00009")


@dataclass(frozen=True, slots=True)
class PartHead:
    """What the headers of a part say: its media type in lower case, and the names that references to it may use."""

    media_type: str
    transfer_syntax_uid: str = ""
    names: tuple[str, ...] = ()


class ModelObject:
    """One object that was described by metadata: encoded, its bulk values put in their places, and stored."""

    is_quick = False

    def __init__(self, model: Model, upload: "Upload") -> None:
        self._model = model
        self._upload = upload

    def submit(self, done: Done) -> None:
        """Encode and store it."""
        sop_class_uid, sop_instance_uid = _uid(self._model, _SOP_CLASS_UID), _uid(self._model, _SOP_INSTANCE_UID)
        reception: Receiving | None = None
        try:
            if not (sop_class_uid and sop_instance_uid):
                raise IdentityMismatchError("the metadata has no SOP Class UID or no SOP Instance UID")
            syntax = self._upload.transfer_syntax(self._model)
            pieces = _joined(encode_json_pieces(self._model, syntax, self._upload.bulk))
            reception = self._upload.store.begin(
                Expected(syntax, sop_class_uid, sop_instance_uid, study_instance_uid=self._upload.study_instance_uid)
            )
            last = _write_all_but_last(reception, pieces)
        except ArchimageError as error:
            if reception is not None:
                reception.discard()
            done(failure(error, sop_class_uid, sop_instance_uid))
            return

        def answer(kept: Outcome | ArchimageError) -> None:
            if isinstance(kept, ArchimageError):
                done(failure(kept, sop_class_uid, sop_instance_uid))
            else:
                done(stored(kept))

        reception.finish(last, answer)


@dataclass(slots=True)
class _Text:
    """A part of metadata that is being read."""

    media_type: str
    data: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class _Bulk:
    """Where a bulk value stands in the spool."""

    head: PartHead
    offset: int
    size_bytes: int = 0


class Upload:
    """The parts of one request: `begin`, `write` and `end` each, then `finish`. All of it blocks, one call at a time.

    root_type is the media type that the request gives for its parts, empty without one; study_instance_uid the one
    study that its objects may belong to.
    """

    def __init__(self, store: StoreService, root_type: str, study_instance_uid: str = "") -> None:
        self.store = store
        self.study_instance_uid = study_instance_uid
        self._root_type = root_type
        self._part: ObjectPart | _Text | _Bulk | Refusal | None = None
        self._texts: list[_Text] = []
        self._text_bytes = 0
        self._bulk: dict[str, list[_Bulk]] = {}
        self._spool = Spool(store.blobs)
        self._refused_bytes = 0

    @property
    def is_described(self) -> bool:
        """Tell whether metadata has come, so that there is something to `finish`."""
        return bool(self._texts)

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing is left to `discard`."""
        return self._part is None and not self._spool.size_bytes

    def begin(self, head: PartHead) -> None:
        """Begin a part."""
        kind = head.media_type or self._root_type
        if kind == DICOM:
            self._part = ObjectPart(self.store, self.study_instance_uid)
        elif kind in METADATA_TYPES:
            self._part = _Text(kind)
        elif head.names and self._root_type != DICOM:
            self._part = _Bulk(head, self._spool.size_bytes)
        else:
            self._part = Refusal(UnsupportedMediaTypeError(f"a part of media type {kind[:80]!r} is not taken"))

    def write(self, piece: memoryview) -> None:
        """Take the next bytes of the part; they are not referred to after the call.

        Raises:
            ExcessiveRequestError: there is too much metadata, or too much that cannot be stored.
        """
        match self._part:
            case ObjectPart() as part:
                part.write(piece)
                self._count_refused(len(piece) if part.is_refused else 0)
            case _Text() as text:
                self._text_bytes += len(piece)
                if self._text_bytes > MAX_METADATA_BYTES:
                    raise ExcessiveRequestError(f"more than {MAX_METADATA_BYTES} bytes of metadata")
                text.data += piece
            case _Bulk() as bulk:
                bulk.size_bytes += len(piece)
                self._spool.write(piece)
                self._count_refused(len(piece) if self._spool.error else 0)
            case _:
                self._count_refused(len(piece))

    def end(self) -> Submission | None:
        """End the part; return what can be kept now."""
        part, self._part = self._part, None
        match part:
            case ObjectPart():
                part.end()
            case _Text():
                self._texts.append(part)
            case _Bulk():
                for name in part.head.names:
                    self._bulk.setdefault(name, []).append(part)
        return part if isinstance(part, ObjectPart | Refusal) else None

    def finish(self) -> Iterator[Submission]:
        """Yield what the metadata describes, once all parts have come; `discard` when it has been submitted."""
        self._spool.finish()
        for text in self._texts:
            try:
                models = parse_json(text.data, _MODEL_LIMITS) if text.media_type in JSON_TYPES else [_xml(text.data)]
            except ArchimageError as error:
                yield Refusal(error)
                continue
            yield from (ModelObject(model, self) for model in models)

    def discard(self) -> None:
        """Forget what has not been submitted, and the bulk values."""
        if isinstance(self._part, ObjectPart):
            self._part.discard()
        self._part = None
        self._spool.discard()

    def bulk(self, uri: str) -> list[BulkValue]:
        """Return the bulk value of a reference, a part for each frame where several parts have one name.

        Raises:
            ConflictError: no part of the request has that name. Nothing is ever fetched.
        """
        if self._spool.error is not None:
            raise self._spool.error
        found = self._bulk.get(uri)
        if not found:
            raise ConflictError(f"no part of the request has the Content-Location {uri[:200]!r}")
        return [BulkValue(one.size_bytes, partial(self._spool.pieces, one.offset, one.size_bytes)) for one in found]

    def transfer_syntax(self, model: Model) -> str:
        """Return the syntax that an object is to have: that of its pixels, or what the metadata says of itself.

        Raises:
            ConflictError: its pixels are not among the parts.
            UnsupportedMediaTypeError: their media type does not tell how they are compressed.
        """
        stated = next((uid for tag in _SYNTAX_TAGS if (uid := _uid(model, tag))), "")
        uri = next((model[tag]["BulkDataURI"] for tag in _PIXEL_TAGS if "BulkDataURI" in model.get(tag, {})), None)
        if uri is None:
            return stated or EXPLICIT_VR_LITTLE_ENDIAN
        (first,) = self.bulk(uri)[:1]
        head = self._bulk[uri][0].head
        if head.transfer_syntax_uid:
            return head.transfer_syntax_uid
        if head.media_type in {"", "application/octet-stream"}:
            return stated or EXPLICIT_VR_LITTLE_ENDIAN
        syntax = pixel_syntax(head.media_type, next(iter(first.pieces()), b""))
        if syntax is None:
            raise UnsupportedMediaTypeError(f"pixels of media type {head.media_type[:80]!r} are not taken")
        return syntax

    def _count_refused(self, size_bytes: int) -> None:
        self._refused_bytes += size_bytes
        if self._refused_bytes > MAX_REFUSED_BYTES:
            raise ExcessiveRequestError(f"more than {MAX_REFUSED_BYTES} bytes of what cannot be stored")


def _uid(model: Model, tag: str) -> str:
    """Return a UID of a model, empty where there is none."""
    values = model.get(tag, {}).get("Value") or [""]
    return values[0] if isinstance(values[0], str) and is_uid(values[0]) else ""


def _xml(data: bytearray) -> Model:
    return parse_xml(data, _MODEL_LIMITS)


def _joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join small pieces: an element each is too little to call anybody for."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _write_all_but_last(reception: Receiving, pieces: Iterable[bytes]) -> Pieces:
    """Write pieces; the last is returned, to be finished with, so that a small object stays in memory."""
    last: list[bytes | memoryview] = []
    for piece in pieces:
        if last:
            reception.write(last)
        last = [piece]
    return last
