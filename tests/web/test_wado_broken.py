"""What cannot be given of a study, an object or a list is told, and what can be given is (PS3.18 §8.5, §10.4)."""

import http.client
import io
import zipfile

import pytest
from PIL import Image

from archimage.dicom.codecs.syntaxes import EXPLICIT_LITTLE_ENDIAN, JPEG_BASELINE, JPEG_LOSSLESS_SV1
from archimage.dicom.part10 import decode_file_meta
from archimage.web.dicomweb.ahead import AHEAD_BYTES
from tests.attacks.datasets import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, dataset, new_uid
from tests.attacks.server import Server, wait_until
from tests.services.test_frames import encapsulated
from tests.web.breaking import CINE, JPEG, copied
from tests.web.serving import Client
from tests.web.stowing import STUDY, part10, store
from tests.web.wadoing import SERIES, get, parts

PICTURES = 'multipart/related; type="image/jpeg"'


def stored_series(port: int, *broken: bool) -> tuple[str, list[str]]:
    """Store a series of small images in a study of its own, of which some are broken; return its address and theirs."""
    study, series = new_uid(), new_uid()
    uids = [new_uid() for _ in broken]
    files = [
        copied(JPEG, (study, series, uid), number=number, broken=[1] if bad else [])
        for number, (uid, bad) in enumerate(zip(uids, broken, strict=True), 1)
    ]
    assert store(port, files).status == 200
    address = f"/studies/{study}/series/{series}"
    return address, [f"{address}/instances/{uid}" for uid in uids]


@pytest.fixture(scope="module")
def cine(port: int) -> str:
    """The address of thirty frames, of which the second is broken."""
    uids = (new_uid(), new_uid(), new_uid())
    assert store(port, [copied(CINE, uids, broken=[2])]).status == 200
    return "/studies/{}/series/{}/instances/{}".format(*uids)


def located(port: int, path: str) -> str:
    """Return the address of a path as answers name it."""
    return f"http://127.0.0.1:{port}/dicom-web{path}"


def transcoded(syntax: str) -> str:
    """Return what asks for objects in a transfer syntax."""
    return f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'


# Pictures.


def test_named_frames_are_all_shown_or_the_request_says_which_is_not(port: int, cine: str) -> None:
    refused = get(port, f"{cine}/frames/1,2,3/rendered", PICTURES)
    assert refused.status == 406
    assert refused.model["error"].startswith(f"frame 2 of {cine.rpartition('/')[2]} cannot be shown: ")
    shown = parts(get(port, f"{cine}/frames/3,1/rendered", PICTURES))
    assert [part.headers["content-location"] for part in shown] == [
        located(port, f"{cine}/frames/{number}/rendered") for number in (3, 1)
    ]
    for part in shown:
        assert get(port, part.headers["content-location"].partition("/dicom-web")[2], "image/jpeg").body == part.body


def test_of_all_frames_those_that_cannot_be_shown_are_left_out_and_counted(port: int, cine: str) -> None:
    answer = get(port, f"{cine}/rendered", PICTURES)
    assert (answer.status, len(parts(answer))) == (206, 29)
    assert "1 of 30 images cannot be shown and were left out." in answer.headers["warning"]
    assert not any(part.headers["content-location"].endswith("/frames/2/rendered") for part in parts(answer))


def test_of_a_series_images_that_cannot_be_shown_are_left_out_and_counted(port: int) -> None:
    series, instances = stored_series(port, False, True, False)
    for address in (series, series.partition("/series")[0]):
        answer = get(port, f"{address}/rendered", PICTURES)
        assert answer.status == 206
        assert "1 of 3 images cannot be shown" in answer.headers["warning"]
        assert [part.headers["content-location"] for part in parts(answer)] == [
            located(port, f"{instance}/frames/1/rendered") for instance in (instances[0], instances[2])
        ]


def test_a_series_of_whole_images_is_complete(port: int) -> None:
    series, instances = stored_series(port, False, False)
    answer = get(port, f"{series}/rendered", PICTURES)
    assert (answer.status, len(parts(answer)), "warning" in answer.headers) == (200, len(instances), False)


@pytest.mark.parametrize("what", ["thumbnail", "rendered"])
def test_the_picture_of_a_series_is_from_its_middle_or_beside_it(port: int, what: str) -> None:
    series, instances = stored_series(port, False, False, False, False, False)
    whole = get(port, f"{series}/{what}", "image/jpeg")
    assert whole.headers["content-location"] == located(port, f"{instances[2]}/frames/1/rendered")
    series, instances = stored_series(port, True, False, True, True, True)
    for address in (series, series.partition("/series")[0]):
        answer = get(port, f"{address}/{what}", "image/jpeg")
        assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.headers["content-location"] == located(port, f"{instances[1]}/frames/1/rendered")


def test_where_nothing_can_be_shown_the_reason_is_that_of_the_first(port: int) -> None:
    series, instances = stored_series(port, True, True, True)
    for accept, first in (("image/jpeg", instances[1]), (PICTURES, instances[0])):
        answer = get(port, f"{series}/rendered", accept)
        assert answer.status == 406
        assert f"frame 1 of {first.rpartition('/')[2]} cannot be shown: " in answer.model["error"]


def test_an_image_is_found_behind_many_objects_that_are_none(port: int) -> None:
    study, reports, images = new_uid(), new_uid(), new_uid()
    pixels = frozenset({0x00280010, 0x00280011, 0x00280100, 0x7FE00010})
    files = []
    for _ in range(150):
        uid = new_uid()
        replaced = {STUDY_INSTANCE_UID: study.encode(), SERIES_INSTANCE_UID: reports.encode(), 0x00080060: b"SR"}
        files.append(part10(dataset(uid, replaced=replaced, left_out=pixels), uid))
    assert store(port, [*files, copied(JPEG, (study, images, new_uid()))]).status == 200
    answer = get(port, f"/studies/{study}/thumbnail", "image/jpeg")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert len(parts(get(port, f"/studies/{study}/rendered", PICTURES))) == 1
    refused = get(port, f"/studies/{study}/series/{reports}/thumbnail", "image/jpeg")
    assert (refused.status, refused.model["error"]) == (406, "nothing of this has pixels that can be shown")


def test_a_study_that_is_not_there_has_no_picture(port: int) -> None:
    for path in (f"/studies/{STUDY}.9", f"/studies/{STUDY}.9/series/{SERIES}"):
        assert get(port, f"{path}/thumbnail", "image/jpeg").status == 404


def test_a_list_of_frames_is_a_loop_as_a_gif(port: int, cine: str) -> None:
    answer = get(port, f"{cine}/frames/9,1,5/rendered", "image/gif")
    loop = Image.open(io.BytesIO(answer.body))
    assert (answer.headers["content-type"], getattr(loop, "n_frames", 1)) == ("image/gif", 3)
    first = Image.open(io.BytesIO(get(port, f"{cine}/frames/9/rendered", "image/gif").body))
    assert loop.convert("RGB").tobytes() == first.convert("RGB").tobytes()
    assert get(port, f"{cine}/frames/1,2/rendered", "image/gif").status == 406
    assert get(port, f"{cine}/frames/1,99/rendered", "image/gif").status == 404


def test_a_picture_may_be_had_in_ranges(port: int, cine: str) -> None:
    whole = get(port, f"{cine}/frames/1/rendered", "image/jpeg")
    part = get(port, f"{cine}/frames/1/rendered", "image/jpeg", Range="bytes=3-9")
    assert (part.status, part.body) == (206, whole.body[3:10])


# Objects.


@pytest.mark.parametrize("level", ["study", "series"])
def test_objects_that_cannot_be_had_in_the_named_syntax_are_left_out_and_counted(port: int, level: str) -> None:
    series, instances = stored_series(port, False, True, False)
    address = series if level == "series" else series.partition("/series")[0]
    whole = [f"{instance.rpartition('/')[2]}.dcm" for instance in (instances[0], instances[2])]
    answer = get(port, address, transcoded(EXPLICIT_LITTLE_ENDIAN))
    zipped = get(port, address, f"application/zip; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}")
    assert (answer.status, zipped.status) == (206, 206)
    assert [part.headers["content-type"].partition("=")[2] for part in parts(answer)] == [EXPLICIT_LITTLE_ENDIAN] * 2
    for one in (answer, zipped):
        assert "1 of 3 instances cannot be given in that transfer syntax." in one.headers["warning"]
    with zipfile.ZipFile(io.BytesIO(zipped.body)) as archive:
        assert archive.namelist() == whole
        for name in whole:
            assert decode_file_meta(archive.read(name))[0].transfer_syntax_uid == EXPLICIT_LITTLE_ENDIAN


def test_where_no_syntax_was_named_such_objects_go_as_they_are_stored(port: int) -> None:
    series, instances = stored_series(port, False, True)
    answer = get(port, series, 'multipart/related; type="application/dicom"')
    zipped = get(port, series, "application/zip")
    assert (answer.status, zipped.status) == (200, 200)
    syntaxes = [EXPLICIT_LITTLE_ENDIAN, JPEG_LOSSLESS_SV1]
    assert [part.headers["content-type"].partition("=")[2] for part in parts(answer)] == syntaxes
    with zipfile.ZipFile(io.BytesIO(zipped.body)) as archive:
        files = [archive.read(name) for name in archive.namelist()]
    assert [decode_file_meta(file)[0].transfer_syntax_uid for file in files] == syntaxes
    study, series_uid, uid = instances[1].split("/")[2::2]
    alone = get(port, instances[1], "application/dicom")
    named = get(port, instances[1], f"application/dicom; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}")
    assert (alone.status, alone.headers["content-type"]) == (
        200,
        f"application/dicom; transfer-syntax={JPEG_LOSSLESS_SV1}",
    )
    assert named.status == 406
    where = (
        f"/wado?requestType=WADO&studyUID={study}&seriesUID={series_uid}&objectUID={uid}&contentType=application/dicom"
    )
    client = Client(port)
    assert client.ask(where).headers["content-type"] == f"application/dicom; transfer-syntax={JPEG_LOSSLESS_SV1}"
    assert client.ask(f"{where}&transferSyntax={EXPLICIT_LITTLE_ENDIAN}").status == 406


def test_a_header_tells_that_the_named_syntax_cannot_hold_an_object_however_late_it_comes(port: int) -> None:
    data, uid = encapsulated([b"\xff\xd8\xff\xe0" + bytes(AHEAD_BYTES)], 1)
    deep = copied("CT_small.dcm", (STUDY, SERIES, new_uid()), number=9)
    assert store(port, [part10(data, uid, JPEG_BASELINE), deep]).status == 200
    answer = get(port, f"/studies/{STUDY}", transcoded(JPEG_BASELINE))
    assert (answer.status, len(parts(answer))) == (206, 1)
    assert "1 of 2 instances cannot be given" in answer.headers["warning"]


def test_an_answer_that_breaks_off_is_seen_to_and_is_one_line_in_the_log(server: Server, port: int) -> None:
    study, series = new_uid(), new_uid()
    files = [copied(CINE, (study, series, new_uid()), number=number) for number in range(1, 4)]
    assert store(port, [*files, copied(JPEG, (study, series, new_uid()), number=4, broken=[1])]).status == 200
    with pytest.raises(http.client.IncompleteRead):
        get(port, f"/studies/{study}", transcoded(EXPLICIT_LITTLE_ENDIAN))
    assert wait_until(lambda: "an answer broke off" in server.log, 20.0)
    assert "Traceback" not in server.log
    assert "ASGI" not in server.log
    assert get(port, f"/studies/{study}", transcoded("*")).status == 200


# Frames.


def test_frames_that_are_named_are_all_given_or_the_request_says_which_is_not(port: int, cine: str) -> None:
    decoded = 'multipart/related; type="application/octet-stream"'
    refused = get(port, f"{cine}/frames/1,2,3", decoded)
    assert refused.status == 406
    assert refused.model["error"].startswith("frame 2 cannot be given so: ")
    given = get(port, f"{cine}/frames/1,3", decoded)
    assert (given.status, len(parts(given))) == (200, 2)
    assert int(given.headers["content-length"]) == len(given.body)
    for path in ("frames", "pixeldata"):
        assert get(port, f"{cine}/{path}", decoded).model["error"].startswith("frame 2 cannot be given so: ")


def test_of_the_pixels_of_a_series_those_that_cannot_be_given_are_left_out_and_counted(port: int) -> None:
    series, instances = stored_series(port, False, True, False)
    decoded = 'multipart/related; type="application/octet-stream"'
    answer = get(port, f"{series}/pixeldata", decoded)
    assert answer.status == 206
    assert "the pixels of 1 of 3 instances cannot be given in what is asked for." in answer.headers["warning"]
    assert [part.headers["content-location"] for part in parts(answer)] == [
        located(port, f"{instance}/frames/1") for instance in (instances[0], instances[2])
    ]
    assert get(port, f"{instances[1]}/pixeldata", decoded).status == 406


def test_pixels_that_turn_out_broken_when_much_was_sent_break_the_answer_off(port: int) -> None:
    study, series = new_uid(), new_uid()
    files = [copied(CINE, (study, series, new_uid()), number=number) for number in range(1, 4)]
    assert store(port, [*files, copied(JPEG, (study, series, new_uid()), number=4, broken=[1])]).status == 200
    with pytest.raises(http.client.IncompleteRead):
        get(port, f"/studies/{study}/pixeldata", 'multipart/related; type="application/octet-stream"')
