"""The syntax of compressed pixels is what their codestream says, whatever their media type would mean by default."""

import pydicom
import pytest
from pydicom.encaps import generate_frames

from archimage.dicom.mediatypes import pixel_syntax
from tests.dicom.files import real_file


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("examples_ybr_color.dcm", "image/jpeg"),
        ("JPEG-lossy.dcm", "image/jpeg"),
        ("JPEG-LL.dcm", "image/jpeg"),
        ("SC_rgb_jpeg_gdcm.dcm", "image/jpeg"),
        ("JPEGLSNearLossless_08.dcm", "image/jls"),
        ("JPEG2000.dcm", "image/jp2"),
        ("MR_small_jp2klossless.dcm", "image/jp2"),
        ("MR_small_jpeg_ls_lossless.dcm", "image/jls"),
        ("MR_small_RLE.dcm", "image/dicom-rle"),
    ],
)
def test_a_real_frame_has_the_syntax_of_its_file(name: str, media_type: str) -> None:
    source = pydicom.dcmread(real_file(name))
    frame = next(generate_frames(source.PixelData, number_of_frames=int(source.get("NumberOfFrames", 1))))
    assert pixel_syntax(media_type, frame) == source.file_meta.TransferSyntaxUID


@pytest.mark.parametrize(
    ("media_type", "syntax"),
    [
        ("image/jpeg", "1.2.840.10008.1.2.4.70"),
        ("image/jls", "1.2.840.10008.1.2.4.80"),
        ("image/jp2", "1.2.840.10008.1.2.4.90"),
        ("video/mp4", "1.2.840.10008.1.2.4.102"),
        ("image/webp", None),
        ("", None),
    ],
)
def test_what_no_codestream_tells_is_the_default(media_type: str, syntax: str | None) -> None:
    assert pixel_syntax(media_type, b"noise") == syntax


@pytest.mark.parametrize(
    ("process", "predictor", "syntax"),
    [(0xC0, 0, "50"), (0xC1, 0, "51"), (0xC3, 1, "70"), (0xC3, 4, "57")],
)
def test_a_jpeg_is_told_by_its_process_and_predictor(process: int, predictor: int, syntax: str) -> None:
    head = b"\xff\xd8\xff" + bytes([process]) + b"\0\x02\xff\xda\0\x05" + bytes([predictor, 0, 0])
    assert pixel_syntax("image/jpeg", head) == f"1.2.840.10008.1.2.4.{syntax}"
