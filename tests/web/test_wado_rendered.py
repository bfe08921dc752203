"""Pictures over HTTP: every real image is shown or the reason is told (PS3.18 §10.4.1.1.3)."""

import io
import json

import numpy as np
import pydicom
import pytest
from PIL import Image

from tests.attacks.datasets import dataset, new_uid
from tests.web.breaking import copied
from tests.web.stowing import STUDY, Answer, part10, store
from tests.web.wadoing import SERIES, Kept, get, one, parts

_CINE = "examples_ybr_color.dcm"
_CT = "CT_small.dcm"
_PLAN = "rtplan.dcm"


def picture(answer: Answer) -> Image.Image:
    """Return the picture of an answer."""
    assert answer.status == 200, answer.body
    return Image.open(io.BytesIO(answer.body))


_NOT_SHOWN = {"JPEG2000-embedded-sequence-delimiter.dcm", "badVR.dcm"}
"""A codestream of another size than its header says, and a header without what describes an image."""


def is_image(kept: Kept) -> bool:
    """Tell whether an object has pixels that can be shown."""
    header = pydicom.dcmread(kept.path, defer_size=1024)
    return ("PixelData" in header or "FloatPixelData" in header) and kept.path.name not in _NOT_SHOWN


def test_every_real_image_is_shown_or_the_reason_is_told(port: int, real: list[Kept]) -> None:
    for kept in real:
        answer = get(port, f"{kept.address}/rendered", "image/jpeg, application/pdf, video/mp4, */*;q=0.1")
        assert answer.status == (200 if is_image(kept) else 406), (kept.path.name, answer.body)
        if answer.status == 200:
            (model,) = json.loads(get(port, f"{kept.address}/metadata").body)
            assert picture(answer).size == (model["00280011"]["Value"][0], model["00280010"]["Value"][0])
        else:
            assert len(answer.model["error"]) > 10


def test_every_real_image_has_a_thumbnail(port: int, real: list[Kept]) -> None:
    for kept in real:
        answer = get(port, f"{kept.address}/thumbnail?accept=image%2Fjpeg", "*/*")
        assert answer.status == (200 if is_image(kept) else 406), kept.path.name
        if answer.status == 200:
            assert max(picture(answer).size) == 200


@pytest.mark.parametrize("level", ["study", "series", "instance", "frame"])
@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "jp2"])
def test_a_picture_alone_at_every_level(port: int, real: list[Kept], level: str, kind: str) -> None:
    kept = one(real, _CT)
    study = f"/studies/{kept.study}"
    paths = {"study": study, "series": f"{study}/series/{kept.series}", "frame": f"{kept.address}/frames/1"}
    answer = get(port, f"{paths.get(level, kept.address)}/rendered", f"image/{kind}")
    assert answer.headers["content-type"] == f"image/{kind}"
    assert picture(answer).format in {kind.upper(), "JPEG2000"}
    thumbnail = get(port, f"{paths.get(level, kept.address)}/thumbnail?viewport=64,32", f"image/{kind}")
    assert picture(thumbnail).size == (32, 32)


def test_pictures_of_all_frames_in_parts_or_as_a_loop(port: int, real: list[Kept]) -> None:
    kept = one(real, _CINE)
    found = parts(get(port, f"{kept.address}/rendered", 'multipart/related; type="image/jpeg"'))
    loop = picture(get(port, f"{kept.address}/rendered", "image/gif"))
    assert len(found) == 30 >= getattr(loop, "n_frames", 1) > 20
    two = parts(get(port, f"{kept.address}/frames/2,1/rendered", 'multipart/related; type="image/jpeg"'))
    assert [part.body for part in two] == [found[1].body, found[0].body]
    assert get(port, f"{kept.address}/frames/2,1/rendered", "image/jpeg").status == 406


@pytest.mark.parametrize("wanted", ["yes", "srgb", "adobergb", "rommrgb", "displayp3"])
def test_a_colour_space_that_is_asked_for_stands_in_the_file(port: int, real: list[Kept], wanted: str) -> None:
    for name in (_CT, _CINE):
        found = picture(get(port, f"{one(real, name).address}/frames/1/rendered?iccprofile={wanted}", "image/png"))
        assert (found.mode, len(found.info["icc_profile"]) > 300) == ("RGB", True)
    plain = picture(get(port, f"{one(real, _CINE).address}/frames/1/rendered?iccprofile=no", "image/png"))
    assert "icc_profile" not in plain.info
    for kind in ("gif", "jp2"):
        answer = get(port, f"{one(real, _CINE).address}/frames/1/rendered?iccprofile={wanted}", f"image/{kind}")
        assert (answer.status, "image/png" in answer.model["error"]) == (406, True)
    assert get(port, f"{one(real, _CINE).address}/rendered?iccprofile={wanted}", "image/gif").status == 406


def test_a_colour_space_that_nobody_knows_is_refused(port: int, real: list[Kept]) -> None:
    answer = get(port, f"{one(real, _CT).address}/rendered?iccprofile=cmyk", "image/png")
    assert (answer.status, "displayp3" in answer.model["error"]) == (400, True)


def test_a_series_in_parts_has_a_picture_of_each_image(port: int, real: list[Kept]) -> None:
    kept = one(real, _CT)
    series = f"/studies/{kept.study}/series/{kept.series}"
    images = [
        f"http://127.0.0.1:{port}/dicom-web{one.address}/frames/1/rendered"
        for one in real
        if one.address.startswith(series)
    ]
    found = parts(get(port, f"{series}/rendered", "*/*"))
    assert [part.headers["content-type"] for part in found] == ["image/jpeg"] * len(images)
    assert sorted(part.headers["content-location"] for part in found) == sorted(images)


def test_the_picture_of_an_object_is_that_of_its_representative_frame(port: int) -> None:
    uids = (new_uid(), new_uid(), new_uid())
    address = "/studies/{}/series/{}/instances/{}".format(*uids)
    assert store(port, [copied(_CINE, uids, RepresentativeFrameNumber=7)]).status == 200
    seventh = get(port, f"{address}/frames/7/rendered", "image/png").body
    assert seventh != get(port, f"{address}/frames/1/rendered", "image/png").body
    study, series = address.partition("/series")[0], address.partition("/instances")[0]
    for path in (address, series, study):
        assert get(port, f"{path}/rendered", "image/png").body == seventh, path
    (part,) = parts(get(port, f"{series}/rendered", 'multipart/related; type="image/png"'))
    assert part.body == seventh


def test_window_viewport_quality_and_annotation_change_the_picture(port: int, real: list[Kept]) -> None:
    kept = one(real, _CT)
    address = f"{kept.address}/rendered"
    plain = picture(get(port, address, "image/png"))
    wide = picture(get(port, f"{address}?window=0,4000,linear", "image/png"))
    assert np.ptp(np.asarray(wide)) < np.ptp(np.asarray(plain))
    assert picture(get(port, f"{address}?viewport=64,64", "image/png")).size == (64, 64)
    cut = picture(get(port, f"{address}?viewport=32,32,10,20,32,32", "image/png"))
    assert np.array_equal(np.asarray(cut), np.asarray(plain)[20:52, 10:42])
    flipped = picture(get(port, f"{address}?viewport=128,128,0,0,-128,128", "image/png"))
    assert np.array_equal(np.asarray(flipped), np.asarray(plain)[:, ::-1])
    assert len(get(port, f"{address}?quality=10", "image/jpeg").body) < len(get(port, address, "image/jpeg").body)
    noted = picture(get(port, f"{address}?annotation=patient,technique", "image/png"))
    assert not np.array_equal(np.asarray(noted), np.asarray(plain))


@pytest.mark.parametrize(
    "query",
    [
        "quality=0",
        "quality=101",
        "quality=x",
        "viewport=1",
        "viewport=0,5",
        "viewport=a,b",
        "viewport=99999,99999",
        "viewport=1,2,3,4,5,6,7",
        "viewport=10,10,5000,5000,10,10",
        "viewport=٣,٣",
        "window=1",
        "window=1,0,linear",
        "window=1,2,cubic",
        "window=1,2,linear,3",
        "window=nan,inf,linear",
        "annotation=all",
    ],
)
def test_parameters_that_make_no_sense_are_refused(port: int, real: list[Kept], query: str) -> None:
    from urllib.parse import quote

    answer = get(port, f"{one(real, _CT).address}/rendered?{quote(query, safe='=,')}", "image/png")
    assert (answer.status, set(answer.model)) == (400, {"error", "next"})


def test_a_viewport_of_too_many_pixels_is_refused_for_that_reason(port: int, real: list[Kept]) -> None:
    answer = get(port, f"{one(real, _CT).address}/rendered?viewport=9000,9000", "image/png")
    assert answer.model["error"] == "a viewport has at most 67108864 pixels: 9000 x 9000 are more"


def test_an_object_without_pixels_tells_so(port: int, real: list[Kept]) -> None:
    kept = one(real, _PLAN)
    series = f"/studies/{kept.study}/series/{kept.series}"
    for address in (kept.address, f"{kept.address}/frames/1", f"/studies/{kept.study}", series):
        for what in ("rendered", "thumbnail"):
            answer = get(port, f"{address}/{what}", "*/*")
            assert (answer.status, "no" in answer.model["error"]) == (406, True)


def test_pictures_that_a_client_has_are_not_drawn_again(port: int, real: list[Kept]) -> None:
    address = f"{one(real, _CT).address}/rendered"
    etag = get(port, address, "image/png").headers["etag"]
    assert get(port, address, "image/png", If_None_Match=etag).status == 304
    assert get(port, f"{address}?quality=50", "image/png", If_None_Match=etag).status == 200


@pytest.mark.parametrize(
    ("path", "status"), [("frames/99999", 404), ("frames/0", 400), ("frames/x", 400), ("frames/1,99999", 404)]
)
def test_pictures_of_frames_that_are_not_there(port: int, real: list[Kept], path: str, status: int) -> None:
    assert get(port, f"{one(real, _CINE).address}/{path}/rendered").status == status


def test_documents_are_handed_through_and_in_ranges(port: int) -> None:
    uid, document = new_uid(), b"%PDF-1.4 " + bytes(3_000) + b"."
    more = ((0x00420011, "OB", document), (0x00420012, "LO", b"application/pdf "))
    pdf = b"1.2.840.10008.5.1.4.1.1.104.1\0"
    data = dataset(uid, more=more, replaced={0x00080016: pdf}, left_out=frozenset({0x7FE00010}))
    assert store(port, [part10(data, uid)]).status == 200
    address = f"/studies/{STUDY}/series/{SERIES}/instances/{uid}"
    for accept in ("application/pdf", "*/*"):
        answer = get(port, f"{address}/rendered", accept)
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, "application/pdf", document)
    assert get(port, f"{address}/rendered", "*/*", Range="bytes=0-7").body == document[:8]
    assert get(port, f"{address}/rendered", "image/jpeg").status == 406


def test_the_thumbnail_of_a_document_is_a_symbol(port: int) -> None:
    uid, pdf = new_uid(), b"1.2.840.10008.5.1.4.1.1.104.1\0"
    more = ((0x00420011, "OB", b"%PDF-1.4"), (0x00420012, "LO", b"application/pdf "))
    data = dataset(uid, more=more, replaced={0x00080016: pdf}, left_out=frozenset({0x7FE00010}))
    assert store(port, [part10(data, uid)]).status == 200
    address = f"/studies/{STUDY}/series/{SERIES}/instances/{uid}/thumbnail"
    answer = get(port, f"{address}?viewport=90,64", "image/png")
    shown = np.asarray(picture(answer))
    assert (answer.headers["content-type"], shown.shape) == ("image/png", (64, 64, 3))
    assert (shown.min() < 50, shown.max() > 150) == (True, True)
    assert get(port, f"{address}?viewport=90,64", "image/png", If_None_Match=answer.headers["etag"]).status == 304
    assert get(port, address, "text/plain").status == 406
