"""Objects and frames in the transfer syntax that the client asks for (PS3.18 §8.7.3)."""

import io
import zipfile

import numpy as np
import pydicom
import pytest

from archimage.dicom.codecs.syntaxes import (
    DECODABLE,
    EXPLICIT_LITTLE_ENDIAN,
    HTJ2K,
    HTJ2K_LOSSLESS,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LOSSLESS_SV1,
    JPEG_LS,
    JPEG_LS_NEAR,
    JPEG_XL,
    JPEG_XL_RECOMPRESSION,
    RLE,
)
from archimage.dicom.part10 import decode_file_meta
from archimage.dicom.pixels import PixelDescription, decode_frame
from archimage.errors import NotAcceptableError
from archimage.services.transcoding import has_way
from archimage.web.dicomweb.forms import frame_form, frame_offers, object_offers, object_syntax
from archimage.web.dicomweb.negotiation import rank
from tests.attacks.datasets import dataset, new_uid
from tests.dicom.images import psnr
from tests.services.test_frames import encapsulated
from tests.web.breaking import copied
from tests.web.stowing import STUDY, Answer, part10, store
from tests.web.wadoing import SERIES, Kept, get, one, parts

_CT = "CT_small.dcm"
_MR = "examples_overlay.dcm"
_CINE = "examples_ybr_color.dcm"
_JPEG = "SC_rgb_jpeg_gdcm.dcm"
_PLAN = "rtplan.dcm"


def objects(syntax: str) -> str:
    """Return what asks for objects in a transfer syntax."""
    return f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'


# Objects.


@pytest.mark.parametrize("accept", ["*/*", 'multipart/related; type="application/dicom"', "application/dicom", None])
def test_without_a_word_an_object_comes_in_explicit_little_endian(
    port: int, real: list[Kept], accept: str | None
) -> None:
    answer = get(port, one(real, _JPEG).address, accept)
    body = answer.body if accept == "application/dicom" else parts(answer)[0].body
    assert decode_file_meta(body)[0].transfer_syntax_uid == EXPLICIT_LITTLE_ENDIAN


def test_every_real_object_comes_in_explicit_little_endian_or_the_reason_is_told(port: int, real: list[Kept]) -> None:
    came = 0
    for kept in real:
        answer = get(port, kept.address, objects(EXPLICIT_LITTLE_ENDIAN))
        assert answer.status in {200, 406}, (kept.path.name, answer.body)
        if answer.status == 200:
            (part,) = parts(answer)
            assert part.headers["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}"
            assert decode_file_meta(part.body)[0].transfer_syntax_uid == EXPLICIT_LITTLE_ENDIAN
            came += 1
        else:
            assert answer.model["error"]
    assert came > 140


@pytest.mark.parametrize("syntax", [JPEG_LOSSLESS_SV1, JPEG_LS, JPEG_2000_LOSSLESS, RLE])
def test_what_is_lossless_holds_the_same_pixels(port: int, real: list[Kept], syntax: str) -> None:
    kept = one(real, _CT)
    (part,) = parts(get(port, kept.address, objects(syntax)))
    made = pydicom.dcmread(io.BytesIO(part.body))
    assert made.file_meta.TransferSyntaxUID == syntax
    (back,) = parts(get(port, f"{kept.address}/frames/1", "*/*"))
    assert made.pixel_array.tobytes() == back.body
    assert made.SOPInstanceUID == kept.uid


def test_what_is_lossy_is_another_object(port: int, real: list[Kept]) -> None:
    kept = one(real, "SC_rgb.dcm")
    (part,) = parts(get(port, kept.address, objects(JPEG_BASELINE)))
    made = pydicom.dcmread(io.BytesIO(part.body))
    assert made.SOPInstanceUID != kept.uid
    assert made.LossyImageCompression == "01"


def test_a_jpeg_becomes_a_jpeg_xl_that_holds_the_same_picture(port: int) -> None:
    uids = (new_uid(), new_uid(), new_uid())
    file = copied(_CINE, uids)
    assert store(port, [file]).status == 200
    address = "/studies/{}/series/{}/instances/{}".format(*uids)
    (part,) = parts(get(port, address, objects(JPEG_XL_RECOMPRESSION)))
    made, stored = pydicom.dcmread(io.BytesIO(part.body)), pydicom.dcmread(io.BytesIO(file))
    assert (made.file_meta.TransferSyntaxUID, made.SOPInstanceUID) == (JPEG_XL_RECOMPRESSION, stored.SOPInstanceUID)
    assert len(made.PixelData) < len(stored.PixelData)
    recompressed = f'multipart/related; type="image/jxl"; transfer-syntax={JPEG_XL_RECOMPRESSION}'
    (frame,) = parts(get(port, f"{address}/frames/3", recompressed))
    (jpeg,) = parts(get(port, f"{address}/frames/3", 'multipart/related; type="image/jpeg"'))
    description = PixelDescription.of(made, "OB", made["PixelData"].tag)
    pictures = [
        decode_frame(memoryview(data), syntax, description)[0]
        for data, syntax in ((frame.body, JPEG_XL_RECOMPRESSION), (jpeg.body, JPEG_BASELINE))
    ]
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 3  # two decoders of one set of coefficients


def test_an_archive_of_transcoded_objects(port: int, real: list[Kept]) -> None:
    kept = one(real, _CT)
    answer = get(port, f"/studies/{kept.study}", f"application/zip; transfer-syntax={JPEG_LS}")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        made = pydicom.dcmread(io.BytesIO(archive.read(f"{kept.uid}.dcm")))
    assert made.file_meta.TransferSyntaxUID == JPEG_LS


def test_of_several_objects_those_without_a_way_are_left_out_and_that_is_told(port: int) -> None:
    data, video = encapsulated([b"stream"], 1)
    image = new_uid()
    stored = [part10(data, video, "1.2.840.10008.1.2.4.102"), part10(dataset(image), image)]
    assert store(port, stored).status == 200
    answer = get(port, f"/studies/{STUDY}/series/{SERIES}", objects(EXPLICIT_LITTLE_ENDIAN))
    assert (answer.status, len(parts(answer))) == (206, 1)
    assert "1 of 2 instances" in answer.headers["warning"]
    address = f"/studies/{STUDY}/series/{SERIES}/instances/{video}"
    refused = get(port, address, objects(EXPLICIT_LITTLE_ENDIAN))
    assert (refused.status, "1.2.840.10008.1.2.4.102" in refused.model["error"]) == (406, True)
    (part,) = parts(get(port, address, "*/*"))
    assert part.headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.102"


def test_an_object_that_lies_about_its_pixels_goes_with_its_series_as_it_is_stored(port: int) -> None:
    data, uid = encapsulated([b"\xff\xd8\xff\xe0no jpeg"], 1)
    assert store(port, [part10(data, uid, JPEG_BASELINE)]).status == 200
    address = f"/studies/{STUDY}/series/{SERIES}"
    refused = get(port, f"{address}/instances/{uid}", objects(EXPLICIT_LITTLE_ENDIAN))
    assert (refused.status, len(refused.model["error"]) > 10) == (406, True)
    answer = get(port, address, 'multipart/related; type="application/dicom"')
    found = {decode_file_meta(part.body)[0].media_storage_sop_instance_uid: part for part in parts(answer)}
    assert found[uid].headers["content-type"] == f"application/dicom; transfer-syntax={JPEG_BASELINE}"
    assert found[uid].body.endswith(data)


# Frames.


@pytest.mark.parametrize(
    ("accept", "syntax"),
    [
        ("application/octet-stream", EXPLICIT_LITTLE_ENDIAN),
        (f"application/octet-stream; transfer-syntax={JPEG_LS}", JPEG_LS),
        ("image/jls", JPEG_LS),
        ("image/jp2", JPEG_2000_LOSSLESS),
        (f"image/jphc; transfer-syntax={HTJ2K_LOSSLESS}", HTJ2K_LOSSLESS),
        ("image/dicom-rle", RLE),
        ("image/jpeg", JPEG_LOSSLESS_SV1),
    ],
)
def test_a_frame_in_the_form_that_is_asked_for(port: int, real: list[Kept], accept: str, syntax: str) -> None:
    kept = one(real, _CT)
    kind = accept.partition(";")[0]
    alone = get(port, f"{kept.address}/frames/1", accept)
    assert (alone.status, alone.headers["content-type"]) == (200, f"{kind}; transfer-syntax={syntax}")
    (part,) = parts(
        get(port, f"{kept.address}/frames/1", f'multipart/related; type="{kind}"; transfer-syntax={syntax}')
    )
    assert part.body == alone.body


def test_every_real_frame_can_be_decoded_or_the_reason_is_told(port: int, real: list[Kept]) -> None:
    came = 0
    for kept in real:
        answer = get(port, f"{kept.address}/frames/1", "application/octet-stream")
        assert answer.status in {200, 404, 406}, (kept.path.name, answer.body)
        if answer.status == 200:
            data = pydicom.dcmread(kept.path, force=True)
            bits = data.Rows * data.Columns * data.SamplesPerPixel * data.BitsAllocated
            halved = data.PhotometricInterpretation == "YBR_FULL_422" and kept.meta.transfer_syntax_uid.endswith("2.1")
            assert len(answer.body) == -(-(bits // 3 * 2 if halved else bits) // 8), kept.path.name
            came += 1
    assert came > 85


def test_all_frames_decoded_are_those_decoded_one_by_one(port: int, real: list[Kept]) -> None:
    address = f"{one(real, _CINE).address}/frames"
    accept = 'multipart/related; type="application/octet-stream"'
    whole = [part.body for part in parts(get(port, address, accept))]
    assert len(whole) == 30
    assert [part.body for part in parts(get(port, f"{address}/7,3", accept))] == [whole[6], whole[2]]


# Which form: what is stored costs nothing and loses nothing.


def test_of_what_is_liked_equally_the_stored_form_is_taken() -> None:
    accept = ", ".join(objects(uid) for uid in (JPEG_LS, JPEG_2000_LOSSLESS, EXPLICIT_LITTLE_ENDIAN))
    ranked = rank(accept, None, object_offers(1))
    assert object_syntax(JPEG_2000_LOSSLESS, ranked, has_way) == JPEG_2000_LOSSLESS
    assert object_syntax(RLE, ranked, has_way) == JPEG_LS
    liked = rank(f"{objects(JPEG_LS)};q=0.5, {objects(RLE)}", None, object_offers(1))
    assert object_syntax(JPEG_LS, liked, has_way) == RLE


@pytest.mark.parametrize("stored", sorted(DECODABLE | {"1.2.840.10008.1.2.4.102", "1.2.3"}))
def test_any_form_is_the_stored_one(stored: str) -> None:
    assert object_syntax(stored, rank(objects("*"), None, object_offers(1)), has_way) == stored
    every = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
    for accept in (every, "*/*") if has_way(stored, RLE) else (every,):
        offer, syntax = frame_form(stored, rank(accept, None, frame_offers(stored, alone=True)), has_way)
        native = syntax == EXPLICIT_LITTLE_ENDIAN
        assert offer.multipart
        assert syntax == stored or (native and stored.startswith("1.2.840.10008.1.2"))


def test_frames_that_have_no_way_are_refused() -> None:
    ranked = rank("application/octet-stream", None, frame_offers("1.2.3", alone=True))
    with pytest.raises(NotAcceptableError, match=r"1\.2\.3"):
        frame_form("1.2.3", ranked, has_way)


# With a loss.


_LOSSY = [JPEG_LS_NEAR, JPEG_2000, HTJ2K, JPEG_XL]


def lossy_object(answer: Answer) -> pydicom.Dataset:
    (part,) = parts(answer)
    return pydicom.dcmread(io.BytesIO(part.body))


@pytest.mark.parametrize("syntax", _LOSSY)
def test_nothing_is_lost_unless_a_quality_is_named(port: int, real: list[Kept], syntax: str) -> None:
    kept = one(real, _MR)
    whole = lossy_object(get(port, kept.address, objects(syntax)))
    assert (whole.SOPInstanceUID, "LossyImageCompression" in whole) == (kept.uid, False)
    sizes = []
    for percent in (95, 40):
        lossy = lossy_object(get(port, f"{kept.address}?quality={percent}", objects(syntax)))
        assert (lossy.file_meta.TransferSyntaxUID, lossy.LossyImageCompression) == (syntax, "01")
        assert lossy.SOPInstanceUID != kept.uid
        assert float(lossy.LossyImageCompressionRatio) > 1
        sizes.append(len(lossy.PixelData))
    assert sizes[1] < min(sizes[0], len(whole.PixelData))


def test_the_same_quality_is_the_same_object_and_another_has_another_entity_tag(port: int, real: list[Kept]) -> None:
    address = f"{one(real, _MR).address}?quality="
    first, again, other = (get(port, f"{address}{percent}", objects(JPEG_2000)) for percent in (60, 60, 70))
    assert lossy_object(first).SOPInstanceUID == lossy_object(again).SOPInstanceUID
    assert lossy_object(first).SOPInstanceUID != lossy_object(other).SOPInstanceUID
    assert first.headers["etag"] == again.headers["etag"] != other.headers["etag"]


@pytest.mark.parametrize(("syntax", "least_db"), [(JPEG_LS_NEAR, 60), (JPEG_2000, 45), (HTJ2K, 45), (JPEG_XL, 35)])
def test_a_lossy_frame_is_close_to_what_is_stored(port: int, real: list[Kept], syntax: str, least_db: float) -> None:
    kept = one(real, _MR)
    stored = pydicom.dcmread(kept.path)
    description = PixelDescription.of(stored)
    accept = f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}'
    lossy = get(port, f"{kept.address}?quality=90", objects(syntax))
    assert store(port, [parts(lossy)[0].body]).status == 200
    address = f"{kept.address.rpartition('/')[0]}/{lossy_object(lossy).SOPInstanceUID}"
    (part,) = parts(get(port, f"{address}/frames/1", accept))
    again = np.frombuffer(part.body, "<u2").reshape(description.rows, description.columns)
    assert psnr(stored.pixel_array, again, description) >= least_db


def test_wado_uri_takes_a_quality_for_objects(port: int, real: list[Kept]) -> None:
    kept = one(real, _MR)
    query = f"requestType=WADO&studyUID={kept.study}&seriesUID={kept.series}&objectUID={kept.uid}"
    query += f"&contentType=application/dicom&transferSyntax={JPEG_2000}"
    whole, lossy = (pydicom.dcmread(io.BytesIO(get(port, f"?{query}{more}").body)) for more in ("", "&imageQuality=50"))
    assert (whole.SOPInstanceUID, lossy.LossyImageCompression) == (kept.uid, "01")
    assert len(lossy.PixelData) < len(whole.PixelData) / 2


@pytest.mark.parametrize("quality", ["0", "-1", "x", "1.5"])
def test_a_quality_that_is_none_is_refused(port: int, real: list[Kept], quality: str) -> None:
    assert get(port, f"{one(real, _MR).address}?quality={quality}", objects(JPEG_2000)).status == 400
