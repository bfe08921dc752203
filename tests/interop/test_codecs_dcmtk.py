"""DCMTK decodes what we encode to the same samples, and dciodvfy finds no fault in it that was not there before.

dcmdjpeg, dcmdjpls and dcmdrle know JPEG, JPEG-LS and RLE; no program of Debian knows HTJ2K or JPEG XL in DICOM.
"""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest

from archimage.dicom.codecs.syntaxes import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS,
    JPEG_LS_NEAR,
    RLE,
)
from archimage.dicom.part10 import FileMeta, encode_file_meta
from archimage.dicom.pixels import PixelDescription, Quality, decode_frame, stored_values
from archimage.dicom.transcode import Transcoding
from archimage.errors import NotAcceptableError
from archimage.protocol.uids import IMPLEMENTATION_CLASS_UID
from tests.dicom.files import real_file
from tests.dicom.images import Stored, real_image
from tests.interop.peers import run

DECODERS = {
    JPEG_BASELINE: ("dcmdjpeg", "+cn"), JPEG_EXTENDED: ("dcmdjpeg", "+cn"), JPEG_LOSSLESS: ("dcmdjpeg", "+cn"),
    JPEG_LOSSLESS_SV1: ("dcmdjpeg", "+cn"), JPEG_LS: ("dcmdjpls",), JPEG_LS_NEAR: ("dcmdjpls",), RLE: ("dcmdrle",),
    IMPLICIT_LITTLE_ENDIAN: ("dcmconv", "+te"), EXPLICIT_BIG_ENDIAN: ("dcmconv", "+te"),
    DEFLATED_LITTLE_ENDIAN: ("dcmconv", "+te"),
}  # fmt: skip
VERIFIED = sorted(DECODERS.keys() - {DEFLATED_LITTLE_ENDIAN} | {JPEG_2000_LOSSLESS, JPEG_2000})
"""dciodvfy takes a deflated data set for a broken one."""
IMAGES = (
    "CT_small.dcm", "693_UNCI.dcm", "MR2_UNCI.dcm", "SC_rgb.dcm", "SC_rgb_16bit.dcm", "color-pl.dcm", "OBXXXX1A.dcm",
    "emri_small.dcm", "SC_ybr_full_uncompressed.dcm", "examples_overlay.dcm", "vlut_04.dcm", "liver.dcm",
)  # fmt: skip


_DEEP = {"CT_small.dcm", "693_UNCI.dcm", "SC_rgb_16bit.dcm"}
_COLOUR = {"SC_rgb.dcm", "color-pl.dcm", "SC_ybr_full_uncompressed.dcm"}
_PALETTE = {"OBXXXX1A.dcm"}
REFUSED = {
    JPEG_BASELINE: _DEEP | _PALETTE | {"MR2_UNCI.dcm", "emri_small.dcm", "examples_overlay.dcm"},
    JPEG_EXTENDED: _DEEP | _PALETTE | _COLOUR,
    JPEG_LS_NEAR: _PALETTE,
    JPEG_2000: _PALETTE,
}
"""What transfer syntaxes may not hold: more than 8 or 12 bits, colour, indices that a loss would make others."""
UNCOMPRESSED = {IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED_LITTLE_ENDIAN}
CONVERTED = {(name, JPEG_BASELINE) for name in ("SC_rgb.dcm", "color-pl.dcm", "SC_ybr_full_uncompressed.dcm")}
"""Colour that DCMTK gives as YBR where it is asked not to convert, and we as RGB: see the test after the first."""


def written(image: Stored, target: str, quality: Quality | None, path: Path) -> Transcoding:
    """Transcode an object into a file."""
    transcoding = Transcoding(image.header, image.syntax, target, quality, (image.pixel.tag, image.pixel.vr))
    frames = [transcoding.transcode_frame(frame) for frame in image.frames]
    sop_class = str(pydicom.dcmread(real_file(image.name)).SOPClassUID)
    meta = FileMeta(sop_class, transcoding.sop_instance_uid, target, IMPLEMENTATION_CLASS_UID)
    pieces = transcoding.pieces(frames, [len(frame) for frame in frames], image.trailing)
    path.write_bytes(encode_file_meta(meta) + b"".join(pieces))
    return transcoding


def qualities(target: str) -> tuple[Quality | None, ...]:
    return (Quality(),) if target in {JPEG_BASELINE, JPEG_EXTENDED} else (None, Quality())


def is_refused(name: str, target: str) -> bool:
    """Tell what cannot be encoded so; single bits in no codec."""
    return name in REFUSED.get(target, ()) or (name == "liver.dcm" and target not in UNCOMPRESSED)


@pytest.mark.parametrize(
    ("name", "target"),
    [(name, target) for name in IMAGES for target in sorted(DECODERS) if (name, target) not in CONVERTED],
)
def test_dcmtk_decodes_the_same_samples(name: str, target: str, tmp_path: Path) -> None:
    image = real_image(real_file(name))
    assert image is not None
    ours, theirs = tmp_path / "ours.dcm", tmp_path / "theirs.dcm"
    for quality in qualities(target):
        if is_refused(name, target):
            with pytest.raises(NotAcceptableError):
                written(image, target, quality, ours)
            continue
        written(image, target, quality, ours)
        program, *options = DECODERS[target]
        finished = run(program, *options, ours, theirs)
        assert finished.returncode == 0, finished.stdout
        again, encoded = real_image(theirs), real_image(ours)
        assert again is not None
        assert encoded is not None
        for one, other in zip(again.frames, encoded.frames, strict=True):
            assert np.array_equal(samples(again, one), samples(encoded, other))


def samples(image: Stored, frame: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Decode a frame to its stored bits: DCMTK leaves those above as they come."""
    description = image.description
    return stored_values(decode_frame(frame, image.syntax, description)[0], description).astype(np.int64)


def test_dcmtk_decodes_lossy_colour_to_nearly_the_same_rgb(tmp_path: Path) -> None:
    image = real_image(real_file("examples_rgb_color.dcm"))
    assert image is not None
    written(image, JPEG_BASELINE, Quality(), tmp_path / "ours.dcm")
    assert run("dcmdjpeg", tmp_path / "ours.dcm", tmp_path / "theirs.dcm").returncode == 0
    ours, theirs = real_image(tmp_path / "ours.dcm"), real_image(tmp_path / "theirs.dcm")
    assert ours is not None
    assert theirs is not None
    assert theirs.description.photometric_interpretation == "RGB"
    difference = np.abs(samples(ours, ours.frames[0]) - samples(theirs, theirs.frames[0]))
    assert difference.mean() < 1.5


@pytest.mark.parametrize(
    ("name", "target"),
    [
        (name, target)
        for name in sorted(set(IMAGES) - {"color-pl.dcm", "emri_small.dcm"})
        for target in VERIFIED
        if not is_refused(name, target)
    ],
)
def test_dciodvfy_finds_no_new_fault(name: str, target: str, tmp_path: Path) -> None:
    """The two left out have faults that a new reference to them, or another Image Type, brings to light."""
    image = real_image(real_file(name))
    assert image is not None
    before = faults(real_file(name))
    for quality in qualities(target):
        written(image, target, quality, tmp_path / "ours.dcm")
        assert faults(tmp_path / "ours.dcm") <= before


def faults(path: Path) -> set[str]:
    lines = run("dciodvfy", "-new", path).stdout.splitlines()
    assert lines
    return {line for line in lines if line.startswith("Error")}


def test_what_is_written_is_what_is_described(tmp_path: Path) -> None:
    image = real_image(real_file("CT_small.dcm"))
    assert image is not None
    transcoding = written(image, EXPLICIT_BIG_ENDIAN, None, tmp_path / "ours.dcm")
    dataset = pydicom.dcmread(io.BytesIO((tmp_path / "ours.dcm").read_bytes()))
    assert PixelDescription.of(dataset) == transcoding.description
    assert image.syntax == EXPLICIT_LITTLE_ENDIAN
