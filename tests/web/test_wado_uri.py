"""WADO-URI: one object by query parameters (PS3.18 §9)."""

import io
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image

from archimage.dicom.part10 import FileMeta, decode_file_meta, encode_file_meta
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.datasets import PIXEL_DATA, SOP_CLASS_UID, dataset, new_uid
from tests.attacks.server import Server, running
from tests.dicom.files import real_file
from tests.web.serving import Answer, Client
from tests.web.stowing import STUDY, http_port, store
from tests.web.wadoing import SERIES, Kept, identified

_NAMES = ("CT_small.dcm", "examples_ybr_color.dcm", "rtplan.dcm", "SC_rgb_jpeg_gdcm.dcm")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the module, with a few objects."""
    with running(tmp_path_factory.mktemp("wado") / "data") as server:
        store(http_port(server), [real_file(name).read_bytes() for name in _NAMES])
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    """Who asks."""
    return Client(http_port(server))


@pytest.fixture(scope="module")
def kept() -> dict[str, Kept]:
    """What is there."""
    found = {name: identified(real_file(name)) for name in _NAMES}
    return {name: one for name, one in found.items() if one is not None}


def wado(client: Client, kept: Kept, **parameters: object) -> Answer:
    """Ask for an object; parameters of None are left out."""
    uids = {"requestType": "WADO", "studyUID": kept.study, "seriesUID": kept.series, "objectUID": kept.uid}
    asked = {name: value for name, value in (uids | parameters).items() if value is not None}
    return client.ask(f"/wado?{urlencode(asked)}")


def picture(answer: Answer) -> Image.Image:
    """Return the picture of an answer."""
    assert answer.status == 200, answer.body
    return Image.open(io.BytesIO(answer.body))


def test_a_single_frame_is_a_jpeg_and_anything_else_a_file(client: Client, kept: dict[str, Kept]) -> None:
    assert picture(wado(client, kept["CT_small.dcm"])).size == (128, 128)
    for name in ("examples_ybr_color.dcm", "rtplan.dcm"):
        assert wado(client, kept[name]).headers["content-type"].startswith("application/dicom;")


def test_a_file_comes_as_it_is_stored_or_in_another_transfer_syntax(client: Client, kept: dict[str, Kept]) -> None:
    one = kept["SC_rgb_jpeg_gdcm.dcm"]
    for syntax, expected in (
        ("*", one.meta.transfer_syntax_uid),
        (one.meta.transfer_syntax_uid, one.meta.transfer_syntax_uid),
        (None, "1.2.840.10008.1.2.1"),
        ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.80"),
    ):
        answer = wado(client, one, contentType="application/dicom", transferSyntax=syntax)
        meta, offset = decode_file_meta(answer.body)
        assert (answer.status, meta.transfer_syntax_uid) == (200, expected)
        assert expected != one.meta.transfer_syntax_uid or answer.body[offset:] == one.data


def test_size_region_window_and_quality_are_heeded(client: Client, kept: dict[str, Kept]) -> None:
    one = kept["CT_small.dcm"]
    whole = np.asarray(picture(wado(client, one, contentType="image/png")))
    assert picture(wado(client, one, rows=64)).size == (64, 64)
    assert picture(wado(client, one, columns=32, rows=64)).size == (32, 32)
    cut = np.asarray(picture(wado(client, one, contentType="image/png", region="0.25,0.5,0.5,1")))
    assert np.array_equal(cut, whole[64:, 32:64])
    assert picture(wado(client, one, region="0,0,0.5,0.5", columns=100)).size == (100, 100)
    wide = np.asarray(picture(wado(client, one, contentType="image/png", windowCenter=0, windowWidth=4000)))
    assert np.ptp(wide) < np.ptp(whole)
    assert len(wado(client, one, imageQuality=5).body) < len(wado(client, one, imageQuality=95).body)
    noted = np.asarray(picture(wado(client, one, contentType="image/png", annotation="patient")))
    assert not np.array_equal(noted, whole)


def test_a_frame_by_its_number(client: Client, kept: dict[str, Kept]) -> None:
    one = kept["examples_ybr_color.dcm"]
    first, second = (picture(wado(client, one, contentType="image/png", frameNumber=number)) for number in (1, 30))
    assert not np.array_equal(np.asarray(first), np.asarray(second))
    assert wado(client, one, contentType="image/png", frameNumber=31).status == 404


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"requestType": None}, 400),
        ({"requestType": "wado"}, 400),
        ({"studyUID": None}, 400),
        ({"objectUID": ""}, 400),
        ({"objectUID": "../../x"}, 400),
        ({"studyUID": "1.2\0"}, 400),
        ({"objectUID": "9.9"}, 404),
        ({"seriesUID": "9.9"}, 404),
        ({"contentType": "text/html"}, 406),
        ({"contentType": "///"}, 400),
        ({"contentType": "application/dicom", "transferSyntax": "1.2.3"}, 406),
        ({"anonymize": "yes"}, 406),
        ({"rows": "0"}, 400),
        ({"rows": "x"}, 400),
        ({"region": "0,0,2,1"}, 400),
        ({"region": "1,1,0,0"}, 400),
        ({"region": "nan,0,1,1"}, 400),
        ({"windowCenter": "1"}, 400),
        ({"windowCenter": "1", "windowWidth": "0"}, 400),
        ({"imageQuality": "0"}, 400),
        ({"imageQuality": "101"}, 400),
        ({"annotation": "all"}, 400),
        ({"iccprofile": "cmyk"}, 400),
        ({"iccprofile": "srgb", "contentType": "image/gif"}, 406),
        ({"frameNumber": "0"}, 400),
        ({"frameNumber": "2"}, 404),
        ({"presentationUID": "9.9", "presentationSeriesUID": "9"}, 404),
        ({"presentationUID": "9.9"}, 400),
    ],
)
def test_what_cannot_be_given_is_told(
    client: Client, kept: dict[str, Kept], parameters: dict[str, str | None], status: int
) -> None:
    answer = wado(client, kept["CT_small.dcm"], **parameters)
    assert (answer.status, set(answer.json)) == (status, {"error", "next"})


def test_a_picture_in_a_colour_space(client: Client, kept: dict[str, Kept]) -> None:
    for name in ("examples_ybr_color.dcm", "CT_small.dcm"):
        found = picture(wado(client, kept[name], contentType="image/png", iccprofile="displayp3"))
        assert (found.mode, "icc_profile" in found.info) == ("RGB", True)


def test_a_text_comes_as_it_is_stored_or_not_at_all(client: Client, kept: dict[str, Kept]) -> None:
    text, uid = b"<ClinicalDocument/> ", new_uid()
    kind = "1.2.840.10008.5.1.4.1.1.104.2"
    more = ((0x00420011, "OB", text), (0x00420012, "LO", b"text/xml"))
    data = dataset(uid, replaced={SOP_CLASS_UID: kind.encode()}, left_out=frozenset({PIXEL_DATA}), more=more)
    file = encode_file_meta(FileMeta(kind, uid, EXPLICIT_VR_LITTLE_ENDIAN)) + data
    assert store(client.port, [file]).stored() == [uid]
    document = replace(kept["CT_small.dcm"], study=STUDY, series=SERIES, uid=uid)
    for charset, status in ((None, 200), ("UTF-8", 200), ("ISO-8859-1", 406)):
        assert wado(client, document, contentType="text/xml", charset=charset).status == status
    assert wado(client, document, contentType="text/xml").body == text
    assert wado(client, document, contentType="application/dicom", charset="ISO-8859-1").status == 200


def test_an_object_without_pixels_is_no_picture(client: Client, kept: dict[str, Kept]) -> None:
    answer = wado(client, kept["rtplan.dcm"], contentType="image/jpeg")
    assert (answer.status, "no pixels" in answer.json["error"]) == (406, True)


def test_a_presentation_state_has_to_be_one(client: Client, kept: dict[str, Kept]) -> None:
    one = kept["CT_small.dcm"]
    answer = wado(client, one, presentationUID=one.uid, presentationSeriesUID=one.series)
    assert (answer.status, "presentation state" in answer.json["error"]) == (406, True)


@pytest.mark.parametrize("root", ["/dicom-web", "/dicom-web/"])
def test_the_service_root_takes_the_same_parameters(client: Client, kept: dict[str, Kept], root: str) -> None:
    one = kept["CT_small.dcm"]
    uids = f"studyUID={one.study}&seriesUID={one.series}&objectUID={one.uid}"
    answer = client.ask(f"{root}?requestType=WADO&{uids}&contentType=image/jpeg")
    assert picture(answer).size == (128, 128)
    assert answer.body == wado(client, one, contentType="image/jpeg").body
    assert client.ask(f"{root}?requestType=WADO", "HEAD").status == 400
    assert client.ask(f"{root}?requestType=other&{uids}").status == 400
    assert client.ask(root).headers["content-type"].startswith("application/vnd.sun.wadl+xml")
    assert client.ask(f"{root}?requestType=WADO", "OPTIONS").status == 200
