"""Objects come back as they were stored, in parts, alone and in archives (PS3.18 §10.4)."""

import io
import zipfile
from collections import defaultdict

import pytest

from archimage.dicom.part10 import decode_file_meta
from tests.attacks.datasets import new_uid
from tests.attacks.server import Server
from tests.web.stowing import STUDY, image, store
from tests.web.wadoing import ANY_OBJECT, SERIES, Kept, get, head_of, parts


@pytest.fixture(scope="module")
def large(port: int) -> list[str]:
    """Three objects of one series, the second of several megabytes."""
    uids = [new_uid() for _ in range(3)]
    files = [image(uid, pixels=bytes(range(256)) * size) for uid, size in zip(uids, (2, 20_000, 300), strict=True)]
    assert store(port, files).status == 200
    return uids


def data_set(file: bytes) -> bytes:
    """Return what follows the meta information."""
    return file[decode_file_meta(file)[1] :]


def test_every_real_object_comes_back_identical(port: int, real: list[Kept]) -> None:
    assert len(real) > 150
    for kept in real:
        (part,) = parts(get(port, kept.address, ANY_OBJECT))
        assert data_set(part.body) == kept.data, kept.path.name
        assert decode_file_meta(part.body)[0].transfer_syntax_uid == kept.meta.transfer_syntax_uid
        assert part.headers["content-type"] == f"application/dicom; transfer-syntax={kept.meta.transfer_syntax_uid}"


@pytest.mark.parametrize("star", ["*", '"*"'])
def test_any_transfer_syntax_may_be_quoted(port: int, real: list[Kept], star: str) -> None:
    (part,) = parts(get(port, real[0].address, f'multipart/related; type="application/dicom"; transfer-syntax={star}'))
    assert data_set(part.body) == real[0].data


def test_every_real_study_and_series_is_whole(port: int, real: list[Kept]) -> None:
    levels = defaultdict[str, set[bytes]](set)
    for kept in real:
        levels[f"/studies/{kept.study}"].add(kept.data)
        levels[f"/studies/{kept.study}/series/{kept.series}"].add(kept.data)
    for address, wanted in levels.items():
        answer = get(port, address, ANY_OBJECT)
        assert {data_set(part.body) for part in parts(answer)} == wanted, address
        assert len(answer.body) == int(answer.headers["content-length"])


def test_an_object_goes_alone_where_that_is_asked_for(port: int, real: list[Kept]) -> None:
    answer = get(port, real[0].address, "application/dicom; transfer-syntax=*")
    assert (answer.status, data_set(answer.body)) == (200, real[0].data)
    assert answer.headers["content-type"].startswith("application/dicom; transfer-syntax=")
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_several_objects_do_not_go_as_one(port: int, large: list[str]) -> None:
    assert len(large) > 1
    for address in (f"/studies/{STUDY}", f"/studies/{STUDY}/series/{SERIES}"):
        assert get(port, address, "application/dicom").status == 406


def test_the_accept_parameter_stands_for_the_header(port: int, real: list[Kept]) -> None:
    answer = get(port, f"{real[0].address}?accept=application/dicom;transfer-syntax=*", "text/html")
    assert data_set(answer.body) == real[0].data


def test_an_object_of_megabytes_is_streamed_with_its_length(server: Server, port: int, large: list[str]) -> None:
    stored = {row.sop_instance_uid: row for row in server.rows()}
    answer = get(port, f"/studies/{STUDY}", ANY_OBJECT)
    found = parts(answer)
    assert len(answer.body) == int(answer.headers["content-length"]) > 5_000_000
    files = {(server.directory / "objects" / stored[uid].path).read_bytes() for uid in large}
    assert {part.body for part in found} == files


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=2000000-", 2_000_000, None),
        ("bytes=-7", -7, None),
        ("bytes=100-4999999", 100, 5_000_000),
    ],
)
def test_ranges_of_an_object(server: Server, port: int, large: list[str], wanted: str, start: int, end: int) -> None:
    (row,) = [row for row in server.rows() if row.sop_instance_uid == large[1]]
    file = (server.directory / "objects" / row.path).read_bytes()
    address = f"/studies/{STUDY}/series/{SERIES}/instances/{large[1]}"
    answer = get(port, address, "application/dicom", Range=wanted)
    assert (answer.status, answer.body) == (206, file[start:end])
    first = start if start >= 0 else len(file) + start
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.body) - 1}/{len(file)}"


def test_a_range_beyond_the_end_is_refused_with_the_length(server: Server, port: int, large: list[str]) -> None:
    address = f"/studies/{STUDY}/series/{SERIES}/instances/{large[0]}"
    answer = get(port, address, "application/dicom", Range="bytes=99999999-")
    (row,) = [row for row in server.rows() if row.sop_instance_uid == large[0]]
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{row.size_bytes}")


@pytest.mark.parametrize("wanted", ["bytes=1-2,5-6", "items=1-2", "bytes=9-2", "bytes=-", "x"])
def test_what_is_no_single_range_gets_everything(server: Server, port: int, large: list[str], wanted: str) -> None:
    address = f"/studies/{STUDY}/series/{SERIES}/instances/{large[0]}"
    answer = get(port, address, "application/dicom", Range=wanted)
    (row,) = [row for row in server.rows() if row.sop_instance_uid == large[0]]
    assert (answer.status, len(answer.body)) == (200, row.size_bytes)


def test_a_client_that_has_it_already_is_told_so(port: int, large: list[str]) -> None:
    for address in (f"/studies/{STUDY}", f"/studies/{STUDY}/series/{SERIES}/instances/{large[0]}"):
        etag = get(port, address, ANY_OBJECT).headers["etag"]
        again = get(port, address, ANY_OBJECT, If_None_Match=f'"x", W/{etag}')
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
        assert get(port, address, ANY_OBJECT, If_None_Match='"x"').status == 200


def test_an_archive_holds_every_file_uncompressed(server: Server, port: int, large: list[str]) -> None:
    answer = get(port, f"/studies/{STUDY}", "application/zip; transfer-syntax=*")
    assert (answer.headers["content-type"], answer.headers["content-length"]) == (
        "application/zip",
        str(len(answer.body)),
    )
    assert answer.headers["content-disposition"] == f'attachment; filename="{STUDY}.zip"'
    stored = {row.sop_instance_uid: row for row in server.rows()}
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        for uid in large:
            assert archive.read(f"{uid}.dcm") == (server.directory / "objects" / stored[uid].path).read_bytes()


def test_several_studies_come_in_one_archive_a_folder_each(port: int) -> None:
    studies, uids = [new_uid(), new_uid()], [new_uid(), new_uid()]
    files = [image(uid, replaced={0x0020000D: study.encode()}) for uid, study in zip(uids, studies, strict=True)]
    assert store(port, files).status == 200
    answer = get(port, f"/archive?StudyInstanceUID={','.join(studies)}&StudyInstanceUID={studies[0]}", "*/*")
    assert answer.headers["content-disposition"] == 'attachment; filename="studies.zip"'
    assert answer.headers["content-length"] == str(len(answer.body))
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{study}/{uid}.dcm" for study, uid in zip(studies, uids, strict=True)]


@pytest.mark.parametrize(
    ("query", "accept", "status"),
    [
        ("", "*/*", 400),
        ("StudyInstanceUID=../1", "*/*", 400),
        (f"StudyInstanceUID={STUDY},1.2.3.404", "*/*", 404),
        (f"StudyInstanceUID={STUDY}", "application/dicom", 406),
        ("StudyInstanceUID=" + ",".join(f"1.2.{number}" for number in range(101)), "*/*", 413),
    ],
)
def test_what_is_no_choice_of_studies_is_refused(port: int, query: str, accept: str, status: int) -> None:
    assert get(port, f"/archive?{query}", accept).status == status


@pytest.mark.parametrize("accept", [ANY_OBJECT, "application/dicom; transfer-syntax=*", "application/zip"])
def test_head_tells_what_get_would(port: int, real: list[Kept], accept: str) -> None:
    whole = get(port, real[0].address, accept)
    status, headers, body = head_of(port, real[0].address, accept)
    assert (status, body) == (200, b"")
    assert headers["content-length"] == whole.headers["content-length"]
    assert headers["etag"] == whole.headers["etag"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies/1.2.9", 404),
        (f"/studies/{STUDY}/series/9.9", 404),
        (f"/studies/{STUDY}/series/{STUDY}/instances/9.9", 404),
        ("/studies/x", 400),
        ("/studies/..%2f..", 400),
        ("/studies/1.2%00", 400),
        (f"/studies/{'1' * 65}", 400),
        (f"/studies/{STUDY}/series/a/instances/1", 400),
    ],
)
def test_what_is_not_there_and_what_is_no_uid(port: int, path: str, status: int) -> None:
    for accept in (ANY_OBJECT, "*/*", "application/zip"):
        answer = get(port, path, accept)
        assert answer.status == status
        assert set(answer.model) == {"error", "next"}


def test_an_object_is_not_found_under_another_study(port: int, real: list[Kept], large: list[str]) -> None:
    assert get(port, f"/studies/{STUDY}/series/{real[0].series}/instances/{real[0].uid}").status == 404
    assert large
