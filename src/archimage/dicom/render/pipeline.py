"""Stored cells of a frame to 8 bits: grayscale, palette or true colour, whichever they are (PS3.4 §N.2)."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from pydicom.dataset import Dataset

from archimage.dicom.render.attributes import FrameAttributes, number_of, text_of, values_of
from archimage.dicom.render.colour import TRUE_COLOUR, true_colour
from archimage.dicom.render.grayscale import Array, Extent, Step, applied, displayed, ramp
from archimage.dicom.render.images import Picture
from archimage.dicom.render.palette import has_supplemental_palette, palette_of, supplemented
from archimage.dicom.render.presentation import PresentationState
from archimage.dicom.render.stored import StoredForm, padded, padding_of
from archimage.dicom.render.voi import modality_steps, presentation_steps, voi_steps
from archimage.errors import InvalidDatasetError, NotAcceptableError

_MONOCHROME = frozenset({"MONOCHROME1", "MONOCHROME2"})


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Where each step has its attributes from: the frame's own, or those of a presentation state.

    asked is the window that the caller wants instead of any other.
    """

    header: Dataset
    photometric: str
    modality: Dataset
    voi: Dataset
    presentation: Dataset
    asked: Step | None = None

    @classmethod
    def of(cls, attributes: FrameAttributes, photometric: str) -> Self:
        """Return the pipeline of a frame by its own attributes."""
        return cls(
            header=attributes.header,
            photometric=photometric,
            modality=attributes.source("PixelValueTransformationSequence"),
            voi=attributes.source("FrameVOILUTSequence"),
            presentation=attributes.header,
        )

    def under(self, state: PresentationState) -> Self:
        """Return the pipeline as a presentation state replaces it."""
        return replace(self, modality=state.dataset, voi=state.voi, presentation=state.dataset)

    def picture(self, cells: Array) -> Picture:
        """Return a frame of stored cells as it is to be seen.

        Raises:
            InvalidDatasetError: attributes that the picture needs are missing, or cannot be read.
            NotAcceptableError: there is no way to show such pixels.
        """
        form = StoredForm.of(self.header)
        if self.photometric in TRUE_COLOUR:
            return true_colour(cells, self.photometric, form.bits_stored)
        if self.photometric not in _MONOCHROME | {"PALETTE COLOR"}:
            raise NotAcceptableError(f"images of photometric interpretation {self.photometric!r} cannot be shown")
        if cells.ndim != 2:
            raise InvalidDatasetError(f"{self.photometric} has one sample in a pixel")
        values = form.values(cells)
        if self.photometric == "PALETTE COLOR":
            return palette_of(self.header, signed=form.signed)(values)
        return self._coloured(self._grey(values, form), values, form)

    def _coloured(self, picture: Picture, values: Array, form: StoredForm) -> Picture:
        """Return a grey picture in the false colours of a state, or with the image's own upper values in colour."""
        if self.presentation is not self.header and values_of(self.presentation, _RED):
            colours = palette_of(self.presentation, signed=False).of_fractions(np.arange(256) / 255)
            coloured: Picture = colours[picture]
            return coloured
        if has_supplemental_palette(self.header):
            return supplemented(picture, values, palette_of(self.header, signed=form.signed))
        return picture

    def _grey(self, values: Array, form: StoredForm) -> Picture:
        modality = modality_steps(self.modality, signed=form.signed)
        padding = padded(values, padding_of(self.header, form))
        below_zero = form.signed or (number_of(self.modality, "RescaleIntercept") or 0) < 0
        voi = voi_steps(self.voi, signed=below_zero) if self.asked is None else [self.asked]
        if not voi:
            voi = [_full_range(modality, self._extent(values if padding is None else values[~padding], form))]
        presentation = presentation_steps(self.presentation, self._polarity())
        picture = displayed(values, [*modality, *voi, *presentation])
        if padding is not None and not presentation:
            picture[padding] = 0  # however bright the window makes it; in an inverse image the ground may be white
        return picture

    def _polarity(self) -> str:
        """Return the photometric interpretation that still has to be turned over: a state says itself what is white."""
        return self.photometric if self.presentation is self.header else "MONOCHROME2"

    def _extent(self, values: Array, form: StoredForm) -> Extent:
        """Return the stored values between black and white in an image that brings no window.

        All that its cells can hold when that is no more than a screen shows, so that the frames of a loop do not
        flicker; else what the frame has.
        """
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        elif form.bits_stored <= 8 and text_of(self.header, "SegmentationType") != "LABELMAP":
            highest = number_of(self.header, "MaximumFractionalValue")
            return form.extent if not highest else (0, highest)
        return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)


_RED = "RedPaletteColorLookupTableDescriptor"


def _full_range(modality: list[Step], extent: Extent) -> Step:
    ends = applied(modality, np.linspace(*extent, 1024 if modality else 2))
    return ramp(float(ends.min()), float(ends.max()))
