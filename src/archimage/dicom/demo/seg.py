"""The segmentation of the invented CT's organs: one bit a pixel, a frame for each organ in each picture (§A.51)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from archimage.dicom.demo import ct
from archimage.dicom.demo.ct import Stack
from archimage.dicom.demo.datasets import Series, code, demo_uid, encode_file, item, new_object
from archimage.dicom.demo.torso import Organ

SOP_CLASS_UID: Final = "1.2.840.10008.5.1.4.1.1.66.4"


class Meaning(NamedTuple):
    """How an organ is told: its SNOMED CT code, its side if it has one, its colour (CIELab, PS3.3 §C.10.7.1.1)."""

    value: str
    meaning: str
    side: str
    colour: tuple[int, int, int]


ORGANS: Final = {
    Organ.RIGHT_LUNG: Meaning("39607008", "Lung", "Right", (44_000, 28_000, 22_000)),
    Organ.LEFT_LUNG: Meaning("39607008", "Lung", "Left", (52_000, 26_000, 26_000)),
    Organ.HEART: Meaning("80891009", "Heart", "", (34_000, 48_000, 43_000)),
    Organ.LIVER: Meaning("10200004", "Liver", "", (33_000, 42_000, 42_000)),
    Organ.SPLEEN: Meaning("78961009", "Spleen", "", (31_000, 45_000, 24_000)),
    Organ.RIGHT_KIDNEY: Meaning("64033007", "Kidney", "Right", (48_000, 31_000, 48_000)),
    Organ.LEFT_KIDNEY: Meaning("64033007", "Kidney", "Left", (42_000, 24_000, 43_000)),
}
_SIDES: Final = {"Right": "24028007", "Left": "7771000"}


def series_of(stack: Stack) -> Series:
    """Return the segmentation's series."""
    attributes = {"ImageType": ["DERIVED", "PRIMARY"], "BodyPartExamined": "CHEST"}
    return Series(stack.series.study, 2, "SEG", SOP_CLASS_UID, "Organs", attributes)


def label_of(organ: Organ) -> str:
    """Name an organ for people."""
    meaning = ORGANS[organ]
    return f"{meaning.side} {meaning.meaning.lower()}".strip().capitalize()


def side_of(organ: Organ) -> list[Dataset]:
    """Return the code of an organ's side, if it has one."""
    side = ORGANS[organ].side
    return [code(_SIDES[side], "SCT", side)] if side else []


def found(stack: Stack) -> list[Organ]:
    """Return the organs that the pictures show."""
    return [organ for organ in Organ if stack.voxels[organ]]


def seg_file(stack: Stack) -> bytes:
    """Make the segmentation of a stack whose pictures have been made."""
    series = series_of(stack)
    ds = new_object(series, 1)
    ds.FrameOfReferenceUID = series.study.uid("frame of reference")
    ds.PositionReferenceIndicator = ""
    _describe(ds, stack)
    _add_dimensions(ds, series)
    frames = list(_frames(stack))
    ds.SharedFunctionalGroupsSequence = [_shared(stack)]
    ds.PerFrameFunctionalGroupsSequence = [_own(stack, organ, order, number) for organ, order, number, _ in frames]
    ds.NumberOfFrames = len(frames)
    ds.add_new(0x7FE00010, "OB", b"".join(bits.tobytes() for *_, bits in frames))
    return encode_file(ds)


def _frames(stack: Stack) -> Iterator[tuple[Organ, int, int, npt.NDArray[np.uint8]]]:
    """Yield, organ by organ: the organ's order, the picture's number and the packed bits."""
    for order, organ in enumerate(found(stack), 1):
        for number, outlines in enumerate(stack.outlines, 1):
            if organ in outlines:
                yield organ, order, number, outlines[organ]


def _describe(ds: Dataset, stack: Stack) -> None:
    ds.ContentLabel = "ORGANS"
    ds.ContentDescription = "Organs as they were drawn"
    ds.ContentCreatorName = "Demo^Creator"
    ds.SegmentationType = "BINARY"
    ds.LossyImageCompression = "00"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = ct.SIZE
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 1, 1, 0, 0
    ds.SegmentSequence = [_segment(order, organ) for order, organ in enumerate(found(stack), 1)]
    ds.ReferencedSeriesSequence = [
        item(
            SeriesInstanceUID=stack.series.uid,
            ReferencedInstanceSequence=[_reference(stack, number) for number in range(1, len(stack.outlines) + 1)],
        )
    ]


def _reference(stack: Stack, number: int) -> Dataset:
    return item(ReferencedSOPClassUID=ct.SOP_CLASS_UID, ReferencedSOPInstanceUID=stack.series.instance_uid(number))


def _segment(order: int, organ: Organ) -> Dataset:
    meaning = ORGANS[organ]
    kind = code(meaning.value, "SCT", meaning.meaning)
    if meaning.side:
        kind.SegmentedPropertyTypeModifierCodeSequence = side_of(organ)
    return item(
        SegmentNumber=order,
        SegmentLabel=label_of(organ),
        SegmentAlgorithmType="AUTOMATIC",
        SegmentAlgorithmName="archimage demo",
        SegmentedPropertyCategoryCodeSequence=[code("123037004", "SCT", "Anatomical Structure")],
        SegmentedPropertyTypeCodeSequence=[kind],
        RecommendedDisplayCIELabValue=list(meaning.colour),
        TrackingID=label_of(organ),
        TrackingUID=demo_uid("organ", label_of(organ)),
    )


def _add_dimensions(ds: Dataset, series: Series) -> None:
    """Order the frames by segment, then by place (PS3.3 §C.7.6.17)."""
    uid = series.study.uid("dimensions")
    ds.DimensionOrganizationSequence = [item(DimensionOrganizationUID=uid)]
    ds.DimensionIndexSequence = [
        item(
            DimensionOrganizationUID=uid,
            DimensionIndexPointer=0x0062000B,
            FunctionalGroupPointer=0x0062000A,
            DimensionDescriptionLabel="Segment",
        ),
        item(
            DimensionOrganizationUID=uid,
            DimensionIndexPointer=0x00200032,
            FunctionalGroupPointer=0x00209113,
            DimensionDescriptionLabel="Position",
        ),
    ]


def _shared(stack: Stack) -> Dataset:
    measures = item(
        PixelSpacing=[ct.SPACING, ct.SPACING],
        SliceThickness=round(stack.thickness, 3),
        SpacingBetweenSlices=round(stack.thickness, 3),
    )
    return item(
        PixelMeasuresSequence=[measures],
        PlaneOrientationSequence=[item(ImageOrientationPatient=list(ct.ORIENTATION))],
    )


def _own(stack: Stack, organ: Organ, order: int, number: int) -> Dataset:
    """Say where a frame lies, what it shows and from which picture it was made."""
    source = _reference(stack, number)
    source.PurposeOfReferenceCodeSequence = [code("121322", "DCM", "Source image for image processing operation")]
    derivation = item(
        DerivationCodeSequence=[code("113076", "DCM", "Segmentation")],
        SourceImageSequence=[source],
    )
    position = [round(value, 3) for value in stack.position(number)]
    first = min(picture for picture, outlines in enumerate(stack.outlines, 1) if organ in outlines)
    return item(
        FrameContentSequence=[item(DimensionIndexValues=[order, number - first + 1])],
        PlanePositionSequence=[item(ImagePositionPatient=position)],
        SegmentIdentificationSequence=[item(ReferencedSegmentNumber=order)],
        DerivationImageSequence=[derivation],
    )
