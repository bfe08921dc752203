"""WADO-RS, rendered resources and thumbnails: pictures of studies, series, instances and frames; documents and videos.

- One picture stands for what has several: of an instance its representative frame, of a series or study an image from
  the middle, or one beside it where that cannot be shown. As a multipart each instance, or each frame of an instance,
  has a part.
- Frames that are named are all shown, or the request fails. Of all frames or images, those that cannot be shown are
  left out: the answer is 206 and says so (`ahead`).
- A GIF of several frames is a loop of them. A PDF, a video or a model is handed through as it is; its thumbnail is a
  symbol, for viewers ask for one of whatever they list.

Ref: PS3.18 §10.4.1.1.3, §10.4.1.1.4, §8.7.4.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import Final

from starlette.types import ASGIApp

from archimage.dicom.render.options import RenderOptions
from archimage.errors import ArchimageError, DicomError, NotAcceptableError, NotFoundError
from archimage.model.records import StoredInstance
from archimage.services.bulk import BulkValue
from archimage.web.dicomweb import found
from archimage.web.dicomweb.ahead import make_ahead
from archimage.web.dicomweb.answers import Part, held, not_modified, of_bytes, several, single
from archimage.web.dicomweb.negotiation import Offer
from archimage.web.dicomweb.options import PARAMETERS, THUMBNAIL, VIEWPORT, picture_options, thumbnail_options
from archimage.web.dicomweb.parameters import Parameters
from archimage.web.dicomweb.presentation import stated
from archimage.web.dicomweb.resources import ACCEPT, DicomWebRequest, Handler, Resource
from archimage.web.dicomweb.transcoded import Slow, answered, unless_impossible
from archimage.web.errors import warning

JPEG: Final = "image/jpeg"
GIF: Final = "image/gif"
PICTURES: Final = (JPEG, "image/png", GIF, "image/jp2")
_ALONE: Final = tuple(Offer(kind) for kind in PICTURES)
_LOOP: Final = Offer(GIF)
_PARTS: Final = tuple(Offer(kind, multipart=True) for kind in PICTURES)
_REPRESENTATIVE_FRAME_NUMBER: Final = 0x00286010
_MOST_TRIED: Final = 8
"""Images that are drawn to find one that can be shown."""

Read = Callable[[Parameters], RenderOptions]


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame of an instance, and the address of its picture, empty where it has none of its own."""

    instance: StoredInstance
    number: int
    location: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What tells which picture this is."""
        return {"Content-Location": self.location} if self.location else {}


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be drawn of any frame."""

    request: DicomWebRequest
    options: RenderOptions
    media_type: str

    def of(self, shown: Shown) -> bytes:
        """Draw a frame; blocks.

        Raises:
            NotAcceptableError: it cannot be shown; says which.
        """
        instance, number = shown.instance, shown.number
        try:
            with unless_impossible():
                return self.request.services.rendering.frame(instance, number, self.options, self.media_type)
        except NotAcceptableError as error:
            raise NotAcceptableError(
                f"frame {number} of {instance.sop_instance_uid} cannot be shown: {error}"
            ) from error

    def part(self, shown: Shown) -> Part:
        """Draw a frame as a part of an answer; raises what `of` raises."""
        return of_bytes(self.of(shown), self.media_type, shown.headers)

    def loop(self, instance: StoredInstance, numbers: Sequence[int]) -> bytes:
        """Draw frames of an instance, all unless some are named, as a GIF; raises what `of` raises."""
        with unless_impossible():
            return self.request.services.rendering.loop(instance, self.options, numbers)

    def answer(self, data: bytes, etag: str, more: Mapping[str, str]) -> ASGIApp:
        """Answer with a picture alone, or the range of it that is asked for."""
        return single(self.request, partial(held, data), self.media_type, etag, more)


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
    offer = request.choose(_ALONE if thumbnail else _ALONE + _PARTS if len(numbers) == 1 else (*_PARTS, _LOOP)).offer
    check_frame(request, instance, max(numbers))
    if offer == _LOOP and len(numbers) > 1 and not thumbnail:
        return _loop(request, options, instance, numbers)
    address = found.address(request)
    shown = [Shown(instance, number, _location(address, number)) for number in numbers]
    if thumbnail:
        shown = shown[:1]
    return pictures(request, offer, options, shown, named=True)


def _instance(request: DicomWebRequest, options: RenderOptions, *, thumbnail: bool) -> ASGIApp | Slow:
    instance = found.instance(request)
    kind = request.services.rendering.media_type(instance)
    if kind is not None:
        if thumbnail:
            return _symbol(request, options, instance, kind)
        request.choose((Offer(kind),))
        return document(request, instance, kind)
    (image, number), options = stated(request, instance, options) or ((instance, 0), options)
    count = check_frame(request, image, max(1, number))
    offer = request.choose(_ALONE if thumbnail else _ALONE + _PARTS).offer
    address = found.address(request)
    if offer.multipart and not number:
        own = "" if image is not instance else address  # a state has no frames
        shown = [Shown(image, one, own and _location(own, one)) for one in range(1, count + 1)]
        return pictures(request, offer, options, shown)
    if offer.media_type == GIF and count > 1 and not thumbnail:
        return _loop(request, options, image)
    number = number or representative_frame(request, image)
    return pictures(request, offer, options, [Shown(image, number, f"{address}/rendered")])


def _symbol(request: DicomWebRequest, options: RenderOptions, instance: StoredInstance, kind: str) -> ASGIApp | Slow:
    """Answer with a thumbnail that stands for what an instance wraps."""
    picture = Picture(request, options, request.choose(_ALONE).offer.media_type)
    etag = found.etag((instance,), options, picture.media_type, kind)
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    viewport = options.viewport or THUMBNAIL
    return Slow(lambda: picture.answer(request.services.rendering.symbol(kind, viewport, picture.media_type), etag, {}))


def _collection(request: DicomWebRequest, options: RenderOptions, *, thumbnail: bool) -> ASGIApp | Slow:
    images = _images(request)
    offer = request.choose(_ALONE if thumbnail else _PARTS + _ALONE).offer
    if not offer.multipart:
        images = _from_the_middle(images)
    shown = (
        Shown(one, number, _location(address, number))
        for address, one in images
        if _is_image(request, one)
        for number in (representative_frame(request, one),)
    )
    chosen = list(shown if offer.multipart else islice(shown, _MOST_TRIED))
    if not chosen:
        wrapped = ((one, request.services.rendering.media_type(one)) for _, one in images if thumbnail)
        for one, kind in wrapped:
            if kind is not None:
                return _symbol(request, options, one, kind)
        raise NotAcceptableError("nothing of this has pixels that can be shown")
    return pictures(request, offer, options, chosen)


def _images(request: DicomWebRequest) -> list[tuple[str, StoredInstance]]:
    """Return what may be an image of the study or series that the path names, with its address.

    Raises:
        NotFoundError: the study or series is not there.
    """
    study = request.variables["study"]
    images = [
        (f"{request.base_url}/studies/{study}/series/{uid}/instances/{one.sop_instance_uid}", one)
        for uid in found.series_uids(request)
        for one in request.services.frames.images(study, uid)
    ]
    if not images:
        found.instances(request)
    return images


def _location(address: str, number: int) -> str:
    """Return where the picture of a frame is, of the instance at an address."""
    return f"{address}/frames/{number}/rendered"


def _from_the_middle(images: Sequence[tuple[str, StoredInstance]]) -> list[tuple[str, StoredInstance]]:
    half = len(images) // 2
    return [images[number] for number in sorted(range(len(images)), key=lambda number: abs(number - half))]


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


def _loop(
    request: DicomWebRequest, options: RenderOptions, instance: StoredInstance, numbers: Sequence[int] = ()
) -> ASGIApp | Slow:
    """Answer with a GIF of frames of an instance, all of them unless some are named."""
    picture = Picture(request, options, GIF)
    etag = found.etag((instance,), options, "loop", numbers)
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    return Slow(lambda: picture.answer(picture.loop(instance, numbers), etag, {}))


def pictures(
    request: DicomWebRequest, offer: Offer, options: RenderOptions, shown: Sequence[Shown], *, named: bool = False
) -> ASGIApp | Slow:
    """Answer with pictures of frames in parts, of those that are named with all; or alone, with the first that can be
    shown; blocks."""
    picture = Picture(request, options, offer.media_type)
    numbers = [one.number for one in shown]
    etag = found.etag((one.instance for one in shown), options, offer, numbers, multipart=offer.multipart)
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged
    return Slow(partial(_in_parts if offer.multipart else _alone, picture, shown, etag, named=named))


def _alone(picture: Picture, shown: Sequence[Shown], etag: str, *, named: bool) -> ASGIApp:
    """Answer with the first picture that can be shown, or the reason why the first cannot."""
    reason: ArchimageError | None = None
    for one in shown[:1] if named else shown:
        try:
            return picture.answer(picture.of(one), etag, one.headers)
        except (NotAcceptableError, NotFoundError) as error:
            reason = reason or error
    raise reason or NotAcceptableError("nothing of this can be shown")


def _in_parts(picture: Picture, shown: Sequence[Shown], etag: str, *, named: bool) -> ASGIApp:
    """Answer with a part for each picture; where not all are named, those are left out that turn out in time."""
    drawn = make_ahead(shown, picture.part, all_of_them=named)
    headers, status = {"ETag": etag}, HTTPStatus.OK
    if drawn.left_out:
        status = HTTPStatus.PARTIAL_CONTENT
        text = f"{len(drawn.left_out)} of {len(shown)} images cannot be shown and were left out."
        headers["Warning"] = warning(picture.request.base_url, text)
    return several(picture.request, picture.media_type, drawn.parts(picture.part), headers, status)


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
            (*PARAMETERS, ACCEPT),
            _PRODUCED + _HANDED_THROUGH if wraps else _PRODUCED,
            statuses=_STATUSES,
        ),
        Resource(
            f"Retrieve{name}Thumbnail",
            "GET",
            f"{path}/thumbnail",
            _rendering(thumbnail_options, thumbnail=True),
            f"Retrieve a small picture of {what}",
            (VIEWPORT, ACCEPT),
            PICTURES,
            statuses=_STATUSES,
        ),
    )
)
