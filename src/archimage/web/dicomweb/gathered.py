"""WADO-RS, all bulk data and all pixels of a study, series or instance, each value or frame in a part of its own.

Each part has the Content-Location that the metadata give for the element, a frame that of the frame. What is asked for
in a media type of pictures are the frames: other values are bytes.

Ref: PS3.18 §10.4.1.1.5, §10.4.1.1.6, §10.4.3.3.5.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import Final

from starlette.types import ASGIApp

from archimage.dicom.bulk import BulkPath, format_bulk_path
from archimage.dicom.codecs.syntaxes import EXPLICIT_LITTLE_ENDIAN
from archimage.dicom.layout import PIXEL_TAGS
from archimage.errors import ArchimageError, InvalidPixelDataError, NotAcceptableError
from archimage.logger import logger
from archimage.model.records import StoredInstance
from archimage.services.transcoding import has_way
from archimage.web.dicomweb import found
from archimage.web.dicomweb.ahead import begin
from archimage.web.dicomweb.answers import Open, Part, not_modified, of_file, several
from archimage.web.dicomweb.forms import (
    BYTES,
    PICTURES,
    choices,
    frame_form,
    frame_offers,
    frame_syntax,
    video_type,
)
from archimage.web.dicomweb.frames import FrameForm, frame_parts, stream_part
from archimage.web.dicomweb.negotiation import Choice
from archimage.web.dicomweb.resources import ACCEPT, DicomWebRequest, Handler, Resource
from archimage.web.dicomweb.transcoded import QUALITY, Slow, answered, percent
from archimage.web.errors import warning

_log = logger("web")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An instance, its address, and the form of its frames: None where they cannot be had in any that is taken."""

    instance: StoredInstance
    address: str
    form: FrameForm | None


_Parts = Callable[[DicomWebRequest, _Wanted], Iterator[Part]]


async def _retrieve_bulk_data(request: DicomWebRequest) -> ASGIApp:
    return await answered(request, partial(_answer, parts=_bulk_data))


async def _retrieve_pixel_data(request: DicomWebRequest) -> ASGIApp:
    return await answered(request, partial(_answer, parts=_pixel_data))


def _answer(request: DicomWebRequest, parts: _Parts) -> ASGIApp | Slow:
    ranked = choices(request, frame_offers(EXPLICIT_LITTLE_ENDIAN, alone=False))
    offer = ranked[0].offer
    ranked = tuple(choice for choice in ranked if choice.offer == offer)
    wanted = [_wanted(instance, address, ranked) for address, instance in _addressed(request)]
    syntaxes = [None if one.form is None else one.form.syntax for one in wanted]
    how = (parts.__name__, offer, syntaxes, percent(request))
    etag = found.etag((one.instance for one in wanted), *how, multipart=True)
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    missing = syntaxes.count(None)
    send = partial(_sent, request, wanted, parts, {"ETag": etag}, missing)
    return send() if all(one.form is None or one.form.is_stored for one in wanted) else Slow(send)


def _addressed(request: DicomWebRequest) -> Iterator[tuple[str, StoredInstance]]:
    """Yield what the path names, and the address of each instance."""
    named, services = request.variables, request.services
    study = named["study"]
    for uid in found.series_uids(request):
        start = f"{request.base_url}/studies/{study}/series/{uid}/instances"
        instances = (found.instance(request),) if "instance" in named else services.frames.instances(study, uid)
        for instance in instances:
            yield f"{start}/{instance.sop_instance_uid}", instance


def _wanted(instance: StoredInstance, address: str, ranked: Sequence[Choice]) -> _Wanted:
    """Choose the form of an instance's frames; without a word about transfer syntaxes a video goes as it is stored."""
    stored = instance.transfer_syntax_uid
    try:
        offer, syntax = frame_form(stored, ranked, has_way)
    except NotAcceptableError:
        offer, syntax = ranked[0].offer, frame_syntax(stored)
        if offer.media_type != BYTES or all(choice.transfer_syntax for choice in ranked):
            return _Wanted(instance, address, None)
    return _Wanted(instance, address, FrameForm(instance, offer, syntax, address))


def _sent(
    request: DicomWebRequest, wanted: Sequence[_Wanted], parts: _Parts, headers: dict[str, str], missing: int
) -> ASGIApp:
    left_out = _LeftOut(missing)
    coming = _all_parts(request, wanted, parts, left_out)
    first = next(coming, None)
    if first is None:
        raise NotAcceptableError("nothing of this can be given so: it has none, or none in what is asked for")
    begun = begin(chain((first,), coming))
    left_out.is_told = True
    status = HTTPStatus.OK
    if left_out.count:
        text = f"the pixels of {left_out.count} of {len(wanted)} instances cannot be given in what is asked for."
        headers["Warning"], status = warning(request.base_url, text), HTTPStatus.PARTIAL_CONTENT
    return several(request, first.content_type.partition(";")[0], begun, headers, status)


@dataclass(slots=True)
class _LeftOut:
    """How many instances are not given with all that they have; what turns out after that is told is an error."""

    count: int
    is_told: bool = False


def _all_parts(
    request: DicomWebRequest, wanted: Sequence[_Wanted], parts: _Parts, left_out: _LeftOut
) -> Generator[Part, None, None]:
    """Yield the parts of all instances; among several, one that turns out to be broken is left out from there on."""
    for one in wanted:
        try:
            yield from parts(request, one)
        except ArchimageError as error:
            if len(wanted) == 1 or left_out.is_told:
                raise
            left_out.count += 1
            _log.warning("left out", sop_instance_uid=one.instance.sop_instance_uid, reason=str(error))


def _bulk_data(request: DicomWebRequest, wanted: _Wanted) -> Iterator[Part]:
    """Yield every value that the metadata give by reference."""
    for path in request.services.metadata.references(wanted.instance):
        if len(path) == 1 and path[0] in PIXEL_TAGS:
            yield from _frames_or_all(request, wanted, path)
        else:
            yield _value(request, wanted, path)


def _frames_or_all(request: DicomWebRequest, wanted: _Wanted, path: BulkPath) -> Iterator[Part]:
    """Yield frames, or where not even the first can be had all that is stored of them."""
    frames = _frames(request, wanted)
    try:
        first = next(frames, None)
    except (InvalidPixelDataError, NotAcceptableError):
        yield _value(request, wanted, path)
        return
    if first is not None:
        yield first
        yield from frames


def _value(request: DicomWebRequest, wanted: _Wanted, path: BulkPath) -> Part:
    value: Open = partial(request.services.frames.bulk, wanted.instance, path)
    with value() as opened:
        size = opened.size_bytes
    return of_file(value, size, BYTES, {"Content-Location": f"{wanted.address}/bulkdata/{format_bulk_path(path)}"})


def _pixel_data(request: DicomWebRequest, wanted: _Wanted) -> Iterator[Part]:
    """Yield the frames of an instance, nothing where it is no image."""
    if request.services.frames.pixel(wanted.instance) is not None:
        yield from _frames(request, wanted)


def _frames(request: DicomWebRequest, wanted: _Wanted) -> Iterator[Part]:
    """Yield the frames of an instance in the form that was chosen for it."""
    instance, form = wanted.instance, wanted.form
    if form is None:
        return
    if video_type(instance.transfer_syntax_uid) is not None:
        yield stream_part(request, form)
        return
    count = request.services.frames.frame_count(instance)
    if not count:
        raise InvalidPixelDataError("the pixels are not what the header describes")
    yield from frame_parts(request, form, range(1, count + 1))


_STUDY: Final = "/studies/{study}"
_SERIES: Final = f"{_STUDY}/series/{{series}}"
_INSTANCE: Final = f"{_SERIES}/instances/{{instance}}"
_PRODUCED: Final = tuple(f'multipart/related; type="{kind}"' for kind in (BYTES, *PICTURES))


_STATUSES: Final = (200, 206, 304, 400, 404, 406, 503)


def _resource(name: str, path: str, handler: Handler, summary: str) -> Resource:
    return Resource(name, "GET", path, handler, summary, (ACCEPT, QUALITY), _PRODUCED, statuses=_STATUSES)


RESOURCES: Final = (
    *(
        _resource(
            f"Retrieve{level}BulkData", f"{path}/bulkdata", _retrieve_bulk_data, f"Retrieve all bulk data of {what}"
        )
        for level, path, what in (
            ("Study", _STUDY, "a study"),
            ("Series", _SERIES, "a series"),
            ("Instance", _INSTANCE, "an object"),
        )
    ),
    *(
        _resource(
            f"Retrieve{level}PixelData", f"{path}/pixeldata", _retrieve_pixel_data, f"Retrieve the pixels of {what}"
        )
        for level, path, what in (("Study", _STUDY, "a study"), ("Series", _SERIES, "a series"))
    ),
)
