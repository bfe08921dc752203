"""Real frames decode as pydicom decodes them; broken and lying ones are refused before they cost anything."""

import random
import struct
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder

from archimage.dicom.codecs.codestream import (
    Codestream,
    check_size,
    parse_jpeg,
    parse_jpeg_2000,
    parse_jpeg_xl,
)
from archimage.dicom.codecs.jpegxl import recompress_jpeg, restore_jpeg
from archimage.dicom.codecs.native import bits_at
from archimage.dicom.codecs.syntaxes import (
    DEFLATED_FRAME,
    EXPLICIT_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LOSSLESS_SV1,
    JPEG_LS,
    JPEG_XL_LOSSLESS,
    JPEG_XL_RECOMPRESSION,
    RLE,
)
from archimage.dicom.limits import MAX_FRAME_BYTES
from archimage.dicom.pixels import (
    DECODABLE,
    ENCODABLE,
    LOSSY,
    VIDEO,
    PixelDescription,
    Quality,
    decode_frame,
    encode_frame,
    stored_values,
)
from archimage.errors import InvalidDatasetError, InvalidPixelDataError, NotAcceptableError
from archimage.protocol.uids import TRANSFER_SYNTAXES
from tests.dicom.files import real_file
from tests.dicom.images import described, noise, real_images, smooth

IMAGES = {image.name: image for image in real_images()}
UNDECODABLE = {"JPEG2000-embedded-sequence-delimiter.dcm"}
"""Its codestream is overwritten."""
NOT_BY_PYDICOM = {"JPEG-lossy.dcm", "JPGExtended.dcm"}
"""12-bit JPEG, for which pydicom needs a codec under the GPL."""


@pytest.mark.parametrize("name", sorted(IMAGES.keys() - UNDECODABLE - NOT_BY_PYDICOM))
def test_real_frames_are_those_of_pydicom(name: str) -> None:
    image = IMAGES[name]
    dataset, decoder = pydicom.dcmread(real_file(name)), get_decoder(image.syntax)
    for number, frame in enumerate(islice(image.frames, 2)):
        array, photometric = decode_frame(frame, image.syntax, image.description)
        expected, about = decoder.as_array(dataset, index=number, raw=photometric != "RGB")
        assert np.array_equal(stored_values(array, image.description), expected)
        assert photometric == about["photometric_interpretation"]


def test_real_12_bit_jpeg_is_decoded() -> None:
    for name in NOT_BY_PYDICOM:
        image = IMAGES[name]
        array, _ = decode_frame(image.frames[0], image.syntax, image.description)
        assert array.shape == (1024, 256)
        assert 0 < array.std() < array.max() < 4096


def test_a_real_codestream_that_is_overwritten_is_refused() -> None:
    (name,) = UNDECODABLE
    image = IMAGES[name]
    with pytest.raises(InvalidPixelDataError, match="claims"):
        decode_frame(image.frames[0], image.syntax, image.description)


def test_lossy_and_lossless_copies_of_the_same_image_agree() -> None:
    original, copy = IMAGES["MR2_UNCR.dcm"], IMAGES["MR2_J2KR.dcm"]
    one, other = (decode_frame(image.frames[0], image.syntax, image.description)[0] for image in (original, copy))
    assert np.array_equal(one, other)


# Descriptions


def module(**changes: Any) -> Dataset:
    """An Image Pixel module; None leaves an attribute out."""
    values = {
        "Rows": 3, "Columns": 4, "SamplesPerPixel": 1, "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11,
        "PixelRepresentation": 1, "PhotometricInterpretation": "MONOCHROME2", **changes,
    }  # fmt: skip
    dataset = Dataset()
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def test_a_description_is_read_from_the_attributes() -> None:
    description = PixelDescription.of(module(NumberOfFrames=7))
    assert description == described(3, 4, signed=True, frames=7)
    assert (description.frame_bytes, description.total_bytes, description.dtype) == (24, 168, "i2")
    assert PixelDescription.of(module(NumberOfFrames=None, HighBit=None)).number_of_frames == 1


def test_frames_are_measured_as_the_standard_packs_them() -> None:
    bits = PixelDescription.of(module(BitsAllocated=1, BitsStored=1, HighBit=0, NumberOfFrames=3))
    assert (bits.frame_bits, bits.frame_bytes, bits.total_bytes) == (12, 2, 5)
    shared = PixelDescription.of(
        module(BitsAllocated=8, BitsStored=8, HighBit=7, SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL_422")
    )
    assert shared.frame_bytes == 24


def test_floating_pixels_are_told_by_their_element_or_by_what_they_lack() -> None:
    floats = module(BitsAllocated=32, BitsStored=None, HighBit=None, PixelRepresentation=None)
    assert PixelDescription.of(floats).floating
    assert PixelDescription.of(floats, "OF", 0x7FE00008).dtype == "f4"
    assert not PixelDescription.of(module(), "OW", 0x7FE00010).floating
    floats.FloatPixelData = bytes(48)
    assert PixelDescription.of(floats).floating


def test_bytes_in_words_are_told_by_the_vr() -> None:
    eight = module(BitsAllocated=8, BitsStored=8, HighBit=7)
    assert PixelDescription.of(eight, "OW").words
    assert not PixelDescription.of(eight, "OB").words
    assert not PixelDescription.of(module(), "OW").words


@pytest.mark.parametrize("keyword", ["Rows", "BitsStored", "PixelRepresentation", "PhotometricInterpretation"])
def test_what_lacks_is_named(keyword: str) -> None:
    with pytest.raises(InvalidDatasetError, match=f"{keyword} is missing"):
        PixelDescription.of(module(**{keyword: None}))


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("Rows", 0), ("Columns", 0), ("SamplesPerPixel", 2), ("BitsAllocated", 12), ("BitsStored", 17),
        ("HighBit", 16), ("HighBit", 5), ("PixelRepresentation", 2), ("NumberOfFrames", -1),
    ],
)  # fmt: skip
def test_what_no_image_can_be_is_refused(keyword: str, value: int) -> None:
    with pytest.raises(InvalidDatasetError, match="impossible"):
        PixelDescription.of(module(**{keyword: value}))


def test_values_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InvalidDatasetError, match="cannot be read"):
        PixelDescription.of(module(Rows=[3, 4]))


def test_an_object_without_pixels_is_not_acceptable() -> None:
    with pytest.raises(NotAcceptableError, match="no pixels"):
        PixelDescription.of(Dataset())


def test_descriptions_and_qualities_cross_process_borders() -> None:
    description = replace(described(samples=3), floating=True, words=True)
    assert PixelDescription.from_json(description.to_json()) == description
    assert Quality.from_json(Quality(ratio=3).to_json()) == Quality(ratio=3)


@given(st.binary(min_size=8, max_size=20), st.integers(0, 40), st.integers(1, 24))
def test_bits_are_found_wherever_they_begin(data: bytes, bit: int, count: int) -> None:
    expected = "".join(f"{byte:08b}"[::-1] for byte in data)[bit : bit + count]
    found = bits_at(data, bit, count)
    assert "".join(f"{byte:08b}"[::-1] for byte in found)[: len(expected)] == expected
    assert len(found) == (len(expected) + 7) // 8


def test_unused_bits_are_taken_off_and_signs_extended() -> None:
    unsigned = described(1, 3, stored_bits=12)
    image = np.array([[0x8FFF, 0x0001, 0xF800]], np.uint16)
    assert stored_values(image, unsigned).tolist() == [[0xFFF, 1, 0x800]]
    signed = described(1, 3, stored_bits=12, signed=True)
    assert stored_values(image.view(np.int16), signed).tolist() == [[-1, 1, -2048]]
    high = replace(described(1, 3, stored_bits=12), high_bit=15)
    assert stored_values(image, high).tolist() == [[0x8FF, 0, 0xF80]]
    assert stored_values(image, described(stored_bits=16)) is image


def test_every_syntax_of_ours_is_the_standards() -> None:
    assert TRANSFER_SYNTAXES.keys() >= DECODABLE | VIDEO
    assert {JPEG_XL_RECOMPRESSION} == DECODABLE - ENCODABLE
    assert LOSSY < DECODABLE
    assert not VIDEO & DECODABLE
    assert {uid for uid, name in TRANSFER_SYNTAXES.items() if "MPEG" in name or "HEVC" in name} == VIDEO


# Codestreams that lie

COMPRESSED = (
    JPEG_BASELINE, JPEG_LOSSLESS_SV1, JPEG_LS, JPEG_2000_LOSSLESS, HTJ2K_LOSSLESS, JPEG_XL_LOSSLESS, RLE, DEFLATED_FRAME
)  # fmt: skip
BYTES = described(48, 40, allocated=8, stored_bits=8)


@pytest.mark.parametrize("syntax", COMPRESSED)
@pytest.mark.parametrize("change", [{"rows": 47}, {"columns": 4000}, {"samples_per_pixel": 3}])
def test_another_size_than_described_is_refused(syntax: str, change: dict[str, Any]) -> None:
    encoded = encode_frame(smooth(BYTES), syntax, BYTES)
    other = replace(BYTES, **change)
    if syntax in {RLE, DEFLATED_FRAME} and change == {"rows": 47}:
        assert np.array_equal(decode_frame(encoded, syntax, other)[0], smooth(BYTES)[:47])  # padding may follow
        return
    with pytest.raises(InvalidPixelDataError):
        decode_frame(encoded, syntax, other)


@pytest.mark.parametrize("syntax", sorted(set(COMPRESSED) - {RLE, DEFLATED_FRAME, JPEG_BASELINE}))
def test_more_bits_than_are_allocated_are_refused(syntax: str) -> None:
    deep = described(48, 40, stored_bits=16)
    with pytest.raises(InvalidPixelDataError, match="16 bits, 8 at most"):
        decode_frame(encode_frame(noise(deep), syntax, deep), syntax, BYTES)


def test_a_frame_beyond_all_measure_is_refused() -> None:
    huge = described(65535, 65535, 3, allocated=8, stored_bits=8)
    assert huge.frame_bytes > MAX_FRAME_BYTES
    with pytest.raises(InvalidPixelDataError, match="larger than"):
        decode_frame(b"", EXPLICIT_LITTLE_ENDIAN, huge)


def test_a_deflated_frame_is_inflated_no_further_than_described() -> None:
    import zlib

    stream = zlib.compressobj(wbits=-15)
    bomb = stream.compress(bytes(50 << 20)) + stream.flush()
    assert decode_frame(bomb, DEFLATED_FRAME, BYTES)[0].nbytes == BYTES.frame_bytes


@pytest.mark.parametrize("syntax", sorted(DECODABLE))
@pytest.mark.parametrize("data", [b"", b"\0", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\x0a", bytes(200), b"\xff" * 200])
def test_what_is_no_codestream_is_refused(syntax: str, data: bytes) -> None:
    with pytest.raises(InvalidPixelDataError):
        decode_frame(data, syntax, replace(BYTES, rows=4800))


@pytest.mark.parametrize("parse", [parse_jpeg, parse_jpeg_2000, parse_jpeg_xl])
@given(data=st.binary(max_size=80), head=st.sampled_from([b"", b"\xff\xd8", b"\xff\x4f\xff\x51", b"\xff\x0a"]))
def test_heads_are_read_or_refused(parse: Any, data: bytes, head: bytes) -> None:
    try:
        stream = parse(head + data)
    except InvalidPixelDataError:
        return
    assert isinstance(stream, Codestream)


def test_heads_stand_in_boxes_too() -> None:
    import imagecodecs

    image = smooth(described(30, 50))
    jp2 = bytes(imagecodecs.jpeg2k_encode(image, reversible=True, codecformat="jp2", bitspersample=12))
    assert parse_jpeg_2000(jp2) == Codestream(30, 50, 1, 12)
    boxed = bytes(imagecodecs.jpegxl_encode(image, lossless=True, bitspersample=12, usecontainer=True))
    head = parse_jpeg_xl(boxed)
    assert (head.rows, head.columns, head.reversible) == (30, 50, True)
    description = described(30, 50)
    assert np.array_equal(decode_frame(jp2, JPEG_2000_LOSSLESS, description)[0], image)
    assert np.array_equal(decode_frame(boxed, JPEG_XL_LOSSLESS, description)[0], image)


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (8, 16), (7, 9), (600, 800), (9000, 1), (64, 256), (1, 300000)])
def test_sizes_of_jpeg_xl_are_read_in_every_form(rows: int, columns: int) -> None:
    import imagecodecs

    encoded = bytes(imagecodecs.jpegxl_encode(np.zeros((rows, columns), np.uint8), lossless=True, effort=1))
    head = parse_jpeg_xl(encoded)
    assert (head.rows, head.columns) == (rows, columns)


def test_boxes_may_be_long_or_in_parts_or_nothing() -> None:
    signature = b"\0\0\0\x0cJXL \r\n\x87\n"
    bare = encode_frame(smooth(BYTES), JPEG_XL_LOSSLESS, BYTES)
    long_box = struct.pack(">I4sQ", 1, b"jxlc", 16 + len(bare)) + bare
    part = struct.pack(">I4sI", 0, b"jxlp", 0) + bare
    for boxes in (long_box, struct.pack(">I4s", 8, b"free") + part):
        assert parse_jpeg_xl(signature + boxes) == parse_jpeg_xl(bare)
    for boxes in (b"", struct.pack(">I4s", 3, b"jxlc"), struct.pack(">I4s", 8, b"free")):
        with pytest.raises(InvalidPixelDataError, match="no head"):
            parse_jpeg_xl(signature + boxes)


def test_signs_that_the_description_does_not_have_are_taken_as_bits() -> None:
    signed = described(stored_bits=12, signed=True)
    image = noise(signed)
    encoded = encode_frame(image, JPEG_2000_LOSSLESS, signed)
    unsigned = described(stored_bits=12)
    assert np.array_equal(decode_frame(encoded, JPEG_2000_LOSSLESS, unsigned)[0], image & 0xFFF)


def test_subsampled_components_of_jpeg_2000_are_refused() -> None:
    encoded = bytearray(encode_frame(smooth(BYTES), JPEG_2000_LOSSLESS, BYTES))
    encoded[43] = 2
    with pytest.raises(InvalidPixelDataError, match="not all of one size"):
        parse_jpeg_2000(bytes(encoded))


def test_segments_of_rle_out_of_order_are_refused() -> None:
    deep = described(48, 40)
    encoded = encode_frame(smooth(deep), RLE, deep)
    for offset in (0, 63, len(encoded) + 1):
        broken = encoded[:8] + struct.pack("<I", offset) + encoded[12:]
        with pytest.raises(InvalidPixelDataError):
            decode_frame(broken, RLE, deep)


def test_a_size_that_fits_passes() -> None:
    check_size(Codestream(48, 40, 1, 8), BYTES)
    check_size(Codestream(48, 40, 0, 0), BYTES)


@pytest.mark.parametrize("syntax", sorted(set(COMPRESSED) - {JPEG_LS}))
def test_damaged_codestreams_give_an_image_or_are_refused(syntax: str) -> None:
    """JPEG-LS is not among them: its decoder takes seconds over some, until its worker's time is up."""
    encoded, random_numbers = encode_frame(smooth(BYTES), syntax, BYTES), random.Random(7)  # noqa: S311
    outcomes: set[object] = set()
    for _ in range(150):
        damaged = bytearray(encoded)
        for _ in range(random_numbers.randint(1, 6)):
            damaged[random_numbers.randrange(len(damaged))] = random_numbers.randrange(256)
        del damaged[random_numbers.choice([len(damaged), random_numbers.randrange(len(damaged))]) :]
        try:
            outcomes.add(decode_frame(bytes(damaged), syntax, BYTES)[0].shape)
        except InvalidPixelDataError:
            outcomes.add("refused")
    assert "refused" in outcomes
    assert outcomes <= {"refused", BYTES.shape}


def test_a_recompressed_jpeg_becomes_the_same_jpeg_again() -> None:
    colour = described(64, 64, 3, allocated=8, stored_bits=8)
    jpeg = encode_frame(smooth(colour), JPEG_BASELINE, colour)
    smaller = recompress_jpeg(jpeg)
    assert restore_jpeg(smaller) == jpeg
    inside = replace(colour, photometric_interpretation="YBR_FULL_422")
    one, _ = decode_frame(smaller, JPEG_XL_RECOMPRESSION, inside)
    other, photometric = decode_frame(jpeg, JPEG_BASELINE, inside)
    assert np.array_equal(one, other)
    assert photometric == "RGB"
