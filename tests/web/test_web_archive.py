"""An archive that is reached over the web, told by a small server: how it is searched, and what it may answer."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from archimage.errors import PeerFailedError
from archimage.model.peers import Wanted
from archimage.model.projects import Purpose
from archimage.model.records import StoredInstance
from archimage.web import web_archive
from archimage.web.known_archives import KnownArchives
from archimage.web.web_archive import Reach, WebArchive
from archimage.web.web_client import Pace
from tests.services.parts import Parts, open_parts
from tests.services.test_syncing import Quiet
from tests.web.dripping import BODY, HEAD, dripping

Answer = tuple[int, Mapping[str, str], bytes]
_KEYS = (("StudyInstanceUID", ""), ("NumberOfStudyRelatedInstances", ""), ("StudyDate", "20260101-20261231"))


def studies(*numbers: int) -> bytes:
    """Return matches as DICOM JSON."""
    return json.dumps(
        [
            {
                "0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]},
                "00201208": {"vr": "IS", "Value": [number]},
                "00080020": {"vr": "DA"},
            }
            for number in numbers
        ]
    ).encode()


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """An archive of ours."""
    with ExitStack() as held:
        yield open_parts(held, tmp_path, replace=False)


class Site:
    """An archive there, and who asks it."""

    def __init__(self, parts: Parts, answer: Callable[[str, Mapping[str, Sequence[str]]], Answer], port: int) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Mapping[str, Sequence[str]], str | None]] = []
        address = f"http://127.0.0.1:{port}/dicom-web"
        known = KnownArchives({}, {address: "Bearer secret"})
        reach = Reach(parts.service, _no_stow, _no_tls, lambda: known)
        self.archive = WebArchive("WEB", f"{address}/", reach)


def _no_tls() -> ssl.SSLContext:
    pytest.fail("no TLS is wanted")


def _no_stow(
    address: str,
    instances: Sequence[StoredInstance],
    purpose: Purpose | None,
    transfer_syntax_uid: str,
    sent: Callable[[int], None],
) -> Mapping[str, str]:
    raise AssertionError((address, instances, purpose, transfer_syntax_uid, sent))


@contextmanager
def site(parts: Parts, answer: Callable[[str, Mapping[str, Sequence[str]]], Answer]) -> Iterator[Site]:
    """Serve what answer returns to a path and its parameters."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            found.asked.append((asked.path, parse_qs(asked.query), self.headers["Authorization"]))
            status, headers, body = answer(asked.path, parse_qs(asked.query))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Site(parts, answer, server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def test_a_search_says_what_it_wants_and_who_asks(parts: Parts) -> None:
    with site(parts, lambda _path, _query: (200, {}, studies(1, 2))) as one:
        found = one.archive.find("STUDY", _KEYS, 10)
        one.archive.find(
            "IMAGE", (("StudyInstanceUID", "1.2"), ("SeriesInstanceUID", "1/3"), ("SOPInstanceUID", "")), 9
        )
    assert found.complete
    assert found.rows == [
        {"StudyInstanceUID": "1.2.1", "NumberOfStudyRelatedInstances": "1"},
        {"StudyInstanceUID": "1.2.2", "NumberOfStudyRelatedInstances": "2"},
    ]
    path, query, authorization = one.asked[0]
    assert (path, authorization) == ("/dicom-web/studies", "Bearer secret")
    assert query["StudyDate"] == ["20260101-20261231"]
    assert query["includefield"] == ["StudyInstanceUID", "NumberOfStudyRelatedInstances"]
    assert one.asked[1][0] == "/dicom-web/studies/1.2/series/1%2F3/instances"


def test_pages_are_asked_for_until_there_are_no_more(parts: Parts) -> None:
    def answer(_path: str, query: Mapping[str, Sequence[str]]) -> Answer:
        first = int(query["offset"][0])
        numbers = range(first, min(first + 2, 5))
        return 200, {"Warning": '299 here "There are more"'} if numbers.stop < 5 else {}, studies(*numbers)

    with site(parts, answer) as one:
        found = one.archive.find("STUDY", _KEYS, 10)
        assert ([row["NumberOfStudyRelatedInstances"] for row in found.rows], found.complete) == (list("01234"), True)
        cut = one.archive.find("STUDY", _KEYS, 3)
    assert (len(cut.rows), cut.complete) == (3, False)


def test_who_gives_the_same_page_again_is_not_asked_for_ever(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_archive, "PER_PAGE", 2)
    with site(parts, lambda _path, _query: (200, {}, studies(1, 2))) as one:
        assert len(one.archive.find("STUDY", _KEYS, 10).rows) == 2
    assert len(one.asked) == 2


def test_nothing_found_is_no_row(parts: Parts) -> None:
    with site(parts, lambda _path, _query: (204, {}, b"")) as one:
        assert one.archive.find("STUDY", _KEYS, 10).rows == []


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (401, b"", "answers 401"),
        (302, b"", "answers 302"),
        (200, b"<html>", "something else than matches"),
        (200, b"[1]", "something else than matches"),
        (200, b'[{"0020000D": {"Value": 3}}]', "something else than matches"),
    ],
)
def test_an_answer_that_is_none_is_told(parts: Parts, status: int, body: bytes, why: str) -> None:
    with site(parts, lambda _path, _query: (status, {}, body)) as one, pytest.raises(PeerFailedError, match=why):
        one.archive.find("STUDY", _KEYS, 10)


@pytest.mark.parametrize(
    ("content_type", "body", "why"),
    [
        ("text/html", b"", "not as multipart/related"),
        ('multipart/related; type="application/dicom"', b"", "cannot be read"),
        ("multipart/related; boundary=b", b"--b\r\nContent-Type: application/dicom\r\n\r\ncut", "cannot be read"),
    ],
)
def test_objects_that_do_not_come_as_such_are_told(parts: Parts, content_type: str, body: bytes, why: str) -> None:
    with (
        site(parts, lambda _path, _query: (200, {"Content-Type": content_type}, body)) as one,
        pytest.raises(PeerFailedError, match=why),
    ):
        one.archive.retrieve(Wanted("1.2"), Quiet())


def test_what_is_no_object_is_counted_and_the_rest_kept(parts: Parts) -> None:
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\nnothing\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/related; boundary=b"}
    with site(parts, lambda _path, _query: (200, headers, body)) as one:
        transfer = one.archive.retrieve(Wanted("1.2", "1.3", ("1.4", "1.5")), Quiet())
    assert (transfer.completed, transfer.failed) == (0, 2)
    base = "/dicom-web/studies/1.2/series/1.3/instances/"
    assert [path for path, *_ in one.asked] == [f"{base}1.4", f"{base}1.5"]


def _search(archive: WebArchive) -> object:
    return archive.find("STUDY", _KEYS, 10)


def _bring(archive: WebArchive) -> object:
    return archive.retrieve(Wanted("1.2"), Quiet())


@pytest.mark.parametrize("begin", [HEAD, BODY])
@pytest.mark.parametrize("ask", [_search, _bring])
def test_an_archive_that_answers_a_byte_now_and_then_is_given_up(
    parts: Parts, begin: bytes, ask: Callable[[WebArchive], object]
) -> None:
    with dripping(begin) as address:
        known = KnownArchives({"CLOUD": address}, {})
        reach = Reach(parts.service, _no_stow, _no_tls, lambda: known, Pace(within_s=0.5))
        with pytest.raises(PeerFailedError, match=r"^CLOUD \(http.*\) could not be asked: .* for 0.5 s"):
            ask(WebArchive("CLOUD", address, reach))
