"""Pictures of stored images for those who cannot read DICOM: frames, loops, and documents handed through.

Pixels are decoded and rendered by worker processes (`ports.PixelWork`).

Ref: PS3.18 §10.4.1.1.4 (rendered resources), §8.7.4 (their media types).
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from archimage.dicom.codecs.syntaxes import VIDEO
from archimage.dicom.layout import PIXEL_DATA
from archimage.dicom.render.options import RenderOptions, Viewport
from archimage.errors import ExcessiveRequestError, NotAcceptableError, NotFoundError
from archimage.model.records import StoredInstance
from archimage.ports.pixels import PixelWork
from archimage.services.attributes import native_frame_bytes
from archimage.services.bulk import BulkValue
from archimage.services.frames import FrameService

_ENCAPSULATED_DOCUMENT: Final = 0x00420011
_DOCUMENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "1.2.840.10008.5.1.4.1.1.104.1": "application/pdf",
        "1.2.840.10008.5.1.4.1.1.104.2": "text/xml",
        "1.2.840.10008.5.1.4.1.1.104.3": "model/stl",
        "1.2.840.10008.5.1.4.1.1.104.4": "model/obj",
        "1.2.840.10008.5.1.4.1.1.104.5": "model/mtl",
    }
)
_MPEG_2: Final = frozenset({"1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.100.1", "1.2.840.10008.1.2.4.101",
                            "1.2.840.10008.1.2.4.101.1"})  # fmt: skip
MAX_LOOP_FRAMES: Final = 1_000
MAX_LOOP_BYTES: Final = 128 << 20


@dataclass(frozen=True, slots=True)
class Document:
    """What an object wraps and any browser can show; value is open until it is closed."""

    media_type: str
    value: BulkValue


class RenderingService:
    """Renders; all of it blocks."""

    def __init__(self, frames: FrameService, work: PixelWork) -> None:
        self._frames = frames
        self._work = work

    def media_type(self, instance: StoredInstance) -> str | None:
        """Return the media type of what an instance wraps, if it is no image: PDF, video, CDA, a model."""
        if instance.transfer_syntax_uid in VIDEO:
            return "video/mpeg" if instance.transfer_syntax_uid in _MPEG_2 else "video/mp4"
        return _DOCUMENTS.get(instance.sop_class_uid)

    def document(self, instance: StoredInstance) -> Document:
        """Open what an instance wraps, as it is.

        Raises:
            NotAcceptableError: it is an image, or nothing that could be shown.
        """
        media_type = self.media_type(instance)
        if media_type is None:
            raise NotAcceptableError("the instance wraps neither a document nor a video")
        tag = PIXEL_DATA if instance.transfer_syntax_uid in VIDEO else _ENCAPSULATED_DOCUMENT
        return Document(media_type, self._frames.bulk(instance, (tag,)))

    def symbol(self, wrapped: str, viewport: Viewport, media_type: str) -> bytes:
        """Draw what stands for a document or video of a media type, as large as fits the viewport.

        Raises:
            UnavailableError: too many images wait to be rendered.
        """
        asked: dict[str, Any] = {"wrapped": wrapped, "size": [viewport.vw, viewport.vh], "media_type": media_type}
        return _data(self._work.submit("symbolise", asked, []))

    def frame(self, instance: StoredInstance, number: int, options: RenderOptions, media_type: str) -> bytes:
        """Render one frame, the first being 1.

        Raises:
            NotFoundError: there is no such frame.
            NotAcceptableError: the instance has no pixels that can be rendered.
            InvalidPixelDataError: they cannot be decoded.
            UnavailableError: too many images wait to be rendered.
        """
        asked = self._asked(instance, [number], options) | {"media_type": media_type}
        frame = self._frames.frame(instance, number)
        header = self._frames.header(instance)
        size = native_frame_bytes(header, instance.transfer_syntax_uid)
        return _data(self._work.submit("render", asked, [header, frame.data], native_bytes=size))

    def loop(self, instance: StoredInstance, options: RenderOptions, numbers: Sequence[int] = ()) -> bytes:
        """Render frames, all of them unless some are named, as a GIF that shows them one after the other.

        Raises:
            ExcessiveRequestError: they are too many, or too large.
            NotFoundError, NotAcceptableError, InvalidPixelDataError, UnavailableError: as `frame`.
        """
        numbers = numbers or range(1, self._frames.frame_count(instance) + 1)
        if len(numbers) > MAX_LOOP_FRAMES:
            raise ExcessiveRequestError(f"{len(numbers)} frames; at most {MAX_LOOP_FRAMES} are made into a GIF")
        asked = self._asked(instance, numbers, options)
        data, size = [self._frames.header(instance)], 0
        for frame in self._frames.frames(instance, numbers):
            size += len(frame.data)
            if size > MAX_LOOP_BYTES:
                raise ExcessiveRequestError(
                    f"its frames are larger than {MAX_LOOP_BYTES >> 20} MiB; ask for single ones"
                )
            data.append(frame.data)
        whole = native_frame_bytes(data[0], instance.transfer_syntax_uid) * len(numbers)
        return _data(self._work.submit("animate", asked, data, native_bytes=whole))

    def _asked(self, instance: StoredInstance, numbers: Sequence[int], options: RenderOptions) -> dict[str, Any]:
        pixel = self._frames.pixel(instance)
        if pixel is None:
            raise NotAcceptableError("the instance has no pixels")
        count = self._frames.frame_count(instance)
        missing = next((number for number in numbers or (1,) if not 1 <= number <= count), None)
        if missing is not None:
            raise NotFoundError(f"there is no frame {missing}")
        return {
            "syntax": instance.transfer_syntax_uid,
            "pixel": [pixel.tag, pixel.vr],
            "numbers": list(numbers),
            "render": options.to_json(),
        }


def _data(future: Future[tuple[dict[str, Any], bytes]]) -> bytes:
    return future.result()[1]
