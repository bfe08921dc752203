"""What worker processes do with pixels: pure functions over encoded frames and headers.

A task takes options, plain values, and data, and returns both again. It may hang or crash on a codestream that lies:
that is why it runs where it can be killed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset

from archimage.dicom.deidentify.coarse import coarsened, volume_of
from archimage.dicom.deidentify.faces import shell_of
from archimage.dicom.deidentify.frames import FrameCleaning
from archimage.dicom.deidentify.placement import Placement
from archimage.dicom.film.work import bind_films, film_object, film_pixels, paint_film
from archimage.dicom.frametranscoding import FrameTranscoding
from archimage.dicom.pixels import PixelDescription, decode_frame, stored_values
from archimage.dicom.render.frames import icc_profile_of, render_frame
from archimage.dicom.render.header import decode_header
from archimage.dicom.render.images import check_profile, encode_gif, encode_image
from archimage.dicom.render.options import RenderOptions
from archimage.dicom.render.profiles import in_space
from archimage.dicom.render.symbols import symbol
from archimage.dicom.selftest import selftest
from archimage.errors import InvalidDatasetError, NotAcceptableError

Task = Callable[[dict[str, Any], list[memoryview]], tuple[dict[str, Any], bytes]]

_FRAME_TIME_MS: Final = 40.0
"""Of a loop that does not say how fast it runs."""


def transcode(options: Mapping[str, Any], data: Sequence[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Transcode a frame; options are those of `FrameTranscoding.to_json`."""
    (frame,) = data
    return {}, bytes(FrameTranscoding.from_json(options).apply(frame))


def compare(options: Mapping[str, Any], data: Sequence[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Tell whether two frames decode to the same samples, bit for bit.

    Options: `syntaxes` of both, and `descriptions` as `PixelDescription.to_json` has them.
    """
    (first, meaning), (second, other_meaning) = (
        decode_frame(frame, syntax, PixelDescription.from_json(description))
        for frame, syntax, description in zip(data, options["syntaxes"], options["descriptions"], strict=True)
    )
    alike = (first.shape, first.dtype, meaning) == (second.shape, second.dtype, other_meaning)
    return {"same": alike and first.tobytes() == second.tobytes()}, b""


def render(options: Mapping[str, Any], data: Sequence[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Make a picture of a frame; data are the header and the frame.

    Options: `syntax` of the object, `pixel` tag and VR of its pixel element, `numbers` of the frames from 1, `render`
    as `RenderOptions.to_json` has it, `media_type` of the picture.
    """
    header = decode_header(bytes(data[0]), options["syntax"])
    wanted = RenderOptions.from_json(options["render"])
    check_profile(options["media_type"], wanted.icc_profile)
    (picture,) = _pictures(header, options, data[1:], wanted)
    picture, profile = in_space(picture, icc_profile_of(header), wanted.icc_profile)
    return {}, encode_image(picture, options["media_type"], wanted.quality, profile)


def animate(options: Mapping[str, Any], data: Sequence[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Make a GIF that shows frames one after the other; options as for `render`."""
    header = decode_header(bytes(data[0]), options["syntax"])
    wanted = RenderOptions.from_json(options["render"])
    check_profile("image/gif", wanted.icc_profile)
    pictures = list(_pictures(header, options, data[1:], wanted))
    return {}, encode_gif(pictures, frame_time_ms(header))


def deidentify(options: Mapping[str, Any], data: Sequence[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Blank a frame where it may name somebody, and tell whether text is in it; options are those of `FrameCleaning`.

    No data come back where the frame stays as it is.
    """
    (frame,) = data
    cleaned, text = FrameCleaning.from_json(options).apply(frame)
    return {"text": text}, cleaned


def coarsen(options: Mapping[str, Any], data: Sequence[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Make a slice coarse, as float32 of its rescaled values.

    Options: `syntax` and `description` of the frame, `rescale` slope and intercept, `by` rows and columns of a block.
    """
    (frame,) = data
    description = PixelDescription.from_json(options["description"])
    array, _ = decode_frame(frame, options["syntax"], description)
    slope, intercept = options["rescale"]
    rows, columns = options["by"]
    cells = coarsened(stored_values(array, description), (rows, columns)) * np.float32(slope) + np.float32(intercept)
    return {"shape": cells.shape}, cells.tobytes()


def find_face(options: Mapping[str, Any], data: Sequence[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Find what has to be removed of a head; data are slices as `coarsen` returns them, all of one shape.

    Options: their `shape`, `by` as above, their `placements`, `body_part`, and whether it is a `ct`. What comes back is
    the `shell`, or why there is none as `refused`.
    """
    stack = np.stack([np.frombuffer(cells, np.float32).reshape(options["shape"]) for cells in data])
    placements = [Placement.from_json(placement) for placement in options["placements"]]
    rows, columns = options["by"]
    try:
        shell = shell_of(volume_of(stack, placements, (rows, columns)), options["body_part"], ct=options["ct"])
    except NotAcceptableError as error:
        return {"refused": str(error)}, b""
    return {"shell": asdict(shell)}, b""


def symbolise(options: Mapping[str, Any], _data: Sequence[memoryview]) -> tuple[dict[str, Any], bytes]:
    """Make a picture that stands for what is no image.

    Options: `wrapped`, the media type of what it stands for, `size`, width and height in pixels, `media_type`.
    """
    return {}, encode_image(symbol(options["wrapped"], *options["size"]), options["media_type"])


def frame_time_ms(header: Dataset) -> float:
    """Return how long each frame of a loop is shown (PS3.3 §C.7.6.5)."""
    for keyword, per_second in (("RecommendedDisplayFrameRate", True), ("FrameTime", False), ("CineRate", True)):
        try:
            value = float(header.get(keyword) or 0)
        except (TypeError, ValueError) as error:
            raise InvalidDatasetError(f"{keyword} is no number") from error
        if value > 0:
            return 1000 / value if per_second else value
    return _FRAME_TIME_MS


def _pictures(
    header: Dataset, options: Mapping[str, Any], frames: Sequence[memoryview], wanted: RenderOptions
) -> Iterator[np.ndarray[Any, Any]]:
    tag, vr = options["pixel"]
    description = PixelDescription.of(header, vr, tag)
    for number, frame in zip(options["numbers"], frames, strict=True):
        array, photometric = decode_frame(frame, options["syntax"], description)
        yield render_frame(header, array, photometric, number, wanted)


TASKS: Final[Mapping[str, Task]] = MappingProxyType(
    {
        "transcode": transcode,
        "compare": compare,
        "render": render,
        "animate": animate,
        "symbolise": symbolise,
        "deidentify": deidentify,
        "coarsen": coarsen,
        "find_face": find_face,
        "selftest": selftest,
        "paint_film": paint_film,
        "bind_films": bind_films,
        "film_object": film_object,
        "film_pixels": film_pixels,
    }
)
