"""Every codec gives back what went in: bit for bit where it is lossless, within stated noise where it is not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archimage.dicom.codecs.syntaxes import (
    DEFLATED_FRAMES,
    EXPLICIT_BIG_ENDIAN,
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    IMPLICIT_LITTLE_ENDIAN,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS,
    JPEG_LS_NEAR,
    JPEG_XL,
    JPEG_XL_LOSSLESS,
    JPEG_XL_RECOMPRESSION,
    LOSSY_JPEG,
    NATIVE,
    RLE,
)
from archimage.dicom.pixels import (
    ENCODABLE,
    PixelDescription,
    Quality,
    decode_frame,
    encode_frame,
    encoded_photometric,
)
from archimage.errors import InvalidPixelDataError, NotAcceptableError, UnsupportedTransferSyntaxError
from tests.dicom.images import described, noise, psnr, smooth

LOSSLESS = sorted(ENCODABLE - LOSSY_JPEG)
"""Also .81, .91, .112 and .203 lose nothing where no quality is asked for."""

COLOURS = {1: ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"), 3: ("RGB", "YBR_FULL")}


@st.composite
def descriptions(draw: st.DrawFn) -> PixelDescription:
    allocated, samples = draw(st.sampled_from((8, 16))), draw(st.sampled_from((1, 3)))
    return described(
        draw(st.integers(1, 70)),
        draw(st.integers(1, 70)),
        samples,
        allocated=allocated,
        stored_bits=draw(st.integers(1, allocated)),
        signed=samples == 1 and draw(st.booleans()),
        photometric=draw(st.sampled_from(COLOURS[samples])),
    )


def inside(description: PixelDescription, syntax: str, *, lossy: bool = False) -> PixelDescription:
    """Describe an image as the data set has to once it is encoded."""
    photometric = encoded_photometric(description, syntax, lossy=lossy)
    return replace(description, photometric_interpretation=photometric)


@pytest.mark.parametrize("syntax", LOSSLESS)
@settings(max_examples=40, deadline=None)
@given(description=descriptions(), seed=st.integers(0, 99))
def test_what_a_syntax_may_hold_comes_back_bit_for_bit(syntax: str, description: PixelDescription, seed: int) -> None:
    try:
        target = inside(description, syntax)
    except NotAcceptableError:
        return
    image = noise(description, seed)
    decoded, photometric = decode_frame(encode_frame(image, syntax, description), syntax, target)
    assert np.array_equal(decoded, image)
    assert decoded.dtype == image.dtype
    assert photometric == description.photometric_interpretation


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("allocated", "bits"), [(8, 8), (16, 8), (16, 9), (16, 12), (16, 15), (16, 16)])
def test_every_depth_comes_back_bit_for_bit(syntax: str, allocated: int, bits: int, *, signed: bool) -> None:
    description = described(allocated=allocated, stored_bits=bits, signed=signed)
    try:
        target = inside(description, syntax)
    except NotAcceptableError:
        assert (syntax, signed) == (JPEG_XL, True)
        return
    image = noise(description)
    assert np.array_equal(decode_frame(encode_frame(image, syntax, description), syntax, target)[0], image)


@pytest.mark.parametrize("syntax", sorted(set(LOSSLESS) - NATIVE - DEFLATED_FRAMES))
def test_overlays_in_unused_bits_survive(syntax: str) -> None:
    description = described(stored_bits=12)
    image = noise(description) | np.uint16(0x8000)
    assert np.array_equal(decode_frame(encode_frame(image, syntax, description), syntax, description)[0], image)


@pytest.mark.parametrize("syntax", sorted(set(LOSSLESS) - NATIVE - DEFLATED_FRAMES))
@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (3, 5)])
def test_the_smallest_images_are_encoded(syntax: str, shape: tuple[int, int]) -> None:
    for samples in (1, 3):
        description = described(*shape, samples, allocated=8, stored_bits=8)
        image = noise(description)
        target = inside(description, syntax)
        assert np.array_equal(decode_frame(encode_frame(image, syntax, description), syntax, target)[0], image)


@pytest.mark.parametrize("syntax", [JPEG_2000_LOSSLESS, JPEG_2000])
def test_noise_of_single_bits_is_encoded(syntax: str) -> None:
    description = replace(described(64, 64, 3, allocated=8, stored_bits=1), photometric_interpretation="YBR_FULL")
    image = noise(description)
    target = inside(description, syntax)
    assert np.array_equal(decode_frame(encode_frame(image, syntax, description), syntax, target)[0], image)


LOSSY = [
    # syntax, description, quality, least PSNR in dB
    (JPEG_BASELINE, described(200, 200, allocated=8, stored_bits=8), Quality(), 44),
    (JPEG_BASELINE, described(200, 200, 3, allocated=8, stored_bits=8), Quality(), 35),
    (JPEG_EXTENDED, described(200, 200), Quality(), 55),
    (JPEG_LS_NEAR, described(200, 200, signed=True), Quality(), 65),
    (JPEG_LS_NEAR, described(200, 200, 3, allocated=8, stored_bits=8), Quality(), 40),
    (JPEG_2000, described(200, 200, signed=True), Quality(ratio=20), 50),
    (JPEG_2000, described(200, 200, 3, allocated=8, stored_bits=8), Quality(ratio=20), 38),
    (HTJ2K, described(200, 200, signed=True), Quality(ratio=20), 50),
    (HTJ2K, described(200, 200, 3, allocated=8, stored_bits=8), Quality(ratio=20), 38),
    (JPEG_XL, described(200, 200), Quality(), 40),
    (JPEG_XL, described(200, 200, 3, allocated=8, stored_bits=8), Quality(), 34),
]


@pytest.mark.parametrize(("syntax", "description", "quality", "least"), LOSSY)
def test_lossy_images_are_as_good_as_stated(
    syntax: str, description: PixelDescription, quality: Quality, least: float
) -> None:
    image = smooth(description)
    encoded = encode_frame(image, syntax, description, quality)
    decoded, photometric = decode_frame(encoded, syntax, inside(description, syntax, lossy=True))
    assert psnr(image, decoded, description) >= least
    assert len(encoded) < image.nbytes / 3
    assert photometric == description.photometric_interpretation
    assert not np.array_equal(image, decoded)


@pytest.mark.parametrize("syntax", sorted({syntax for syntax, *_ in LOSSY}))
def test_a_higher_percentage_is_a_larger_and_better_picture(syntax: str) -> None:
    description = described(200, 200, allocated=8, stored_bits=8)
    image = smooth(description) // 2 + noise(description) // 8
    sizes, quality = [], []
    for percent in (40, 70, 90, 97):
        encoded = encode_frame(image, syntax, description, Quality.of_percent(percent))
        decoded, _ = decode_frame(encoded, syntax, inside(description, syntax, lossy=True))
        sizes.append(len(encoded))
        quality.append(psnr(image, decoded, description))
    assert sizes == sorted(sizes)
    assert quality == sorted(quality)
    assert sizes[0] < sizes[-1]


def test_ninety_percent_are_what_is_aimed_at_where_nothing_is_said() -> None:
    assert Quality.of_percent(90) == Quality()


@pytest.mark.parametrize("syntax", [JPEG_2000, HTJ2K])
@pytest.mark.parametrize("ratio", [8, 40])
def test_a_ratio_is_kept(syntax: str, ratio: int) -> None:
    description = described(256, 256)
    image = smooth(description) // 2 + noise(description) // 40
    size = len(encode_frame(image.astype(np.uint16), syntax, description, Quality(ratio=ratio)))
    assert 0.6 * image.nbytes / ratio < size <= 1.05 * image.nbytes / ratio


@pytest.mark.parametrize("near", [1, 5])
def test_near_lossless_differs_by_no_more_than_it_may(near: int) -> None:
    description = described(stored_bits=10, signed=True)
    image = noise(description)
    encoded = encode_frame(image, JPEG_LS_NEAR, description, Quality(near_lossless=near))
    decoded, _ = decode_frame(encoded, JPEG_LS_NEAR, description)
    assert 0 < np.abs(decoded.astype(int) - image).max() <= near
    assert -512 <= decoded.min() <= decoded.max() < 512


def test_near_lossless_samples_never_change_their_sign() -> None:
    description = described(stored_bits=16, signed=True)
    image = noise(description)
    image[3, 3] = np.iinfo(np.int16).max
    with pytest.raises(InvalidPixelDataError, match="end of their range"):
        encode_frame(image, JPEG_LS_NEAR, description, Quality())


def test_rpcl_has_its_order_its_lengths_and_resolutions_down_to_64_samples() -> None:
    for rows, columns in ((100, 80), (4000, 30), (64, 5000)):
        description = described(rows, columns)
        encoded = encode_frame(smooth(description), HTJ2K_LOSSLESS_RPCL, description)
        coding = encoded.index(b"\xff\x52")
        assert encoded[coding + 5] == 2
        assert max(rows, columns) <= 64 << encoded[coding + 9]
        assert b"\xff\x55" in encoded[:200]


@pytest.mark.parametrize("size", range(100, 3_700, 40))
def test_a_jpeg_ls_codestream_that_is_cut_short_is_refused_before_time_is_up(size: int) -> None:
    description = described(64, 64, allocated=8, stored_bits=8)
    encoded = encode_frame(noise(description), JPEG_LS, description)
    with pytest.raises(InvalidPixelDataError):
        decode_frame(encoded[:size], JPEG_LS, description)


@pytest.mark.parametrize(("missing", "behind"), [(0, b"\0"), (0, b"\xff\xd9"), (0, b"more"), (2, b"")])
def test_a_jpeg_ls_codestream_may_lack_its_end_or_have_more_behind_it(missing: int, behind: bytes) -> None:
    description = described(64, 64, allocated=8, stored_bits=8)
    image = noise(description)
    encoded = encode_frame(image, JPEG_LS, description)
    decoded, _ = decode_frame(encoded[: len(encoded) - missing] + behind, JPEG_LS, description)
    assert np.array_equal(decoded, image)


@pytest.mark.parametrize("syntax", [HTJ2K_LOSSLESS, JPEG_2000_LOSSLESS, JPEG_LS, JPEG_LOSSLESS, JPEG_LOSSLESS_SV1])
@pytest.mark.parametrize(("bits", "signed"), [(8, False), (10, False), (12, True), (16, True)])
def test_codestreams_have_the_precision_of_bits_stored(syntax: str, bits: int, *, signed: bool) -> None:
    from archimage.dicom.codecs.codestream import parse_jpeg, parse_jpeg_2000

    description = described(stored_bits=bits, signed=signed)
    encoded = encode_frame(noise(description), syntax, description)
    parse = parse_jpeg_2000 if syntax in {HTJ2K_LOSSLESS, JPEG_2000_LOSSLESS} else parse_jpeg
    assert parse(encoded).precision == bits


def test_predictors_are_those_of_the_syntaxes() -> None:
    description = described()
    for syntax, predictor in ((JPEG_LOSSLESS, 6), (JPEG_LOSSLESS_SV1, 1)):
        encoded = encode_frame(smooth(description), syntax, description)
        scan = encoded.index(b"\xff\xda")
        assert encoded[scan + 7] == predictor


@pytest.mark.parametrize(
    ("syntax", "description"),
    [
        (JPEG_BASELINE, described()),
        (JPEG_BASELINE, described(allocated=8, stored_bits=8, signed=True)),
        (JPEG_BASELINE, described(allocated=8, stored_bits=8, photometric="PALETTE COLOR")),
        (JPEG_EXTENDED, described(stored_bits=16)),
        (JPEG_LS, described(stored_bits=1)),
        (JPEG_XL_LOSSLESS, described(samples=3, allocated=8, stored_bits=8, photometric="YBR_FULL")),
        (JPEG_XL_RECOMPRESSION, described(allocated=8, stored_bits=8)),
        (RLE, described(allocated=32, stored_bits=32)),
        (HTJ2K_LOSSLESS, described(allocated=1, stored_bits=1)),
        (JPEG_2000, described(photometric="PALETTE COLOR")),
        (JPEG_2000_LOSSLESS, replace(described(allocated=32, stored_bits=32), floating=True)),
        (JPEG_2000_LOSSLESS, described(samples=3, photometric="MONOCHROME2")),
    ],
)
def test_what_a_syntax_may_not_hold_is_refused(syntax: str, description: PixelDescription) -> None:
    with pytest.raises(NotAcceptableError, match="cannot hold"):
        encoded_photometric(description, syntax, lossy=False)


def test_colour_is_called_as_the_codestream_has_it() -> None:
    rgb = described(samples=3, allocated=8, stored_bits=8)
    names = {
        JPEG_BASELINE: "YBR_FULL_422", JPEG_LOSSLESS: "RGB", JPEG_LS: "RGB", JPEG_2000_LOSSLESS: "YBR_RCT",
        JPEG_2000: "YBR_ICT", HTJ2K_LOSSLESS: "YBR_RCT", HTJ2K: "YBR_ICT", JPEG_XL: "XYB", JPEG_XL_LOSSLESS: "RGB",
        RLE: "RGB", IMPLICIT_LITTLE_ENDIAN: "RGB",
    }  # fmt: skip
    assert {syntax: encoded_photometric(rgb, syntax, lossy=True) for syntax in names} == names
    assert encoded_photometric(rgb, JPEG_2000, lossy=False) == "YBR_RCT"


def test_samples_go_in_only_as_described_and_only_where_there_is_a_way() -> None:
    description = described()
    with pytest.raises(InvalidPixelDataError, match="not the frame described"):
        encode_frame(noise(description).T, RLE, description)
    with pytest.raises(UnsupportedTransferSyntaxError):
        encode_frame(noise(description), JPEG_XL_RECOMPRESSION, description)
    with pytest.raises(UnsupportedTransferSyntaxError):
        decode_frame(b"", "1.2.840.10008.1.2.4.102", description)
    wide = described(stored_bits=32, allocated=32)
    with pytest.raises(InvalidPixelDataError, match="cannot be encoded"):
        encode_frame(noise(wide), JPEG_LS, wide)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN])
def test_native_samples_are_read_by_pixel_and_by_plane(syntax: str, planar: int) -> None:
    description = described(3, 4, 3, allocated=16, stored_bits=16, planar=planar)
    image = noise(description)
    order = ">u2" if syntax == EXPLICIT_BIG_ENDIAN else "<u2"
    raw = (image.transpose(2, 0, 1) if planar else image).astype(order).tobytes()
    assert np.array_equal(decode_frame(raw, syntax, description)[0], image)


def test_big_endian_words_of_bytes_are_turned() -> None:
    description = replace(described(3, 3, allocated=8, stored_bits=8), words=True)
    image = noise(description)
    raw = image.tobytes() + b"\0"
    turned = np.frombuffer(raw, np.uint16).byteswap().tobytes()
    assert np.array_equal(decode_frame(turned, EXPLICIT_BIG_ENDIAN, description)[0], image)
    with pytest.raises(InvalidPixelDataError, match="odd length"):
        decode_frame(turned[:9], EXPLICIT_BIG_ENDIAN, description)


def test_shared_colour_is_given_to_both_pixels() -> None:
    description = described(1, 4, 3, allocated=8, stored_bits=8, photometric="YBR_FULL_422")
    raw = bytes([1, 2, 128, 129, 3, 4, 130, 131])
    image, photometric = decode_frame(raw, IMPLICIT_LITTLE_ENDIAN, description)
    assert image.tolist() == [[[1, 128, 129], [2, 128, 129], [3, 130, 131], [4, 130, 131]]]
    assert photometric == "YBR_FULL"
    assert encode_frame(image, IMPLICIT_LITTLE_ENDIAN, description) == raw
    with pytest.raises(InvalidPixelDataError, match="odd number"):
        decode_frame(raw, IMPLICIT_LITTLE_ENDIAN, replace(description, columns=3))


def test_single_bits_are_read_lowest_first() -> None:
    description = described(3, 3, allocated=1, stored_bits=1)
    image, _ = decode_frame(b"\x85\x01", IMPLICIT_LITTLE_ENDIAN, description)
    assert image.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 1]]
    assert encode_frame(image, IMPLICIT_LITTLE_ENDIAN, description) == b"\x85\x01"


@pytest.mark.parametrize(("bits", "kind"), [(32, "f4"), (64, "f8")])
@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN])
def test_floating_samples_are_native(syntax: str, bits: int, kind: str) -> None:
    description = replace(described(allocated=bits, stored_bits=bits), floating=True)
    image = np.random.default_rng(1).normal(size=description.shape).astype(kind)
    assert np.array_equal(decode_frame(encode_frame(image, syntax, description), syntax, description)[0], image)
