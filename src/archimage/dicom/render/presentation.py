"""Presentation states: what they say of one image's frame (PS3.3 §A.33, §C.10, §C.11, PS3.4 Annex N).

A state says all of how an image is shown: of the image's own modality LUT, windows and shutters nothing is used.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from pydicom.dataset import Dataset

from archimage.dicom.encode import decode_identifier
from archimage.dicom.render.attributes import FrameAttributes, integer_of, items_of, number_of, numbers_of, text_of
from archimage.dicom.render.geometry import Layout
from archimage.errors import InvalidDatasetError, NotAcceptableError

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.11."
PRESENTATION_STATES: Final = frozenset(f"{_STORAGE}{number}" for number in (1, 2, 3, 5))
"""Grayscale, Color, Pseudo-Color, and XA/XRF Grayscale Softcopy Presentation State Storage."""

_MAX_SCALE: Final = 100.0


class PresentationState:
    """A presentation state, and the image's frame that it is applied to."""

    __slots__ = ("_frame", "_instance", "dataset")

    def __init__(self, dataset: Dataset, attributes: FrameAttributes) -> None:
        self.dataset = dataset
        self._instance = text_of(attributes.header, "SOPInstanceUID")
        self._frame = attributes.number

    @classmethod
    def decode(cls, data: bytes, transfer_syntax_uid: str, attributes: FrameAttributes) -> "PresentationState":
        """Decode a state for a frame.

        Raises:
            InvalidDatasetError: it cannot be decoded.
            NotAcceptableError: it is of no kind that can be applied, or is not for this image.
            ExcessiveDatasetError, UnsupportedTransferSyntaxError: see decode_identifier.
        """
        state = cls(decode_identifier(data, transfer_syntax_uid), attributes)
        if text_of(state.dataset, "SOPClassUID") not in PRESENTATION_STATES:
            raise NotAcceptableError("the object named as presentation state is none that can be applied to an image")
        series = items_of(state.dataset, "ReferencedSeriesSequence")
        if not any(state._named(item) for item in series):
            raise NotAcceptableError("the presentation state does not refer to this image")
        return state

    def _named(self, item: Dataset) -> bool:
        """Tell whether an item's list of images has the frame; it has all when an image is listed without frames."""
        for image in items_of(item, "ReferencedImageSequence"):
            frames = numbers_of(image, "ReferencedFrameNumber")
            if text_of(image, "ReferencedSOPInstanceUID") == self._instance and (not frames or self._frame in frames):
                return True
        return False

    def selected(self, sequence: str) -> Iterator[Dataset]:
        """Yield the items that apply to the frame: they name it, or name no image at all."""
        for item in items_of(self.dataset, sequence):
            if self._named(item) or not items_of(item, "ReferencedImageSequence"):
                yield item

    @property
    def voi(self) -> Dataset:
        """Return what holds the frame's window or VOI LUT, an empty data set when the state has none."""
        return next(self.selected("SoftcopyVOILUTSequence"), Dataset())

    def layer_of(self, group: int) -> str:
        """Return the graphic layer of an overlay group, empty when it is not to be shown."""
        return text_of(self.dataset, group << 16 | 0x1001)

    def layout(self, layout: Layout) -> tuple[Layout, float, float]:
        """Return a layout turned and cut out, by how much it is magnified, and a pixel's height divided by its width.

        Raises:
            InvalidDatasetError: rotation or displayed area are none.
        """
        layout = self._turned(layout)
        area = next(self.selected("DisplayedAreaSelectionSequence"), None)
        if area is None:
            return layout, 1.0, 1.0
        scale = 1.0
        if text_of(area, "PresentationSizeMode") == "MAGNIFY":
            scale = number_of(area, "PresentationPixelMagnificationRatio") or 1.0
        if not 1 / _MAX_SCALE <= scale <= _MAX_SCALE:
            raise InvalidDatasetError("the magnification of the presentation state is out of range")
        return replace(layout, region=_displayed(area, layout)), scale, _presented_aspect(area)

    def _turned(self, layout: Layout) -> Layout:
        degrees = integer_of(self.dataset, "ImageRotation")
        if degrees % 90:
            raise InvalidDatasetError("the rotation of the presentation state is not by quarter turns")
        quarters = degrees // 90 % 4
        size = (layout.rows, layout.columns) if quarters % 2 else (layout.columns, layout.rows)
        flip = text_of(self.dataset, "ImageHorizontalFlip") == "Y"
        return replace(layout, quarters=quarters, flip=flip, region=(0, 0, *size), size=size)


def _displayed(area: Dataset, layout: Layout) -> tuple[float, float, float, float]:
    """Return the displayed area in edges: its corners are pixels of the image, counted from 1."""
    first = numbers_of(area, "DisplayedAreaTopLeftHandCorner")
    last = numbers_of(area, "DisplayedAreaBottomRightHandCorner")
    if len(first) != 2 or len(last) != 2:
        raise InvalidDatasetError("the displayed area of the presentation state has not two corners")
    left, right = sorted((first[0], last[0]))
    top, bottom = sorted((first[1], last[1]))
    start, end = layout.turned(left - 1, top - 1), layout.turned(right, bottom)
    return min(start[0], end[0]), min(start[1], end[1]), max(start[0], end[0]), max(start[1], end[1])


def _presented_aspect(area: Dataset) -> float:
    """Return the height of a displayed pixel divided by its width, 1 when nothing sensible is said."""
    for key in ("PresentationPixelSpacing", "PresentationPixelAspectRatio"):
        aspect = aspect_of(area, key)
        if aspect is not None:
            return aspect
    return 1.0


def aspect_of(source: Dataset, key: str) -> float | None:
    """Return vertical divided by horizontal of a spacing or ratio, None when it is missing or absurd."""
    sizes = numbers_of(source, key)
    if len(sizes) != 2 or min(sizes) <= 0 or not 1 / _MAX_SCALE <= sizes[0] / sizes[1] <= _MAX_SCALE:
        return None
    return sizes[0] / sizes[1]
