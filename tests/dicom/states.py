"""Presentation states for made images."""

from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset

from archimage.dicom.encode import encode_dataset
from archimage.dicom.render.frames import render_frame
from archimage.dicom.render.options import RenderOptions
from tests.dicom.pictures import Array, header_of, item, ramp

EXPLICIT = "1.2.840.10008.1.2.1"
GRAYSCALE, COLOUR, PSEUDO_COLOUR = (f"1.2.840.10008.5.1.4.1.1.11.{number}" for number in (1, 2, 3))
FRAME = ramp(10, 20)
RED_LAB, GREY_LAB = [35_579, 53_664, 50_858], [35_000, 0x8080, 0x8080]


def image(*frames: int, uid: str = "1.2.3") -> Dataset:
    """Return a reference to an image, or to frames of it."""
    reference = item(ReferencedSOPClassUID="1.2", ReferencedSOPInstanceUID=uid)
    if frames:
        reference.ReferencedFrameNumber = list(frames)
    return reference


def state(*, sop_class: str = GRAYSCALE, images: Sequence[Dataset] = (), **attributes: Any) -> Dataset:
    """Return a presentation state for the made images."""
    series = item(SeriesInstanceUID="1.2", ReferencedImageSequence=list(images) or [image()])
    plain = {"PresentationLUTShape": "IDENTITY"} if sop_class == GRAYSCALE else {}
    return item(
        SOPClassUID=sop_class, SOPInstanceUID="1.9", ReferencedSeriesSequence=[series], **{**plain, **attributes}
    )


def options_of(presentation: Dataset, **others: Any) -> RenderOptions:
    """Return the options for a presentation state."""
    return RenderOptions(presentation=encode_dataset(presentation, EXPLICIT), presentation_syntax=EXPLICIT, **others)


def shown(presentation: Dataset, frame: Array = FRAME, number: int = 1, /, **attributes: Any) -> Array:
    """Return a made image under a state."""
    photometric = attributes.pop("PhotometricInterpretation", "MONOCHROME2" if frame.ndim == 2 else "RGB")
    return render_frame(header_of(frame, **attributes), frame, photometric, number, options_of(presentation))


def area(first: list[int], last: list[int], **others: Any) -> Dataset:
    """Return a displayed area."""
    return item(
        DisplayedAreaTopLeftHandCorner=first, DisplayedAreaBottomRightHandCorner=last,
        **{"PresentationSizeMode": "SCALE TO FIT", "PresentationPixelAspectRatio": [1, 1], **others},
    )  # fmt: skip


def layer(name: str = "ONE", order: int = 1, **others: Any) -> Dataset:
    """Return a graphic layer."""
    return item(GraphicLayer=name, GraphicLayerOrder=order, **others)
