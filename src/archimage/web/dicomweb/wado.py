"""WADO-RS, objects: studies, series and instances as DICOM files, in parts, alone, or in a ZIP archive.

An object that has no way to a transfer syntax goes as it is stored only where none was named. Of several it is left
out: the answer is 206 and says so, as far as headers, and the pixels of what fits into `ahead`, tell; an object whose
pixels turn out to be broken later breaks the answer off.

Ref: PS3.18 §10.4.1.1.1, §10.4.3.
"""

import zlib
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import Final

from starlette.types import ASGIApp

from archimage.dicom.codecs.syntaxes import EXPLICIT_LITTLE_ENDIAN
from archimage.dicom.mac import is_signed_as_it_is
from archimage.errors import InvalidRequestError, NotAcceptableError, NotFoundError
from archimage.model.records import StoredInstance
from archimage.services.signatures import MAX_BYTES as MAX_SIGNED_BYTES
from archimage.services.transcoding import has_way
from archimage.services.zipping import ZipWriter, archive_size
from archimage.web.dicomweb import found
from archimage.web.dicomweb.ahead import Ahead, make_ahead
from archimage.web.dicomweb.answers import (
    Open,
    Part,
    begun,
    not_modified,
    of_bytes,
    of_file,
    only,
    read_pieces,
    several,
    single,
)
from archimage.web.dicomweb.conditional import ByteRange
from archimage.web.dicomweb.forms import DICOM, ZIP, choices, object_offers, object_syntax
from archimage.web.dicomweb.negotiation import ANY_SYNTAX, Choice, Offer
from archimage.web.dicomweb.resources import ACCEPT, DicomWebRequest, Parameter, Resource
from archimage.web.dicomweb.transcoded import QUALITY, Slow, answered, opened, percent, unless_impossible
from archimage.web.direct import Piece, in_memory
from archimage.web.errors import warning
from archimage.web.responses import PIECE_BYTES, ThreadedResponse


@dataclass(frozen=True, slots=True)
class Wanted:
    """An instance, and the transfer syntax to give it in.

    may_stay tells that the client takes it as it is stored too, if it turns out that it cannot be had in that.
    folder is where it lies in an archive, empty at its top.
    """

    instance: StoredInstance
    syntax: str
    may_stay: bool
    folder: str = ""

    @property
    def is_stored(self) -> bool:
        """Tell whether nothing has to be made."""
        return self.instance.transfer_syntax_uid == self.syntax


async def _retrieve(request: DicomWebRequest) -> ASGIApp:
    return await answered(request, _answer)


def _answer(request: DicomWebRequest) -> ASGIApp | Slow:
    sign = _is_signing(request)
    instances = found.instances(request)
    ranked = choices(request, object_offers(len(instances)))
    offer = ranked[0].offer
    ranked = tuple(choice for choice in ranked if choice.offer == offer)
    found_ways = (wanted_form(instance, ranked) for instance in instances)
    wanted = [one for one in found_ways if one is not None]
    if not wanted:
        raise NotAcceptableError(
            f"nothing of this can be given in transfer syntax {ranked[0].transfer_syntax}; it is stored in "
            f"{', '.join(sorted({instance.transfer_syntax_uid for instance in instances}))}"
        )
    if sign:
        if offer.media_type != ZIP:
            raise InvalidRequestError("sign: only what is retrieved as application/zip is signed")
        return Slow(partial(_sent_signed, request, [_signable(one) for one in wanted], len(instances)))
    syntaxes = [one.syntax for one in wanted]
    how = (offer, syntaxes, percent(request))
    etag = found.etag((one.instance for one in wanted), *how, multipart=offer.multipart)
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    send = partial(_sent, request, offer, wanted, etag, len(instances))
    return send() if all(one.is_stored for one in wanted) else Slow(send)


def wanted_form(instance: StoredInstance, ranked: Sequence[Choice]) -> Wanted | None:
    """Choose the transfer syntax of an instance; None where the client takes it in none that can be had."""
    stored = instance.transfer_syntax_uid
    syntax = object_syntax(stored, ranked, has_way)
    if syntax is None:
        return None
    return Wanted(instance, syntax, any(choice.transfer_syntax in {"", ANY_SYNTAX, stored} for choice in ranked))


def _sent(request: DicomWebRequest, offer: Offer, wanted: Sequence[Wanted], etag: str, count: int) -> ASGIApp:
    """Answer with objects out of count that were asked for; what cannot be had is left out and told, if it is known."""
    make = partial(prepared, request)
    if count == 1 and offer.media_type == DICOM:
        part = make(wanted[0])
        return only(request, part, etag) if offer.multipart else single(request, part.open, part.content_type, etag)
    ready = _ready(request, wanted)
    headers, status = _told(request, ready, count, "in that transfer syntax")
    headers["ETag"] = etag
    if offer.media_type == ZIP:
        return _zipped(request, ready, make, headers, status)
    return several(request, DICOM, ready.parts(make), headers, status)


def _told(request: DicomWebRequest, ready: Ahead[Wanted], count: int, how: str) -> tuple[dict[str, str], HTTPStatus]:
    """Return headers and status that tell how many of count instances are left out."""
    if missing := count - len(ready.made) - len(ready.rest):
        left_out = f"{missing} of {count} instances cannot be given {how}."
        return {"Warning": warning(request.base_url, left_out)}, HTTPStatus.PARTIAL_CONTENT
    return {}, HTTPStatus.OK


def _is_signing(request: DicomWebRequest) -> bool:
    """Tell whether signatures are asked for; InvalidRequestError where there is no key to make them with."""
    asked = request.query.one("sign") or "false"
    if asked not in {"true", "false"}:
        raise InvalidRequestError(f"sign = {asked[:40]!r} is neither true nor false")
    if asked == "true" and not request.services.signatures.can_sign:
        raise InvalidRequestError("sign: this archive has no key to sign with; signatures.key is not set")
    return asked == "true"


def _signable(wanted: Wanted) -> Wanted:
    """Return an instance in a transfer syntax that is signed."""
    if is_signed_as_it_is(wanted.syntax):
        return wanted
    return replace(wanted, syntax=EXPLICIT_LITTLE_ENDIAN, may_stay=False)


def _sent_signed(request: DicomWebRequest, wanted: Sequence[Wanted], count: int) -> ASGIApp:
    """Answer with an archive of objects that are signed on their way, never twice the same."""
    make = partial(_signed, request)
    ready = make_ahead(wanted, make, all_of_them=False)
    return _zipped(request, ready, make, *_told(request, ready, count, "with a signature"))


def _signed(request: DicomWebRequest, wanted: Wanted) -> Part:
    """Make the part of an object with a signature; NotAcceptableError where it cannot have one."""
    part = prepared(request, wanted)
    if part.size_bytes > MAX_SIGNED_BYTES:
        raise NotAcceptableError(f"objects of up to {MAX_SIGNED_BYTES} bytes are signed, and it has {part.size_bytes}")
    with unless_impossible(), part.open() as file:
        return of_bytes(request.services.signatures.signed(file.read(0, part.size_bytes)), part.content_type)


def _ready(request: DicomWebRequest, wanted: Sequence[Wanted]) -> Ahead[Wanted]:
    """Look ahead: what is stored is there, some objects are made, of the others the headers are looked at."""
    if all(one.is_stored for one in wanted):
        return Ahead([(one, prepared(request, one)) for one in wanted], (), ())
    ready = make_ahead(wanted, partial(prepared, request), all_of_them=False)
    return replace(ready, rest=[one for one in ready.rest if _can_be_had(request, one)])


def _can_be_had(request: DicomWebRequest, wanted: Wanted) -> bool:
    """Tell by its header whether an object can be given; its pixels may still be broken."""
    if wanted.is_stored or wanted.may_stay:
        return True
    try:
        with unless_impossible():
            request.services.transcoding.check(wanted.instance, wanted.syntax)
    except (NotAcceptableError, NotFoundError):
        return False
    return True


def opener(request: DicomWebRequest, instance: StoredInstance, syntax: str) -> Open:
    """Return what opens an instance as a file in a transfer syntax."""
    if syntax == instance.transfer_syntax_uid:
        return partial(request.services.frames.open, instance)
    return partial(opened, request, instance, syntax)


def label(syntax: str) -> str:
    """Return the Content-Type of an object in a transfer syntax."""
    return f"{DICOM}; transfer-syntax={syntax}"


def prepared(request: DicomWebRequest, wanted: Wanted) -> Part:
    """Make the part of an object.

    Raises:
        NotAcceptableError: it cannot be had so, and is not to go as it is stored.
    """
    instance = wanted.instance
    if not wanted.is_stored:
        open_file = opener(request, instance, wanted.syntax)
        try:
            with open_file() as file:
                return of_file(open_file, file.size_bytes, label(wanted.syntax))
        except NotAcceptableError:
            if not wanted.may_stay:
                raise
    stored = instance.transfer_syntax_uid
    return of_file(opener(request, instance, stored), instance.size_bytes, label(stored))


def archived(request: DicomWebRequest, wanted: Iterable[Wanted], name: str) -> ASGIApp:
    """Answer with a ZIP archive, under a name without its end, of instances that all are stored so; blocks."""
    make = partial(prepared, request)
    ready = Ahead([(one, make(one)) for one in wanted], (), ())
    return _zipped(request, ready, make, {}, HTTPStatus.OK, name)


def _zipped(
    request: DicomWebRequest,
    ready: Ahead[Wanted],
    make: Callable[[Wanted], Part],
    headers: dict[str, str],
    status: HTTPStatus,
    name: str = "",
) -> ASGIApp:
    """Answer with an archive; without a name it has the last UID of the address."""
    name = name or list(request.variables.values())[-1]
    headers |= {
        "Content-Type": ZIP,
        "Cache-Control": "private, no-cache",
        "Vary": "Accept",
        "Content-Disposition": f'attachment; filename="{name}.zip"',
    }
    if not ready.rest:
        headers["Content-Length"] = str(archive_size([(_name(one), part.size_bytes) for one, part in ready.made]))
    files = chain(ready.made, ((one, make(one)) for one in ready.rest))
    return ThreadedResponse(begun(request, _archived(files), 1), request.run, headers, status)


def _name(wanted: Wanted) -> str:
    return f"{wanted.folder}/{wanted.instance.sop_instance_uid}.dcm".lstrip("/")


def _archived(files: Iterable[tuple[Wanted, Part]]) -> Generator[Piece, None, None]:
    writer = ZipWriter()
    for one, part in files:
        whole = ByteRange(0, part.size_bytes)
        if part.size_bytes <= PIECE_BYTES:
            data = b"".join(in_memory(read_pieces(part.open, whole)))
            yield writer.head(_name(one), len(data), zlib.crc32(data))
            yield data
        else:
            crc32 = 0
            for piece in in_memory(read_pieces(part.open, whole)):  # twice: the second time it comes out of memory
                crc32 = zlib.crc32(piece, crc32)
            yield writer.head(_name(one), part.size_bytes, crc32)
            yield from read_pieces(part.open, whole)
    yield writer.end()


SIGN: Final = Parameter(
    "sign",
    "`true`: in an archive, objects that have no digital signature get one, with the key of `signatures.key`.",
    {"type": "boolean"},
)
ARCHIVE: Final = (Offer(ZIP),)
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
        (ACCEPT, QUALITY, SIGN),
        (f'multipart/related; type="{DICOM}"', DICOM, ZIP),
        statuses=(200, 206, 304, 400, 404, 406, 416, 503),
    )
    for name, path, summary in _ADDRESSES
)
