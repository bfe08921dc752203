"""One frame through the pipeline that its photometric interpretation asks for (PS3.4 §N.2)."""

from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from archimage.dicom.render.attributes import FrameAttributes
from archimage.dicom.render.colour import TRUE_COLOUR, true_colour
from archimage.dicom.render.geometry import fitted
from archimage.dicom.render.grayscale import Step, applied, displayed, ramp, windowed
from archimage.dicom.render.images import Picture
from archimage.dicom.render.options import RenderOptions
from archimage.dicom.render.stored import StoredForm, padded, padding_of
from archimage.dicom.render.voi import modality_steps, presentation_steps, voi_steps
from archimage.errors import InvalidDatasetError, NotAcceptableError

Array = npt.NDArray[Any]


def render_frame(
    header: Dataset, frame: Array, photometric: str, frame_number: int, options: RenderOptions
) -> npt.NDArray[np.uint8]:
    """Return one frame as it is to be seen: (rows, columns) grey, or (rows, columns, 3) red, green, blue.

    header is the data set without its pixels; frame holds the decoded stored cells, (rows, columns[, samples]), and
    photometric says what they are after decoding, which may differ from the header. frame_number counts from 1.

    Raises:
        InvalidDatasetError: attributes that the picture needs are missing, or cannot be read.
        InvalidRequestError: the viewport's region lies outside of the image.
        NotAcceptableError: there is no way to show such pixels.
    """
    if frame.size == 0:
        raise InvalidDatasetError("the image has no pixels")
    attributes = FrameAttributes(header, frame_number)
    picture = _picture(attributes, frame, photometric, options)
    return picture if options.viewport is None else fitted(picture, options.viewport)


def _picture(attributes: FrameAttributes, frame: Array, photometric: str, options: RenderOptions) -> Picture:
    form = StoredForm.of(attributes.header)
    if photometric in TRUE_COLOUR:
        return true_colour(frame, photometric, form.bits_stored)
    if photometric not in {"MONOCHROME1", "MONOCHROME2"}:
        raise NotAcceptableError(f"images of photometric interpretation {photometric or '(none)'} cannot be shown")
    return _grey(attributes, form.values(frame), form, photometric, options)


def _grey(
    attributes: FrameAttributes, values: Array, form: StoredForm, photometric: str, options: RenderOptions
) -> Picture:
    if values.ndim != 2:
        raise InvalidDatasetError(f"{photometric} has one sample in a pixel")
    modality = modality_steps(attributes.source("PixelValueTransformationSequence"), signed=form.signed)
    padding = padded(values, padding_of(attributes.header, form))
    voi = _asked(options) or voi_steps(attributes.source("FrameVOILUTSequence"), signed=form.signed)
    if not voi:
        voi = [_full_range(values if padding is None else values[~padding], modality, form)]
    picture = displayed(values, [*modality, *voi, *presentation_steps(attributes.header, photometric)])
    if padding is not None:
        picture[padding] = 0
    return picture


def _asked(options: RenderOptions) -> list[Step]:
    return [] if options.window is None else [windowed(*options.window)]


def _full_range(values: Array, modality: list[Step], form: StoredForm) -> Step:
    """Return the window of an image that brings none: all that 8 bits can hold, else what the frame has."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if form.bits_stored <= 8 and finite.dtype.kind != "f":
        low, high = form.extent
    elif finite.size:
        low, high = finite.min(), finite.max()
    else:
        low, high = 0, 1
    ends = applied(modality, np.linspace(low, high, 1024 if modality else 2))
    return ramp(float(ends.min()), float(ends.max()))
