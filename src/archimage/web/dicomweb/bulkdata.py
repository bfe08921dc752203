"""WADO-RS, bulk data: single values of an object, whole or in ranges.

Ref: PS3.18 §10.4.1.1.5, §8.7.3.
"""

from functools import partial
from typing import Final

from starlette.types import ASGIApp

from archimage.dicom.bulk import BulkPath, parse_bulk_path
from archimage.dicom.layout import PIXEL_DATA
from archimage.errors import InvalidPathError, InvalidRequestError, NotFoundError
from archimage.model.records import StoredInstance
from archimage.web.dicomweb import found
from archimage.web.dicomweb.answers import Open, not_modified, of_file, only, single
from archimage.web.dicomweb.forms import BYTES, choices, video_type
from archimage.web.dicomweb.negotiation import Offer
from archimage.web.dicomweb.resources import DicomWebRequest, Parameter, Resource
from archimage.web.dicomweb.transcoded import answered

_ENCAPSULATED_DOCUMENT: Final = 0x00420011
_MIME_TYPE: Final = 0x00420012
DOCUMENT_TYPES: Final = frozenset(
    {"application/pdf", "model/gltf-binary", "model/mtl", "model/obj", "model/stl", "text/xml", "video/mp4"}
)
"""Encapsulated documents that go out under their own media type; any other is a file of bytes."""


async def _retrieve(request: DicomWebRequest) -> ASGIApp:
    return await answered(request, _answer)


def _answer(request: DicomWebRequest) -> ASGIApp:
    try:
        path = parse_bulk_path(request.variables["path"])
    except InvalidPathError as error:
        raise InvalidRequestError(str(error)) from None
    instance = found.instance(request)
    offer = choices(request, _offers(request, instance, path))[0].offer
    etag = found.etag((instance,), offer, path, multipart=offer.multipart)
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    value: Open = partial(request.services.frames.bulk, instance, path)
    if not offer.multipart:
        return single(request, value, offer.media_type, etag)
    with value() as opened:
        location = f"{found.address(request)}/bulkdata/{request.variables['path']}"
        part = of_file(value, opened.size_bytes, offer.media_type, {"Content-Location": location})
    return only(request, part, etag)


def _offers(request: DicomWebRequest, instance: StoredInstance, path: BulkPath) -> tuple[Offer, ...]:
    """Return the forms of a value: bytes, and what they are where it is known."""
    own = None
    if path == (PIXEL_DATA,):
        own = video_type(instance.transfer_syntax_uid)
    elif path == (_ENCAPSULATED_DOCUMENT,):
        own = document_type(request, instance)
    kinds = (BYTES,) if own is None else (BYTES, own)
    return tuple(Offer(kind, multipart) for multipart in (True, False) for kind in kinds)


def document_type(request: DicomWebRequest, instance: StoredInstance) -> str | None:
    """Return the media type of an encapsulated document; None where it has none that is known here; blocks."""
    try:
        with request.services.frames.bulk(instance, (_MIME_TYPE,)) as value:
            kind = value.read(0, 64).decode("latin-1").strip(" \0").lower()
    except NotFoundError:
        return None
    return kind if kind in DOCUMENT_TYPES else None


RESOURCES: Final = (
    Resource(
        "RetrieveBulkData",
        "GET",
        "/studies/{study}/series/{series}/instances/{instance}/bulkdata/{path:path}",
        _retrieve,
        "Retrieve a value: `00420011`, or `54000100/1/54001010` for one in an item of a sequence",
        (Parameter("accept", "A media type, in place of the Accept header."),),
        (f'multipart/related; type="{BYTES}"', BYTES, "application/pdf", "video/mp4"),
        statuses=(200, 206, 304, 400, 404, 406, 416),
    ),
)
