"""WADO-RS, objects: studies, series and instances as DICOM files, in parts, alone, or in a ZIP archive.

Ref: PS3.18 §10.4.1.1.1, §10.4.3.
"""

import zlib
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp

from archimage.errors import NotAcceptableError
from archimage.model.records import StoredInstance
from archimage.services.transcoding import has_way
from archimage.web.dicomweb import found
from archimage.web.dicomweb.answers import (
    Open,
    Part,
    not_modified,
    of_file,
    read_pieces,
    several,
    single,
)
from archimage.web.dicomweb.archive import ZipWriter, archive_size
from archimage.web.dicomweb.conditional import ByteRange
from archimage.web.dicomweb.forms import DICOM, ZIP, choices, object_offers, object_syntax
from archimage.web.dicomweb.negotiation import Offer
from archimage.web.dicomweb.resources import DicomWebRequest, Parameter, Resource
from archimage.web.dicomweb.transcoded import Slow, answered, opened
from archimage.web.direct import Piece, in_memory
from archimage.web.errors import warning
from archimage.web.responses import PIECE_BYTES, ThreadedResponse

Wanted = tuple[StoredInstance, str]
"""An instance, and the transfer syntax to give it in."""


async def _retrieve(request: DicomWebRequest) -> ASGIApp:
    return await answered(request, _answer)


def _answer(request: DicomWebRequest) -> ASGIApp | Slow:
    instances = found.instances(request)
    ranked = choices(request, object_offers(len(instances)))
    offer = ranked[0].offer
    ranked = tuple(choice for choice in ranked if choice.offer == offer)
    syntaxes = [object_syntax(instance.transfer_syntax_uid, ranked, has_way) for instance in instances]
    wanted = [(instance, syntax) for instance, syntax in zip(instances, syntaxes, strict=True) if syntax is not None]
    if not wanted:
        raise NotAcceptableError(
            f"nothing of this can be given in transfer syntax {ranked[0].transfer_syntax}; it is stored in "
            f"{', '.join(sorted({instance.transfer_syntax_uid for instance in instances}))}"
        )
    etag = found.etag((instance for instance, _ in wanted), offer, [syntax for _, syntax in wanted])
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    send = partial(_sent, request, offer, wanted, {"ETag": etag}, len(instances) - len(wanted))
    return send() if all(map(_is_stored, wanted)) else Slow(send)


def _sent(
    request: DicomWebRequest, offer: Offer, wanted: Sequence[Wanted], headers: dict[str, str], missing: int
) -> ASGIApp:
    if offer.media_type == DICOM and not offer.multipart:
        ((instance, syntax),) = wanted
        return single(request, opener(request, instance, syntax), label(syntax), headers["ETag"])
    status = HTTPStatus.PARTIAL_CONTENT if missing else HTTPStatus.OK
    if missing:
        left_out = f"{missing} of {len(wanted) + missing} instances cannot be given in that transfer syntax."
        headers["Warning"] = warning(request.base_url, left_out)
    if offer.media_type == ZIP:
        return _zipped(request, wanted, headers, status)
    return several(request, DICOM, _parts(request, wanted), headers, status)


def opener(request: DicomWebRequest, instance: StoredInstance, syntax: str) -> Open:
    """Return what opens an instance as a file in a transfer syntax."""
    if syntax == instance.transfer_syntax_uid:
        return partial(request.services.frames.open, instance)
    return partial(opened, request, instance, syntax)


def label(syntax: str) -> str:
    """Return the Content-Type of an object in a transfer syntax."""
    return f"{DICOM}; transfer-syntax={syntax}"


def _is_stored(wanted: Wanted) -> bool:
    instance, syntax = wanted
    return instance.transfer_syntax_uid == syntax


def _stored(request: DicomWebRequest, instance: StoredInstance) -> Part:
    syntax = instance.transfer_syntax_uid
    return of_file(opener(request, instance, syntax), instance.size_bytes, label(syntax))


def _parts(request: DicomWebRequest, wanted: Sequence[Wanted]) -> Sequence[Part] | Iterator[Part]:
    if all(map(_is_stored, wanted)):
        return [_stored(request, instance) for instance, _ in wanted]
    if len(wanted) == 1:
        return [_transcoded(request, *wanted[0])]
    return (_prepared(request, one) for one in wanted)


def _prepared(request: DicomWebRequest, wanted: Wanted) -> Part:
    """Make the part of one object; one that turns out to have no way to its syntax goes as it is stored."""
    instance, syntax = wanted
    if _is_stored(wanted):
        return _stored(request, instance)
    try:
        return _transcoded(request, instance, syntax)
    except NotAcceptableError:
        return _stored(request, instance)


def _transcoded(request: DicomWebRequest, instance: StoredInstance, syntax: str) -> Part:
    open_file = opener(request, instance, syntax)
    with open_file() as file:
        return of_file(open_file, file.size_bytes, label(syntax))


def _zipped(request: DicomWebRequest, wanted: Sequence[Wanted], headers: dict[str, str], status: HTTPStatus) -> ASGIApp:
    headers |= {
        "Content-Type": ZIP,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{list(request.variables.values())[-1]}.zip"',
    }
    if all(map(_is_stored, wanted)):
        files = [(_name(instance), instance.size_bytes) for instance, _ in wanted]
        headers["Content-Length"] = str(archive_size(files))
    return ThreadedResponse(_archived(request, wanted), request.run, headers, status)


def _name(instance: StoredInstance) -> str:
    return f"{instance.sop_instance_uid}.dcm"


def _archived(request: DicomWebRequest, wanted: Sequence[Wanted]) -> Generator[Piece, None, None]:
    writer = ZipWriter()
    for one in wanted:
        part = _prepared(request, one)
        whole = ByteRange(0, part.size_bytes)
        if part.size_bytes <= PIECE_BYTES:
            data = b"".join(in_memory(read_pieces(part.open, whole)))
            yield writer.head(_name(one[0]), len(data), zlib.crc32(data))
            yield data
        else:
            crc32 = 0
            for piece in in_memory(read_pieces(part.open, whole)):  # twice: the second time it comes out of memory
                crc32 = zlib.crc32(piece, crc32)
            yield writer.head(_name(one[0]), part.size_bytes, crc32)
            yield from read_pieces(part.open, whole)
    yield writer.end()


_ACCEPT: Final = Parameter("accept", "A media type, in place of the Accept header.")
_ADDRESSES: Final = (
    ("RetrieveStudy", "/studies/{study}", "Retrieve the objects of a study"),
    ("RetrieveSeries", "/studies/{study}/series/{series}", "Retrieve the objects of a series"),
    ("RetrieveInstance", "/studies/{study}/series/{series}/instances/{instance}", "Retrieve an object"),
)

RESOURCES: Final = tuple(
    Resource(
        name,
        "GET",
        path,
        _retrieve,
        summary,
        (_ACCEPT,),
        (f'multipart/related; type="{DICOM}"', DICOM, ZIP),
        statuses=(200, 206, 304, 400, 404, 406, 416, 503),
    )
    for name, path, summary in _ADDRESSES
)
