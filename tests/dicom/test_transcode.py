"""Objects change their transfer syntax: the same image, the attributes that have to change, and nothing else."""

import io
from dataclasses import replace
from itertools import chain

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from archimage.dicom.codecs.syntaxes import (
    DEFLATED_FRAME,
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    HTJ2K,
    HTJ2K_LOSSLESS_RPCL,
    IMPLICIT_LITTLE_ENDIAN,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LS,
    JPEG_LS_NEAR,
    JPEG_XL,
    JPEG_XL_RECOMPRESSION,
    LOSSY_JPEG,
    NATIVE,
    RLE,
)
from archimage.dicom.encode import encode_dataset
from archimage.dicom.frametranscoding import FrameTranscoding, Way
from archimage.dicom.part10 import FileMeta, encode_file_meta
from archimage.dicom.pixels import DECODABLE, VIDEO, Array, PixelDescription, Quality, decode_frame, encode_frame
from archimage.dicom.reencode import reencode
from archimage.dicom.transcode import Transcoding
from archimage.errors import InvalidPixelDataError, NotAcceptableError, UnsupportedTransferSyntaxError
from tests.dicom.files import real_dataset, real_file, real_files
from tests.dicom.images import Stored, described, noise, real_image, stored

TARGETS = sorted(DECODABLE)
REAL = [
    "CT_small.dcm", "MR_small_RLE.dcm", "SC_rgb_rle_2frame.dcm", "color-pl.dcm", "SC_rgb_small_odd_big_endian.dcm",
    "US1_J2KR.dcm", "emri_small_jpeg_ls_lossless.dcm", "liver.dcm", "rtdose_expb.dcm", "OBXXXX1A_expb_2frame.dcm",
    "SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_ybr_full_422_uncompressed.dcm", "image_dfl.dcm", "examples_overlay.dcm",
    "gdcm-US-ALOKA-16_big.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "693_J2KI.dcm", "MR_small_implicit.dcm",
]  # fmt: skip
CHANGED_BY_COLOUR = {"PhotometricInterpretation", "PlanarConfiguration"}
CHANGED_BY_LOSS = {
    "SOPInstanceUID", "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
    "DerivationDescription", "DerivationCodeSequence", "SourceImageSequence", "ImageType",
}  # fmt: skip


def transcoded(image: Stored, target: str, quality: Quality | None = None) -> Stored:
    """Transcode an object and take it apart again."""
    transcoding = Transcoding(image.header, image.syntax, target, quality, (image.pixel.tag, image.pixel.vr))
    frames = [transcoding.transcode_frame(frame) for frame in image.frames]
    pieces = transcoding.pieces(frames, [len(frame) for frame in frames], image.trailing)
    result = stored(b"".join(pieces), target, image.name)
    assert result is not None
    assert len(result.data) % 2 == 0
    return result


def dataset_of(image: Stored) -> Dataset:
    """Read an object with pydicom."""
    plain = EXPLICIT_LITTLE_ENDIAN if image.syntax == DEFLATED_LITTLE_ENDIAN else image.syntax
    return pydicom.dcmread(io.BytesIO(encode_file_meta(FileMeta("1.2", "3.4", plain)) + image.data))


def arrays(image: Stored) -> list[tuple[Array, str]]:
    return [decode_frame(frame, image.syntax, image.description) for frame in image.frames]


def differing(one: Dataset, other: Dataset) -> set[str]:
    """Return the keywords of what differs outside the pixels; words under big endian are left to other tests."""
    tags = {found.tag for found in chain(one, other) if found.tag.group != 0x7FE0 and not found.tag.is_private}
    tags -= {tag for tag in tags if not tag.element}  # group lengths change, and may be left out
    return {
        pydicom.datadict.keyword_for_tag(tag)
        for tag in tags
        if not (tag in one and one[tag].VR in {"OW", "SQ"})
        and not (tag in one and tag in other and one[tag].value == other[tag].value)
    }


@pytest.mark.parametrize("target", sorted(set(TARGETS) - LOSSY_JPEG))
@pytest.mark.parametrize("name", REAL)
def test_real_objects_keep_every_sample_and_every_attribute(name: str, target: str) -> None:
    image = real_image(real_file(name))
    assert image is not None
    if target == image.syntax:
        assert Transcoding(image.header, image.syntax, target).same
        return
    try:
        result = transcoded(image, target)
    except NotAcceptableError:
        assert target not in NATIVE
        return
    for (before, colour), (after, same_colour) in zip(arrays(image), arrays(result), strict=True):
        assert np.array_equal(before, after)
        assert colour == same_colour
    allowed = CHANGED_BY_COLOUR | {"LossyImageCompression", "LossyImageCompressionMethod"}
    assert differing(dataset_of(image), dataset_of(result)) <= allowed


@pytest.mark.parametrize("target", [RLE, JPEG_LS, JPEG_LS_NEAR, JPEG_2000_LOSSLESS, JPEG_2000, JPEG_LOSSLESS])
def test_pydicom_reads_the_frames_of_what_it_can_decode(target: str) -> None:
    image = real_image(real_file("emri_small.dcm"))
    assert image is not None
    result = dataset_of(transcoded(image, target))
    assert np.array_equal(result.pixel_array, dataset_of(image).pixel_array)


@pytest.mark.parametrize("pair", [(JPEG_BASELINE, 30), (JPEG_LS_NEAR, 45), (JPEG_2000, 30), (HTJ2K, 30), (JPEG_XL, 28)])
def test_a_lossy_copy_is_another_object_and_says_so(pair: tuple[str, float]) -> None:
    target, least = pair
    image = real_image(real_file("examples_rgb_color.dcm"))
    assert image is not None
    result = transcoded(image, target, Quality())
    before, after = dataset_of(image), dataset_of(result)
    assert differing(before, after) <= CHANGED_BY_COLOUR | CHANGED_BY_LOSS
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert after.SOPInstanceUID.startswith("2.25.")
    assert after.LossyImageCompression == "01"
    size = sum(map(len, result.frames))
    assert float(after.LossyImageCompressionRatio) == pytest.approx(len(before.PixelData) / size, rel=0.01)
    assert after.LossyImageCompressionMethod.startswith("ISO_1")
    assert after.DerivationCodeSequence[-1].CodeValue == "113040"
    assert after.SourceImageSequence[-1].ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert "ratio" in after.DerivationDescription
    noise_power = np.mean((arrays(image)[0][0].astype(float) - arrays(result)[0][0]) ** 2)
    assert 10 * np.log10(255**2 / noise_power) >= least


def test_each_lossy_step_adds_its_ratio_and_method() -> None:
    image = real_image(real_file("examples_rgb_color.dcm"))
    assert image is not None
    twice = transcoded(transcoded(image, JPEG_BASELINE, Quality()), JPEG_2000, Quality())
    after = dataset_of(twice)
    assert list(after.LossyImageCompressionMethod) == ["ISO_10918_1", "ISO_15444_1"]
    assert len(after.LossyImageCompressionRatio) == 2
    assert len(after.DerivationCodeSequence) == len(after.SourceImageSequence) == 2
    assert after.ImageType[0] == "DERIVED"


def test_the_same_copy_has_the_same_uid_and_another_quality_another() -> None:
    image = real_image(real_file("CT_small.dcm"))
    assert image is not None
    uids = [
        Transcoding(image.header, image.syntax, target, quality).sop_instance_uid
        for target, quality in ((JPEG_2000, Quality()), (JPEG_2000, Quality()), (JPEG_2000, Quality(ratio=5)))
    ]
    assert uids[0] == uids[1] != uids[2]
    kept = Transcoding(image.header, image.syntax, JPEG_2000)
    assert not kept.needs_new_uid
    assert kept.sop_instance_uid == dataset_of(image).SOPInstanceUID


def test_earlier_loss_is_admitted() -> None:
    image = real_image(real_file("JPGExtended.dcm"))
    assert image is not None
    header = reencode(image.header, image.syntax, image.syntax, replaced={0x00282110: b"", 0x00282114: b""})
    silent = stored(header + image.data[image.pixel.offset :], image.syntax)
    assert silent is not None
    before, after = dataset_of(silent), dataset_of(transcoded(silent, EXPLICIT_LITTLE_ENDIAN))
    assert "LossyImageCompression" not in before
    assert after.LossyImageCompression == "01"
    assert after.LossyImageCompressionMethod == "ISO_10918_1"
    assert after.SOPInstanceUID == before.SOPInstanceUID


def test_a_jpeg_becomes_jpeg_xl_and_the_same_jpeg_again() -> None:
    image = real_image(real_file("examples_ybr_color.dcm"))
    assert image is not None
    smaller = transcoded(image, JPEG_XL_RECOMPRESSION)
    assert sum(map(len, smaller.frames)) < sum(map(len, image.frames))
    again = transcoded(smaller, JPEG_BASELINE)
    assert [frame.rstrip(b"\0") for frame in again.frames] == [frame.rstrip(b"\0") for frame in image.frames]
    assert dataset_of(again).PhotometricInterpretation == "YBR_FULL_422"


def test_what_is_no_jpeg_cannot_be_recompressed() -> None:
    eight = described(allocated=8, stored_bits=8)
    for source, target in ((JPEG_BASELINE, JPEG_XL_RECOMPRESSION), (JPEG_XL_RECOMPRESSION, JPEG_BASELINE)):
        with pytest.raises(InvalidPixelDataError, match="cannot be recompressed"):
            FrameTranscoding(source, target, eight).apply(b"no codestream")


def test_small_images_are_lossy_too() -> None:
    description = described(20, 30, 3, allocated=8, stored_bits=8)
    smaller = FrameTranscoding(RLE, JPEG_2000, description, Quality())
    image = noise(description)
    encoded = smaller.apply(encode_frame(image, RLE, description))
    inside = replace(description, photometric_interpretation=smaller.photometric)
    decoded, _ = decode_frame(encoded, JPEG_2000, inside)
    assert smaller.photometric == "YBR_ICT"
    assert 0 < np.abs(decoded.astype(int) - image).max() < 60


@pytest.mark.parametrize(
    ("source", "target"), [(JPEG_2000_LOSSLESS, JPEG_2000), (HTJ2K_LOSSLESS_RPCL, HTJ2K), (JPEG_LS, JPEG_LS_NEAR)]
)
def test_codestreams_that_are_as_good_are_kept(source: str, target: str) -> None:
    description = described()
    kept = FrameTranscoding(source, target, description)
    assert kept.way is Way.KEPT
    assert kept.apply(b"whatever") == b"whatever"
    assert FrameTranscoding(source, target, description, Quality()).way is Way.CODED


def test_native_values_are_turned_in_pieces() -> None:
    description = described(allocated=16, stored_bits=16)
    turning = FrameTranscoding(EXPLICIT_BIG_ENDIAN, IMPLICIT_LITTLE_ENDIAN, description)
    value = bytes(range(64))
    assert b"".join(bytes(turning.apply(value[start : start + 8])) for start in range(0, 64, 8)) == turning.apply(value)
    assert turning.apply(b"\1\2") == b"\2\1"
    with pytest.raises(InvalidPixelDataError, match="cannot be turned"):
        turning.apply(b"\1")
    bits = FrameTranscoding(EXPLICIT_BIG_ENDIAN, EXPLICIT_LITTLE_ENDIAN, described(allocated=1, stored_bits=1))
    assert bits.way is Way.KEPT


def test_frame_transcodings_cross_process_borders() -> None:
    for quality in (None, Quality(ratio=7)):
        one = FrameTranscoding(RLE, JPEG_2000, described(samples=3, allocated=8, stored_bits=8), quality)
        assert FrameTranscoding.from_json(one.to_json()) == one


@pytest.mark.parametrize("video", sorted(VIDEO))
def test_videos_are_not_transcoded(video: str) -> None:
    for source, target in ((video, RLE), (RLE, video), (video, EXPLICIT_LITTLE_ENDIAN)):
        with pytest.raises(UnsupportedTransferSyntaxError, match="no way"):
            FrameTranscoding(source, target, described())
    assert FrameTranscoding(video, video, described()).way is Way.KEPT


def test_what_the_target_cannot_hold_is_not_acceptable() -> None:
    with pytest.raises(NotAcceptableError, match="cannot be encoded"):
        FrameTranscoding(RLE, JPEG_XL_RECOMPRESSION, described(allocated=8, stored_bits=8))
    with pytest.raises(NotAcceptableError, match="cannot hold"):
        FrameTranscoding(RLE, JPEG_EXTENDED, described(stored_bits=16))
    big = replace(described(65535, 65535, frames=2), bits_allocated=8, bits_stored=8, high_bit=7)
    image = real_image(real_file("CT_small.dcm"))
    assert image is not None
    transcoding = Transcoding(image.header, JPEG_LS, EXPLICIT_LITTLE_ENDIAN)
    transcoding.frames = FrameTranscoding(JPEG_LS, EXPLICIT_LITTLE_ENDIAN, big)
    with pytest.raises(NotAcceptableError, match="longer than an element"):
        transcoding.head()


def test_a_ratio_needs_the_lengths_of_all_frames() -> None:
    image = real_image(real_file("CT_small.dcm"))
    assert image is not None
    with pytest.raises(ValueError, match="ratio"):
        Transcoding(image.header, image.syntax, JPEG_2000, Quality()).head()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_frames_have_to_be_as_many_as_described(count: int) -> None:
    image = real_image(real_file("SC_rgb_2frame.dcm"))
    assert image is not None
    for target in (RLE, EXPLICIT_BIG_ENDIAN):
        transcoding = Transcoding(image.header, image.syntax, target)
        with pytest.raises(InvalidPixelDataError, match=f"{count} frames have come"):
            list(transcoding.pieces([image.frames[0]] * count))
    with pytest.raises(InvalidPixelDataError, match="7 bytes"):
        list(Transcoding(image.header, image.syntax, EXPLICIT_BIG_ENDIAN).pieces([bytes(7)]))


def test_single_bits_of_many_frames_follow_each_other() -> None:
    dataset = Dataset()
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.NumberOfFrames = 3, 3, 1, 5
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 1, 1, 0, 0
    dataset.PhotometricInterpretation, dataset.SOPInstanceUID = "MONOCHROME2", "1.2.3"
    image = noise(replace(described(5, 9, stored_bits=1), bits_allocated=1))
    dataset.add_new(0x7FE00010, "OB", np.packbits(image.reshape(-1), bitorder="little").tobytes())
    first = stored(encode_dataset(dataset, EXPLICIT_LITTLE_ENDIAN), EXPLICIT_LITTLE_ENDIAN)
    assert first is not None
    deflated = transcoded(first, DEFLATED_FRAME)
    assert np.array_equal(np.stack([array for array, _ in arrays(deflated)]).reshape(5, 9), image)
    again = transcoded(deflated, EXPLICIT_LITTLE_ENDIAN)
    assert again.data == first.data


def test_frames_beyond_32_bits_get_an_extended_offset_table() -> None:
    image = real_image(real_file("SC_rgb_2frame.dcm"))
    assert image is not None
    lengths = [0xFFFFFFF8, 10]
    head = Transcoding(image.header, image.syntax, RLE).head(lengths)
    ended = stored(head + bytes.fromhex("feff00e0020000000000feffdde000000000"), RLE)
    assert ended is not None
    assert ended.pixel.basic_offsets == b""
    assert ended.pixel.extended_offsets == (0).to_bytes(8, "little") + (1 << 32).to_bytes(8, "little")
    assert ended.pixel.extended_lengths == b"".join(length.to_bytes(8, "little") for length in lengths)


def test_without_lengths_the_offset_table_is_empty() -> None:
    image = real_image(real_file("SC_rgb_2frame.dcm"))
    assert image is not None
    transcoding = Transcoding(image.header, image.syntax, RLE)
    encoded = map(transcoding.transcode_frame, image.frames)
    result = stored(b"".join(transcoding.pieces(encoded)), RLE)
    assert result is not None
    assert result.pixel.basic_offsets == b""
    assert len(result.frames) == 2


@pytest.mark.parametrize("target", sorted(NATIVE))
def test_objects_without_pixels_change_their_encoding_only(target: str) -> None:
    for path in real_files():
        names = {"test-SR.dcm", "rtplan.dcm", "reportsi.dcm", "DICOMDIR", "UN_sequence.dcm"}
        if path.name not in names or (path.name == "UN_sequence.dcm" and target == EXPLICIT_BIG_ENDIAN):
            continue  # pydicom takes items in UN for big endian
        meta, data = real_dataset(path)
        transcoding = Transcoding(data, meta.transfer_syntax_uid, target, pixel=None)
        assert transcoding.description is None
        assert transcoding.same
        assert transcoding.transcode_frame(b"1") == b"1"
        encoded = encode_file_meta(FileMeta("1.2", "3.4", target)) + b"".join(transcoding.pieces())
        assert differing(pydicom.dcmread(path), pydicom.dcmread(io.BytesIO(encoded))) == set()
    with pytest.raises(NotAcceptableError, match="without pixels"):
        Transcoding(b"", EXPLICIT_LITTLE_ENDIAN, RLE, pixel=None)


def test_a_gigabyte_passes_in_frames() -> None:
    image = real_image(real_file("CT_small.dcm"))
    assert image is not None
    many = Dataset()
    for found in dataset_of(image):
        if found.tag.group < 0x7FE0:
            many.add(found)
    many.NumberOfFrames = 40_000
    transcoding = Transcoding(encode_dataset(many, EXPLICIT_LITTLE_ENDIAN), EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN)
    frame, size, largest = image.frames[0], 0, 0
    for piece in transcoding.pieces(frame for _ in range(40_000)):
        size += len(piece)
        largest = max(largest, len(piece))
    assert size > 1 << 30
    assert largest <= len(frame) + 8192


def test_a_description_needs_no_pixels_of_its_own() -> None:
    image = real_image(real_file("CT_small.dcm"))
    assert image is not None
    assert Transcoding(image.header, image.syntax, RLE).description == PixelDescription.of(dataset_of(image))
