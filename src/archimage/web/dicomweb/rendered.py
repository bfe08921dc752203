"""WADO-RS, rendered resources and thumbnails: pictures of studies, series, instances and frames; documents and videos.

- One picture stands for what has several: of an instance its representative frame, of a series or study an image from
  the middle. As a multipart each instance, or each frame of an instance, has a part.
- A GIF of an instance of several frames is a loop of them. A PDF, a video or a model is handed through as it is.

Ref: PS3.18 §10.4.1.1.3, §10.4.1.1.4, §8.7.4.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Final

from starlette.types import ASGIApp

from archimage.dicom.render import RenderOptions
from archimage.errors import DicomError, NotAcceptableError, NotFoundError
from archimage.model.records import StoredInstance
from archimage.services.bulk import BulkValue
from archimage.web.dicomweb import found
from archimage.web.dicomweb.answers import Part, WholeAnswer, not_modified, of_bytes, several, single
from archimage.web.dicomweb.negotiation import Offer
from archimage.web.dicomweb.options import PARAMETERS, VIEWPORT, picture_options, thumbnail_options
from archimage.web.dicomweb.parameters import Parameters
from archimage.web.dicomweb.presentation import stated
from archimage.web.dicomweb.resources import DicomWebRequest, Handler, Parameter, Resource
from archimage.web.dicomweb.transcoded import Slow, answered, unless_impossible

JPEG: Final = "image/jpeg"
GIF: Final = "image/gif"
PICTURES: Final = (JPEG, "image/png", GIF, "image/jp2")
_ALONE: Final = tuple(Offer(kind) for kind in PICTURES)
_PARTS: Final = tuple(Offer(kind, multipart=True) for kind in PICTURES)
_REPRESENTATIVE_FRAME_NUMBER: Final = 0x00286010
_MOST_TRIED: Final = 64
"""Instances that are looked at to find one that can be shown."""

Shown = tuple[StoredInstance, int]
"""An instance and the number of a frame."""
Read = Callable[[Parameters], RenderOptions]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be drawn of any frame."""

    request: DicomWebRequest
    options: RenderOptions
    media_type: str

    def of(self, instance: StoredInstance, number: int) -> bytes:
        """Draw a frame; blocks.

        Raises:
            NotAcceptableError: it cannot be shown.
        """
        with unless_impossible():
            return self.request.services.rendering.frame(instance, number, self.options, self.media_type)

    def loop(self, instance: StoredInstance) -> bytes:
        """Draw all frames of an instance as a GIF; raises what `of` raises."""
        with unless_impossible():
            return self.request.services.rendering.loop(instance, self.options)

    def answer(self, data: bytes, etag: str) -> ASGIApp:
        """Answer with a picture alone."""
        return WholeAnswer(
            (data,), {"Content-Type": self.media_type, "ETag": etag, "Cache-Control": "private, no-cache"}
        )


def document(request: DicomWebRequest, instance: StoredInstance, kind: str) -> ASGIApp:
    """Answer with the document or video that an instance wraps; blocks."""
    etag = found.etag((instance,), kind)
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged

    def open_value() -> BulkValue:
        return request.services.rendering.document(instance).value

    return single(request, open_value, kind, etag)


def _rendering(read: Read, *, thumbnail: bool) -> Handler:
    async def handle(request: DicomWebRequest) -> ASGIApp:
        options = read(request.query)
        if "frames" in request.variables:
            return await answered(request, partial(_frames, options=options, thumbnail=thumbnail))
        if "instance" in request.variables:
            return await answered(request, partial(_instance, options=options, thumbnail=thumbnail))
        return await answered(request, partial(_collection, options=options, thumbnail=thumbnail))

    return handle


def _frames(request: DicomWebRequest, options: RenderOptions, *, thumbnail: bool) -> ASGIApp | Slow:
    numbers = found.frame_numbers(request.variables["frames"])
    instance = found.instance(request)
    offer = request.choose(_ALONE if thumbnail else _ALONE + _PARTS if len(numbers) == 1 else _PARTS).offer
    check_frame(request, instance, max(numbers))
    shown = [(instance, number) for number in numbers]
    return pictures(request, offer, options, shown[:1] if thumbnail else shown)


def _instance(request: DicomWebRequest, options: RenderOptions, *, thumbnail: bool) -> ASGIApp | Slow:
    instance = found.instance(request)
    kind = request.services.rendering.media_type(instance)
    if kind is not None:
        if thumbnail:
            raise NotAcceptableError(f"there are no pictures of objects that wrap {kind}")
        request.choose((Offer(kind),))
        return document(request, instance, kind)
    shown, options = stated(request, instance, options) or ((instance, 0), options)
    count = check_frame(request, shown[0], max(1, shown[1]))
    offer = request.choose(_ALONE if thumbnail else _ALONE + _PARTS).offer
    if offer.multipart and not shown[1]:
        return pictures(request, offer, options, [(instance, number) for number in range(1, count + 1)])
    if offer.media_type == GIF and count > 1 and not thumbnail:
        return _loop(request, options, shown[0])
    number = shown[1] or representative_frame(request, shown[0])
    return pictures(request, offer, options, [(shown[0], number)])


def _collection(request: DicomWebRequest, options: RenderOptions, *, thumbnail: bool) -> ASGIApp | Slow:
    instances = found.instances(request)
    offer = request.choose(_ALONE if thumbnail else _PARTS + _ALONE).offer
    if offer.multipart:
        shown = [(one, 1) for one in instances if _is_image(request, one)]
    else:
        images = (one for one in _from_the_middle(instances)[:_MOST_TRIED] if _is_image(request, one))
        shown = [(one, representative_frame(request, one)) for one in islice(images, 1)]
    if not shown:
        raise NotAcceptableError("nothing of this has pixels that can be shown")
    return pictures(request, offer, options, shown)


def _from_the_middle(instances: Sequence[StoredInstance]) -> list[StoredInstance]:
    half = len(instances) // 2
    return [instances[number] for number in sorted(range(len(instances)), key=lambda number: abs(number - half))]


def _is_image(request: DicomWebRequest, instance: StoredInstance) -> bool:
    if request.services.rendering.media_type(instance) is not None:
        return False
    try:
        return request.services.frames.frame_count(instance) > 0
    except (DicomError, NotFoundError):  # it cannot be read, or was removed meanwhile
        return False


def check_frame(request: DicomWebRequest, instance: StoredInstance, number: int) -> int:
    """Return how many frames there are; blocks.

    Raises:
        NotFoundError: there are fewer than number.
        NotAcceptableError: the instance has no pixels.
    """
    with unless_impossible():
        count = request.services.frames.frame_count(instance)
        if not count:
            request.services.frames.frame(instance, 1)  # says why
    if number > count:
        raise NotFoundError(f"there is no frame {number}: the instance has {count}")
    return count


def representative_frame(request: DicomWebRequest, instance: StoredInstance) -> int:
    """Return the frame that stands for an instance: the one that it names, else the first; blocks."""
    frames = request.services.frames
    count = frames.frame_count(instance)
    if count < 2:
        return 1
    try:
        with frames.bulk(instance, (_REPRESENTATIVE_FRAME_NUMBER,)) as value:
            number = int.from_bytes(value.read(0, 2), "little")
    except (DicomError, NotFoundError):
        return 1
    return number if 1 <= number <= count else 1


def _loop(request: DicomWebRequest, options: RenderOptions, instance: StoredInstance) -> ASGIApp | Slow:
    picture = Picture(request, options, GIF)
    etag = found.etag((instance,), options, "loop")
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    return Slow(lambda: picture.answer(picture.loop(instance), etag))


def pictures(request: DicomWebRequest, offer: Offer, options: RenderOptions, shown: Sequence[Shown]) -> ASGIApp | Slow:
    """Answer with pictures of frames, the first one made before the answer begins; blocks."""
    picture = Picture(request, options, offer.media_type)
    etag = found.etag((one for one, _ in shown), options, offer, [number for _, number in shown])
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged

    def work() -> ASGIApp:
        if not offer.multipart:
            return picture.answer(picture.of(*shown[0]), etag)
        first, rest = _drawn(picture, shown)
        return several(request, offer.media_type, chain((first,), rest), {"ETag": etag})

    return Slow(work)


def _drawn(picture: Picture, shown: Sequence[Shown]) -> tuple[Part, Iterator[Part]]:
    """Draw what can be shown, of several leaving out the rest; the first one now."""

    def parts() -> Iterator[Part]:
        for one in shown:
            try:
                yield of_bytes(picture.of(*one), picture.media_type)
            except NotAcceptableError:
                if len(shown) == 1:
                    raise

    rest = parts()
    first = next(rest, None)
    if first is None:
        raise NotAcceptableError("nothing of this can be shown")
    return first, rest


_ACCEPT: Final = Parameter("accept", "A media type, in place of the Accept header.")
_PRODUCED: Final = (*PICTURES, *(f'multipart/related; type="{kind}"' for kind in PICTURES))
_HANDED_THROUGH: Final = (
    "application/pdf",
    "video/mp4",
    "video/mpeg",
    "model/stl",
    "model/obj",
    "model/mtl",
    "text/xml",
)
_ADDRESSES: Final = (
    ("Study", "/studies/{study}", "a study", False),
    ("Series", "/studies/{study}/series/{series}", "a series", False),
    ("Instance", "/studies/{study}/series/{series}/instances/{instance}", "an object", True),
    ("Frames", "/studies/{study}/series/{series}/instances/{instance}/frames/{frames}", "frames", False),
)
_STATUSES: Final = (200, 206, 304, 400, 404, 406, 416, 503)

RESOURCES: Final = tuple(
    resource
    for name, path, what, wraps in _ADDRESSES
    for resource in (
        Resource(
            f"RetrieveRendered{name}",
            "GET",
            f"{path}/rendered",
            _rendering(picture_options, thumbnail=False),
            f"Retrieve pictures of {what}",
            (*PARAMETERS, _ACCEPT),
            _PRODUCED + _HANDED_THROUGH if wraps else _PRODUCED,
            statuses=_STATUSES,
        ),
        Resource(
            f"Retrieve{name}Thumbnail",
            "GET",
            f"{path}/thumbnail",
            _rendering(thumbnail_options, thumbnail=True),
            f"Retrieve a small picture of {what}",
            (VIEWPORT, _ACCEPT),
            PICTURES,
            statuses=_STATUSES,
        ),
    )
)
