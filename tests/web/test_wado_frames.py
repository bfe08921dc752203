"""Frames, bulk values and metadata over HTTP are what stands in the file (PS3.18 §10.4)."""

import gzip
import json
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import generate_frames

from archimage.dicom.codecs.syntaxes import NATIVE, VIDEO
from archimage.dicom.xml import NAMESPACE, model_xml, parse_xml
from archimage.protocol.uids import EXPLICIT_VR_BIG_ENDIAN
from archimage.web.dicomweb.metadata import models, takes_gzip
from tests.attacks.datasets import dataset, new_uid
from tests.services.test_frames import image as pixels_of
from tests.web.stowing import STUDY, image, part10, store
from tests.web.wadoing import ANY_FRAME, SERIES, Kept, get, one, parts

_JPEG = "SC_rgb_jpeg_gdcm.dcm"
_CINE = "examples_ybr_color.dcm"


def frames_of(kept: Kept) -> list[bytes]:
    """Return the frames as pydicom finds them."""
    data = pydicom.dcmread(kept.path, force=True)
    count = int(data.get("NumberOfFrames", 1) or 1)
    if kept.meta.transfer_syntax_uid not in NATIVE:
        return list(generate_frames(data.PixelData, number_of_frames=count))
    size = len(data.PixelData) // count
    return [data.PixelData[at : at + size] for at in range(0, size * count, size)]


# Frames.


def _first_frame(kept: Kept) -> bytes:
    """Return the first frame as pydicom finds it; the files that have single bits have whole bytes of them."""
    data = pydicom.dcmread(kept.path, force=True)
    if kept.meta.transfer_syntax_uid not in NATIVE:
        return frames_of(kept)[0]
    bits = data.Rows * data.Columns * data.SamplesPerPixel * data.BitsAllocated
    size = bits // 3 * 2 if data.PhotometricInterpretation == "YBR_FULL_422" else bits
    value = next(data[tag].value for tag in (0x7FE00008, 0x7FE00009, 0x7FE00010) if tag in data)
    found: bytes = value[: -(-size // 8)]
    return found


def test_every_frame_of_every_real_image_can_be_had_or_the_reason_is_told(port: int, real: list[Kept]) -> None:
    answered = refused = 0
    for kept in real:
        answer = get(port, f"{kept.address}/frames/1", ANY_FRAME)
        assert answer.status in {200, 404, 406}, kept.path.name
        if answer.status == 200:
            answered += 1
            (part,) = parts(answer)
            assert part.body == _first_frame(kept), kept.path.name
            assert part.headers["content-location"].endswith(f"{kept.address}/frames/1")
        else:
            refused += 1
            assert answer.model["error"]
    assert answered > 90
    assert refused > 10


def test_frames_come_in_the_order_that_is_asked_for_and_say_how_they_are_encoded(port: int, real: list[Kept]) -> None:
    kept = one(real, _CINE)
    wanted = frames_of(kept)
    assert len(wanted) > 3
    answer = get(port, f"{kept.address}/frames/3,1,{len(wanted)}", ANY_FRAME)
    found = parts(answer)
    assert [part.body for part in found] == [wanted[2], wanted[0], wanted[-1]]
    for part, number in zip(found, (3, 1, len(wanted)), strict=True):
        assert (
            part.headers["content-type"] == f"application/octet-stream; transfer-syntax={kept.meta.transfer_syntax_uid}"
        )
        assert part.headers["content-location"].endswith(f"{kept.address}/frames/{number}")


@pytest.mark.parametrize("path", ["frames", "pixeldata"])
def test_all_frames_at_once(port: int, real: list[Kept], path: str) -> None:
    kept = one(real, _CINE)
    assert [part.body for part in parts(get(port, f"{kept.address}/{path}", ANY_FRAME))] == frames_of(kept)


@pytest.mark.parametrize(
    ("accept", "multipart"),
    [
        ("*/*", True),
        ("multipart/related", True),
        ('multipart/related; type="*/*"', True),
        ('multipart/related; type="image/jpeg"', True),
        ('multipart/related; type="image/*"', True),
        ("image/jpeg", False),
        ("image/*", False),
        ("application/json, image/jpeg;q=0.5", False),
    ],
)
def test_a_compressed_frame_goes_under_its_own_media_type(
    port: int, real: list[Kept], accept: str, *, multipart: bool
) -> None:
    kept = one(real, _JPEG)
    answer = get(port, f"{kept.address}/frames/1", accept)
    kind = f"image/jpeg; transfer-syntax={kept.meta.transfer_syntax_uid}"
    if multipart:
        (part,) = parts(answer)
        assert (part.headers["content-type"], part.body) == (kind, frames_of(kept)[0])
    else:
        assert (answer.headers["content-type"], answer.body) == (kind, frames_of(kept)[0])


def test_a_frame_in_big_endian_says_so(port: int) -> None:
    big = EXPLICIT_VR_BIG_ENDIAN
    data, uid = pixels_of(bytes(range(64)), big, rows=4, columns=8, bits=16)
    assert store(port, [part10(data, uid, big)]).status == 200
    (part,) = parts(get(port, f"/studies/{STUDY}/series/{SERIES}/instances/{uid}/frames/1", ANY_FRAME))
    assert part.headers["content-type"] == f"application/octet-stream; transfer-syntax={big}"
    assert part.body == bytes(range(64))


def test_a_frame_alone_may_be_had_in_ranges(port: int, real: list[Kept]) -> None:
    kept = one(real, _CINE)
    answer = get(port, f"{kept.address}/frames/2", "application/octet-stream; transfer-syntax=*", Range="bytes=10-19")
    frame = frames_of(kept)[1]
    assert (answer.status, answer.body) == (206, frame[10:20])
    assert answer.headers["content-range"] == f"bytes 10-19/{len(frame)}"
    again = get(
        port,
        f"{kept.address}/frames/2",
        "application/octet-stream; transfer-syntax=*",
        Range="bytes=10-19",
        If_Range='"older"',
    )
    assert (again.status, again.body) == (200, frame)


def test_several_frames_do_not_go_without_a_multipart(port: int, real: list[Kept]) -> None:
    kept = one(real, _CINE)
    assert get(port, f"{kept.address}/frames/1,2", "application/octet-stream; transfer-syntax=*").status == 406


def test_a_viewer_that_has_a_frame_is_told_so(port: int, real: list[Kept]) -> None:
    kept = one(real, _CINE)
    first = get(port, f"{kept.address}/frames/1", ANY_FRAME)
    second = get(port, f"{kept.address}/frames/2", ANY_FRAME)
    assert first.headers["etag"] != second.headers["etag"]
    again = get(port, f"{kept.address}/frames/1", ANY_FRAME, If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("frames", "status"),
    [
        ("0", 400),
        ("-1", 400),
        ("1,", 400),
        ("x", 400),
        ("1-3", 400),
        ("9999999999", 400),
        ("99999", 404),
        ("1,99999", 404),
    ],
)
def test_frames_that_are_not_there_and_lists_that_are_none(
    port: int, real: list[Kept], frames: str, status: int
) -> None:
    answer = get(port, f"{one(real, _CINE).address}/frames/{frames}", ANY_FRAME)
    assert (answer.status, set(answer.model)) == (status, {"error", "next"})


def test_no_more_frames_are_read_at_once_than_any_client_needs(port: int, real: list[Kept]) -> None:
    wanted = ",".join(["1"] * 10_001)
    assert get(port, f"{one(real, _CINE).address}/frames/{wanted}", ANY_FRAME).status == 400


def test_an_object_without_pixels_tells_so(port: int, real: list[Kept]) -> None:
    kept = one(real, "rtplan.dcm")
    for path in ("frames/1", "frames", "pixeldata"):
        answer = get(port, f"{kept.address}/{path}", ANY_FRAME)
        assert (answer.status, "no pixels" in answer.model["error"]) == (406, True)


def test_a_video_goes_as_its_stream_and_in_ranges(port: int) -> None:
    uid = new_uid()
    syntax = "1.2.840.10008.1.2.4.102"
    stream = bytes(range(256)) * 40
    data = dataset(uid, pixels=b"")
    value = b"\xfe\xff\x00\xe0\0\0\0\0" + b"".join(
        b"\xfe\xff\x00\xe0" + len(half).to_bytes(4, "little") + half for half in (stream[:5120], stream[5120:])
    )
    data = data[: data.rindex(b"\xe0\x7f\x10\x00")] + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + value
    assert store(port, [part10(data + b"\xfe\xff\xdd\xe0\0\0\0\0", uid, syntax)]).status == 200
    assert syntax in VIDEO
    address = f"/studies/{STUDY}/series/{SERIES}/instances/{uid}"
    for path in ("frames", "bulkdata/7FE00010", "pixeldata"):
        answer = get(port, f"{address}/{path}?accept=video/mp4", "*/*", Range="bytes=5000-5299")
        assert (answer.status, answer.body) == (206, stream[5000:5300])
        assert answer.headers["content-type"].startswith("video/mp4")
        (part,) = parts(get(port, f"{address}/{path}", 'multipart/related; type="video/mp4"'))
        assert part.body == stream
    assert get(port, f"{address}/frames/1", "*/*").status == 406


# Bulk data.


def test_every_reference_in_the_metadata_leads_to_its_value(port: int, real: list[Kept]) -> None:
    followed = compared = 0
    for kept in real:
        (model,) = json.loads(get(port, f"{kept.address}/metadata").body)
        for uri in _uris(model):
            path = uri.partition("/dicom-web")[2]
            answer = get(port, path, 'multipart/related; type="application/octet-stream"; transfer-syntax=*')
            if answer.status != 200:
                assert (path.endswith("/frames"), answer.status) == (True, 406), (kept.path.name, uri)
                continue
            followed += 1
            wanted = _first_frame(kept) if path.endswith("/frames") else _value(kept, path)
            assert wanted is None or parts(answer)[0].body == wanted, (kept.path.name, uri)
            compared += wanted is not None
    assert followed > 100
    assert compared > 100


def _value(kept: Kept, path: str) -> bytes | None:
    """Return the bytes that a reference leads to as pydicom finds them; None where it turns them into something."""
    if kept.meta.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN:
        return None
    found = pydicom.dcmread(kept.path, force=True)
    *items, tag = path.partition("/bulkdata/")[2].split("/")
    for sequence, number in zip(items[::2], items[1::2], strict=True):
        found = found[int(sequence, 16)].value[int(number) - 1]
    value = found[int(tag, 16)].value
    return value if isinstance(value, bytes) else None


def _uris(model: dict[str, dict[str, object]]) -> Iterator[str]:
    for attribute in model.values():
        uri, items = attribute.get("BulkDataURI"), attribute.get("Value")
        if isinstance(uri, str):
            yield uri
        if attribute["vr"] == "SQ" and isinstance(items, list):
            for item in items:
                yield from _uris(item)


def test_a_value_whole_alone_and_in_ranges(port: int) -> None:
    uid, pixels = new_uid(), bytes(range(256)) * 12_000
    assert store(port, [image(uid, pixels=pixels)]).status == 200
    address = f"/studies/{STUDY}/series/{SERIES}/instances/{uid}/bulkdata/7FE00010"
    (part,) = parts(get(port, address, "*/*"))
    assert part.body == pixels
    assert part.headers["content-location"].endswith(address)
    alone = get(port, address, "application/octet-stream")
    assert (alone.body, alone.headers["content-disposition"]) == (pixels, "attachment")
    ranged = get(port, address, "application/octet-stream", Range="bytes=1000001-")
    assert (ranged.status, ranged.body) == (206, pixels[1_000_001:])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("00420011", 404),
        ("0042001", 400),
        ("x", 400),
        ("..%2f..", 400),
        ("54000100/0/54001010", 400),
        ("7FE00010/", 400),
    ],
)
def test_values_that_are_not_there_and_paths_that_are_none(port: int, path: str, status: int) -> None:
    uid = new_uid()
    assert store(port, [image(uid)]).status == 200
    answer = get(port, f"/studies/{STUDY}/series/{SERIES}/instances/{uid}/bulkdata/{path}")
    assert (answer.status, set(answer.model)) == (status, {"error", "next"})


def test_a_document_goes_under_its_own_media_type(port: int) -> None:
    uid, document = new_uid(), b"%PDF-1.4 " + bytes(2_000)
    more = ((0x00420011, "OB", document + b"\0"), (0x00420012, "LO", b"application/pdf "))
    assert store(port, [part10(dataset(uid, more=more), uid)]).status == 200
    answer = get(port, f"/studies/{STUDY}/series/{SERIES}/instances/{uid}/bulkdata/00420011?accept=application/pdf")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.body == document + b"\0"
    assert "content-disposition" not in answer.headers


# Metadata.


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_metadata_in_json_compressed_and_in_xml(port: int, real: list[Kept], level: str) -> None:
    kept = one(real, "CT_small.dcm")
    address = {"study": f"/studies/{kept.study}", "series": f"/studies/{kept.study}/series/{kept.series}"}
    path = f"{address.get(level, kept.address)}/metadata"
    plain = get(port, path)
    assert plain.headers["content-type"] == "application/dicom+json"
    packed = get(port, path, "application/dicom+json", Accept_Encoding="gzip, br")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    xml = parts(get(port, path, 'multipart/related; type="application/dicom+xml"'))
    assert [part.body for part in xml] == [model_xml(model) for model in json.loads(plain.body)]
    assert ET.fromstring(xml[0].body).tag == f"{{{NAMESPACE}}}NativeDicomModel"  # noqa: S314 - our own
    assert parse_xml(xml[0].body)["00080018"]["Value"] == [kept.uid] or level != "instance"


def test_metadata_that_a_client_has_is_not_sent_again(port: int, real: list[Kept]) -> None:
    path = f"/studies/{real[0].study}/metadata"
    tags = set()
    for accept, encoding in (("application/json", "identity"), ("application/json", "gzip"), ("multipart/related", "")):
        answer = get(port, path, accept, Accept_Encoding=encoding)
        tags.add(answer.headers["etag"])
        again = get(port, path, accept, Accept_Encoding=encoding, If_None_Match=answer.headers["etag"])
        assert (again.status, again.body) == (304, b"")
    assert len(tags) == 3


def test_metadata_follows_what_is_stored(port: int) -> None:
    path = f"/studies/{STUDY}/metadata"
    assert store(port, [image(new_uid())]).status == 200
    before = get(port, path)
    assert store(port, [image(new_uid())]).status == 200
    after = get(port, path, "application/json", If_None_Match=before.headers["etag"])
    assert (after.status, len(json.loads(after.body))) == (200, len(json.loads(before.body)) + 1)


@pytest.mark.parametrize(
    ("path", "status"), [("/studies/9.9", 404), ("/studies/x", 400), ("/studies/9.9/series/9", 404)]
)
def test_metadata_of_what_is_not_there(port: int, path: str, status: int) -> None:
    assert get(port, f"{path}/metadata").status == status


@pytest.mark.parametrize(
    ("encodings", "taken"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("*, gzip; q=0", False),
        ("br", False),
        (None, False),
        (";;,", False),
    ],
)
def test_gzip_is_sent_to_those_who_take_it(encodings: str | None, *, taken: bool) -> None:
    assert takes_gzip(encodings) == taken


_TEXTS = st.dictionaries(
    st.text(max_size=3), st.one_of(st.text(), st.lists(st.text(max_size=4), max_size=2)), max_size=3
)


@given(st.lists(_TEXTS, max_size=6), st.integers(1, 40))
def test_an_array_is_taken_apart_wherever_it_is_cut(objects: list[dict[str, object]], size: int) -> None:
    text = json.dumps(objects, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if b"\xed" not in text:
        assert list(models(text[at : at + size] for at in range(0, len(text), size))) == objects
