"""Which modality, VOI and presentation steps a frame has, by its own attributes (PS3.3 §C.11.1, §C.11.2, §C.11.6)."""

from pydicom.dataset import Dataset

from archimage.dicom.render.attributes import items_of, number_of, numbers_of, text_of
from archimage.dicom.render.grayscale import Step, inverted, rescaled, windowed
from archimage.dicom.render.luts import lookup_table


def modality_steps(source: Dataset, *, signed: bool) -> list[Step]:
    """Return the modality LUT of a data set or macro: a table, else a rescale, else nothing.

    Raises:
        InvalidDatasetError: it cannot be read.
    """
    tables = items_of(source, "ModalityLUTSequence")
    if tables:
        return [lookup_table(tables[0], signed=signed)]
    slope, intercept = number_of(source, "RescaleSlope"), number_of(source, "RescaleIntercept")
    slope = slope or 1.0  # 0 would leave one value of all
    return [] if (slope, intercept or 0.0) == (1.0, 0.0) else [rescaled(slope, intercept or 0.0)]


def voi_steps(source: Dataset, *, signed: bool) -> list[Step]:
    """Return the VOI transformation of a data set or macro: its first table, else its first window, else nothing.

    A window whose width its function does not allow is left out.

    Raises:
        InvalidDatasetError: it cannot be read.
    """
    tables = items_of(source, "VOILUTSequence")
    if tables:
        return [lookup_table(tables[0], signed=signed).fractions]
    centers, widths = numbers_of(source, "WindowCenter"), numbers_of(source, "WindowWidth")
    function = text_of(source, "VOILUTFunction").upper() or "LINEAR"
    if not centers or not widths or widths[0] <= 0 or (function == "LINEAR" and widths[0] < 1):
        return []
    return [windowed(centers[0], widths[0], function)]


def presentation_steps(source: Dataset, photometric: str) -> list[Step]:
    """Return the presentation LUT: a table, else a shape, else what the photometric interpretation asks for."""
    tables = items_of(source, "PresentationLUTSequence")
    if tables:
        table = lookup_table(tables[0], signed=False)
        return [lambda values: table.fractions(values * (len(table.entries) - 1) + table.first)]
    shape = text_of(source, "PresentationLUTShape")
    return [inverted] if (shape == "INVERSE" if shape else photometric == "MONOCHROME1") else []
