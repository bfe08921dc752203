"""Every real image is rendered or refused with a reason, and no attribute's value does anything else."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame

from archimage.dicom.encode import Element, decode_identifier, encode_dataset, encode_elements, encode_items
from archimage.dicom.pixels import PixelDescription, decode_frame
from archimage.dicom.render.frames import render_frame
from archimage.dicom.render.header import decode_header
from archimage.dicom.render.images import encode_image
from archimage.dicom.render.options import RenderOptions, Viewport
from archimage.errors import ArchimageError, DicomError
from tests.dicom.files import real_file
from tests.dicom.pictures import PIXELS, Array, item, ramp, real_images, words
from tests.dicom.strategies import SYNTAXES

EXPLICIT = "1.2.840.10008.1.2.1"
THUMBNAIL = RenderOptions(viewport=Viewport(64, 64), annotation=frozenset({"patient", "technique"}))

BROKEN = {
    "MR_truncated.dcm": "bytes",
    "badVR.dcm": "cannot be read",
    "JPEG2000-embedded-sequence-delimiter.dcm": "3722445056 columns",
}
"""Files whose pixels or their description are broken, and what is said of them."""


def by_our_codecs(path: Path) -> tuple[Dataset, Array, str]:
    """Return a real file's header and its first frame, decoded by us."""
    header = pydicom.dcmread(path, force=True)
    description = PixelDescription.of(header)
    syntax = str(header.file_meta.TransferSyntaxUID)
    whole = next(header[key].value for key in PIXELS if key in header)
    if header.file_meta.TransferSyntaxUID.is_encapsulated:
        frame = get_frame(whole, 0, number_of_frames=description.number_of_frames)
    else:
        frame = whole[: description.frame_bytes + description.frame_bytes % 2]
    array, photometric = decode_frame(frame, syntax, description)
    return header, array, photometric


@pytest.mark.parametrize("path", real_images(), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_real_image_is_rendered_unless_it_is_broken(path: Path) -> None:
    if path.name in BROKEN:
        with pytest.raises(DicomError, match=BROKEN[path.name]):
            by_our_codecs(path)
        return
    header, frame, photometric = by_our_codecs(path)
    picture = render_frame(header, frame, photometric, 1, THUMBNAIL)
    assert (str(picture.dtype), max(picture.shape[:2])) == ("uint8", 64)
    assert encode_image(picture, "image/jpeg")[:2] == b"\xff\xd8"


def test_a_palette_of_more_colours_than_a_gif_holds_is_a_gif_all_the_same() -> None:
    header, frame, photometric = by_our_codecs(real_file("color-px.dcm"))
    assert encode_image(render_frame(header, frame, photometric, 1, THUMBNAIL), "image/gif")[:4] == b"GIF8"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_header_is_decoded_once_for_all_its_frames(syntax: str) -> None:
    plain = EXPLICIT if syntax == SYNTAXES[3] else syntax  # what was deflated comes inflated
    data = encode_dataset(item(PatientID=f"of {syntax}", Rows=7), plain)
    header = decode_header(data, syntax)
    assert (header.PatientID, header.Rows) == (f"of {syntax}", 7)
    assert decode_header(bytes(bytearray(data)), syntax) is header


ELEMENTS = {
    "BitsAllocated": "US", "BitsStored": "US", "HighBit": "US", "PixelRepresentation": "US", "PixelPaddingValue": "US",
    "PixelPaddingRangeLimit": "US", "RescaleSlope": "DS", "RescaleIntercept": "DS", "WindowCenter": "DS",
    "WindowWidth": "DS", "VOILUTFunction": "CS", "PresentationLUTShape": "CS", "PixelPresentation": "CS",
    "LUTDescriptor": "SS", "LUTData": "OW", "ShutterShape": "CS", "ShutterLeftVerticalEdge": "IS",
    "ShutterRightVerticalEdge": "IS", "ShutterUpperHorizontalEdge": "IS", "ShutterLowerHorizontalEdge": "IS",
    "CenterOfCircularShutter": "IS", "RadiusOfCircularShutter": "IS", "VerticesOfThePolygonalShutter": "IS",
    "ShutterPresentationValue": "US", "ShutterOverlayGroup": "US", "PixelSpacing": "DS", "PixelAspectRatio": "IS",
    "PatientName": "PN", "PatientID": "LO", "KVP": "DS", "NumberOfFrames": "IS", "MaximumFractionalValue": "US",
    "ImageRotation": "US", "ImageHorizontalFlip": "CS", "DisplayedAreaTopLeftHandCorner": "SL",
    "DisplayedAreaBottomRightHandCorner": "SL", "PresentationSizeMode": "CS", "PresentationPixelSpacing": "DS",
    "PresentationPixelMagnificationRatio": "FL", "GraphicLayer": "CS", "GraphicLayerOrder": "IS",
    "GraphicLayerRecommendedDisplayCIELabValue": "US", "GraphicType": "CS", "GraphicData": "FL",
    "GraphicFilled": "CS",
    "GraphicAnnotationUnits": "CS", "UnformattedTextValue": "ST", "BoundingBoxTopLeftHandCorner": "FL",
    "BoundingBoxBottomRightHandCorner": "FL", "AnchorPoint": "FL", "AnchorPointVisibility": "CS",
    "RedPaletteColorLookupTableDescriptor": "US", "RedPaletteColorLookupTableData": "OW",
    "GreenPaletteColorLookupTableDescriptor": "US", "SegmentedGreenPaletteColorLookupTableData": "OW",
    "BluePaletteColorLookupTableDescriptor": "US", "BluePaletteColorLookupTableData": "OW",
}  # fmt: skip
SEQUENCES = [
    "ModalityLUTSequence", "VOILUTSequence", "PresentationLUTSequence", "PerFrameFunctionalGroupsSequence",
    "SharedFunctionalGroupsSequence", "FrameVOILUTSequence", "PixelValueTransformationSequence",
    "PixelMeasuresSequence",
    "FrameDisplayShutterSequence", "SoftcopyVOILUTSequence", "DisplayedAreaSelectionSequence", "GraphicLayerSequence",
    "GraphicAnnotationSequence", "GraphicObjectSequence", "TextObjectSequence", "OpticalPathSequence",
]  # fmt: skip
OVERLAY = {0x10: "US", 0x11: "US", 0x15: "IS", 0x40: "CS", 0x50: "SS", 0x51: "US", 0x100: "US", 0x102: "US",
           0x1001: "CS", 0x3000: "OW"}  # fmt: skip
WORDS = [
    "LINEAR_EXACT", "SIGMOID", "INVERSE", "COLOR", "RECTANGULAR\\CIRCULAR\\POLYGONAL\\BITMAP",
    "Y", "MAGNIFY", "R", "G", "PIXEL",
    "DISPLAY", "POLYLINE", "CIRCLE", "ELLIPSE", "INTERPOLATED", "POINT", "1", "0", "-1", "2.5", "8", "16", "90",
    "1e400",
    "nan",
    "3\\4", "1\\1\\9\\9\\1\\9", "Doe^J\nX",
]  # fmt: skip
RAW = st.one_of(
    st.sampled_from(WORDS).map(lambda word: word.encode()),
    st.lists(st.sampled_from([0, 1, 2, 8, 16, 0x6000, 0x7FFF, 0xFFFF]), max_size=6).map(lambda some: words(*some)),
    st.lists(st.floats(width=32), max_size=8).map(lambda some: np.array(some, "<f4").tobytes()),
    st.binary(max_size=24),
)
PLAIN = st.sampled_from(sorted(ELEMENTS)).map(lambda keyword: (tag_for_keyword(keyword) or 0, ELEMENTS[keyword]))
PLANES = st.sampled_from(sorted(OVERLAY)).map(lambda number: (0x60000000 | number, OVERLAY[number]))


def elements(deeper: st.SearchStrategy[dict[int, Element]]) -> st.SearchStrategy[dict[int, Element]]:
    """Return data sets, as elements by their tags, whose sequences have items of the kind given."""
    plain = st.tuples(PLAIN | PLANES, RAW).map(lambda made: (*made[0], made[1]))
    items = st.lists(deeper, min_size=1, max_size=2)
    nested = st.tuples(st.sampled_from(SEQUENCES), items).map(
        lambda made: (tag_for_keyword(made[0]) or 0, "SQ", encode_items(map(ordered, made[1]), EXPLICIT))
    )
    return st.lists(plain | nested, max_size=16).map(lambda some: {element[0]: element for element in some})


def ordered(data_set: dict[int, Element]) -> list[Element]:
    """Return elements in the order of their tags."""
    return [data_set[tag] for tag in sorted(data_set)]


DATA_SETS = elements(elements(elements(st.just({}))))
SERIES = encode_items([[(0x00081140, "SQ", encode_items([[(0x00081155, "UI", b"1.2.3")]], EXPLICIT))]], EXPLICIT)
STATE: dict[int, Element] = {
    0x00080016: (0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.11.1"), 0x00081115: (0x00081115, "SQ", SERIES),
}  # fmt: skip
FRAMES = {
    "MONOCHROME1": ramp(9, 7, "u2"), "MONOCHROME2": ramp(9, 7, "i2"), "PALETTE COLOR": ramp(9, 7),
    "RGB": np.zeros((9, 7, 3), "u1"), "YBR_FULL": np.zeros((9, 7, 3), "u2"),
}  # fmt: skip


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(image=DATA_SETS, state=st.none() | DATA_SETS, photometric=st.sampled_from(sorted(FRAMES)), small=st.booleans())
def test_whatever_attributes_hold_a_picture_comes_or_one_of_our_errors(
    image: dict[int, Element], state: dict[int, Element] | None, photometric: str, small: bool
) -> None:
    uid: Element = (0x00080018, "UI", b"1.2.3")
    header = decode_identifier(encode_elements(ordered({**image, uid[0]: uid}), EXPLICIT), EXPLICIT)
    presentation = None if state is None else encode_elements(ordered({**state, **STATE}), EXPLICIT)
    options = RenderOptions(
        viewport=Viewport(5, 5) if small else None, annotation=THUMBNAIL.annotation, presentation=presentation
    )
    try:
        picture = render_frame(header, FRAMES[photometric], photometric, 1, options)
    except ArchimageError:
        return
    assert (str(picture.dtype), picture.ndim in {2, 3}) == ("uint8", True)
