"""WADO-RS, frames: one by one as they are stored, by one read of the file, or decoded or encoded as is asked for.

Ref: PS3.18 §10.4.1.1.6 (pixel data), §8.7.3.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Final

from starlette.types import ASGIApp

from archimage.dicom.layout import DEFLATED_SYNTAXES, PIXEL_DATA
from archimage.errors import NotAcceptableError, NotFoundError
from archimage.model.records import StoredInstance
from archimage.services.transcoding import has_way
from archimage.web.dicomweb import found, transcoded
from archimage.web.dicomweb.ahead import make_ahead
from archimage.web.dicomweb.answers import (
    Open,
    Part,
    held,
    not_modified,
    of_bytes,
    of_file,
    only,
    several,
    single,
)
from archimage.web.dicomweb.forms import BYTES, PICTURES, choices, frame_form, frame_offers, frame_syntax, video_type
from archimage.web.dicomweb.negotiation import Choice, Offer
from archimage.web.dicomweb.resources import ACCEPT, DicomWebRequest, Resource
from archimage.web.dicomweb.transcoded import Slow, answered
from archimage.web.responses import PIECE_BYTES


@dataclass(frozen=True, slots=True)
class FrameForm:
    """How the frames of one instance are given; location is the address of the instance."""

    instance: StoredInstance
    offer: Offer
    syntax: str
    location: str

    @property
    def is_stored(self) -> bool:
        """Tell whether nothing has to be made."""
        return self.syntax == frame_syntax(self.instance.transfer_syntax_uid)

    @property
    def content_type(self) -> str:
        """The media type, with the transfer syntax."""
        return f"{self.offer.media_type}; transfer-syntax={self.syntax}"

    def label(self, number: int) -> dict[str, str]:
        """Return the headers of a frame's part, its Content-Type aside."""
        return {"Content-Location": f"{self.location}/frames/{number}"}


async def _retrieve(request: DicomWebRequest) -> ASGIApp:
    return await answered(request, _frames)


def _frames(request: DicomWebRequest) -> ASGIApp | Slow:
    numbers = found.frame_numbers(request.variables["frames"])
    instance = found.instance(request)
    ranked = choices(request, frame_offers(instance.transfer_syntax_uid, alone=len(numbers) == 1))
    form = _form(request, instance, ranked)
    how = (form.content_type, numbers, transcoded.percent(request))
    etag = found.etag((instance,), *how, multipart=form.offer.multipart)
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    if len(numbers) > 1:
        count = request.services.frames.frame_count(instance)
        if count and max(numbers) > count:
            raise NotFoundError(f"there is no frame {max(numbers)}: the instance has {count}")
    send = partial(_sent, request, form, numbers, etag)
    return send() if form.is_stored else Slow(send)


def _sent(request: DicomWebRequest, form: FrameForm, numbers: Sequence[int], etag: str) -> ASGIApp:
    """Answer with frames, all of those that are asked for; that one cannot be had is told before, where it can be."""
    if not form.offer.multipart:
        return single(request, _opener(request, form, numbers[0]), form.content_type, etag)
    if len(numbers) == 1:
        return only(request, _part(request, form, numbers[0]), etag)
    if form.is_stored:
        first, rest = _part(request, form, numbers[0]), frame_parts(request, form, numbers[1:])
        return several(request, form.offer.media_type, chain((first,), rest), {"ETag": etag})
    make = partial(_part, request, form)
    made = make_ahead(numbers, make, all_of_them=True)
    return several(request, form.offer.media_type, made.parts(make), {"ETag": etag})


def _form(request: DicomWebRequest, instance: StoredInstance, ranked: Sequence[Choice]) -> FrameForm:
    offer, syntax = frame_form(instance.transfer_syntax_uid, ranked, has_way)
    return FrameForm(instance, offer, syntax, found.address(request))


def _opener(request: DicomWebRequest, form: FrameForm, number: int) -> Open:
    """Return what opens a frame; one in another transfer syntax is made now."""
    if form.is_stored:
        return partial(request.services.frames.frame_value, form.instance, number)
    try:
        return partial(held, transcoded.frame(request, form.instance, number, form.syntax))
    except NotAcceptableError as error:
        raise NotAcceptableError(f"frame {number} cannot be given so: {error}") from error


def _part(request: DicomWebRequest, form: FrameForm, number: int) -> Part:
    """Make the part of a frame; one of a size that is read at once is read now."""
    value = _opener(request, form, number)
    with value() as frame:
        size = frame.size_bytes
        data = frame.read(0, size) if size <= PIECE_BYTES else None
    if data is None:
        return of_file(value, size, form.content_type, form.label(number))
    return of_bytes(data, form.content_type, form.label(number))


def frame_parts(request: DicomWebRequest, form: FrameForm, numbers: Sequence[int]) -> Iterator[Part]:
    """Yield frames, each made or read when its turn comes; blocks."""
    if form.is_stored and form.instance.transfer_syntax_uid in DEFLATED_SYNTAXES:
        frames = request.services.frames.frames(form.instance, numbers)  # inflated once, not for each frame
        for number, frame in zip(numbers, frames, strict=True):
            yield of_bytes(frame.data, form.content_type, form.label(number))
        return
    for number in numbers:
        yield _part(request, form, number)


async def _retrieve_all(request: DicomWebRequest) -> ASGIApp:
    return await answered(request, _all_frames)


def _all_frames(request: DicomWebRequest) -> ASGIApp | Slow:
    """Answer with the pixels of an instance: every frame, or the stream of a video."""
    instance = found.instance(request)
    kind = video_type(instance.transfer_syntax_uid)
    ranked = choices(request, frame_offers(instance.transfer_syntax_uid, alone=kind is not None))
    count = request.services.frames.frame_count(instance)
    if kind is not None:
        return _video(request, instance, ranked)
    if not count:
        raise NotAcceptableError("the object has no pixels, or they are not what its header describes")
    form = _form(request, instance, ranked)
    how = (form.content_type, transcoded.percent(request))
    etag = found.etag((instance,), *how, multipart=form.offer.multipart)
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    send = partial(_sent, request, form, range(1, count + 1), etag)
    return send() if form.is_stored else Slow(send)


def _video(request: DicomWebRequest, instance: StoredInstance, ranked: Sequence[Choice]) -> ASGIApp:
    """Answer with the stream as it is stored; players ask for ranges of it."""
    form = _form(request, instance, ranked)
    etag = found.etag((instance,), form.content_type, "stream", multipart=form.offer.multipart)
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    if not form.offer.multipart:
        return single(request, _stream(request, instance), form.content_type, etag)
    return only(request, stream_part(request, form), etag)


def _stream(request: DicomWebRequest, instance: StoredInstance) -> Open:
    return partial(request.services.frames.bulk, instance, (PIXEL_DATA,))


def stream_part(request: DicomWebRequest, form: FrameForm) -> Part:
    """Make the part of a video's stream."""
    stream = _stream(request, form.instance)
    with stream() as value:
        return of_file(stream, value.size_bytes, form.content_type, {"Content-Location": f"{form.location}/frames"})


_INSTANCE: Final = "/studies/{study}/series/{series}/instances/{instance}"
_KINDS: Final = (BYTES, *PICTURES)
_PRODUCED: Final = (*(f'multipart/related; type="{kind}"' for kind in _KINDS), *_KINDS)

_RETRIEVE: Final = Resource(
    "RetrieveFrames",
    "GET",
    f"{_INSTANCE}/frames/{{frames}}",
    _retrieve,
    "Retrieve frames, counted from 1, several with commas",
    (ACCEPT, transcoded.QUALITY),
    _PRODUCED,
    statuses=(200, 206, 304, 400, 404, 406, 416, 503),
)

RESOURCES: Final = (
    _RETRIEVE,
    replace(
        _RETRIEVE,
        name="RetrieveAllFrames",
        path=f"{_INSTANCE}/frames",
        handler=_retrieve_all,
        summary="Retrieve every frame of an object, or the stream of a video",
        produces=(*_PRODUCED, "video/mp4", "video/mpeg", "video/h265"),
    ),
    replace(
        _RETRIEVE,
        name="RetrievePixelData",
        path=f"{_INSTANCE}/pixeldata",
        handler=_retrieve_all,
        summary="Retrieve the pixels of an object, each frame in a part",
        produces=(*_PRODUCED, "video/mp4", "video/mpeg", "video/h265"),
    ),
)
