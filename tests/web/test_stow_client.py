"""What receivers of STOW-RS answer, whatever that is, is read for what became of each object."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import orjson
import pytest

from archimage.app import App
from archimage.errors import PeerFailedError
from archimage.model.attributes import Level
from archimage.model.query import Query
from archimage.model.records import StoredInstance
from archimage.web.known_archives import KnownArchives
from archimage.web.stow_client import MAX_ANSWER_BYTES, StowClient
from archimage.web.web_client import PACE, Pace
from tests.services.keeping import opened, store
from tests.web.dripping import BODY, HEAD, dripping

_SHORT = Pace(within_s=1.0)
_TOO_LONG = b" " * (MAX_ANSWER_BYTES + 1)


class Receiver:
    """A web server that answers every request the same way, and keeps what it was sent."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.status = 200
        self.answer = b""
        self.authorizations: list[str | None] = []
        self.bodies: list[bytes] = []


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run one on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.authorizations.append(self.headers["Authorization"])
            told.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(told.status)
            self.send_header("Content-Length", str(len(told.answer)))
            self.end_headers()
            self.wfile.write(told.answer)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told = Receiver(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that answers 200 and nothing else, until told otherwise."""
    with receiving() as started:
        yield started


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An open archive of two objects, which nobody changes."""
    with opened(tmp_path_factory.mktemp("archive")) as archive:
        store(archive, 2)
        yield archive


def kept(app: App) -> list[StoredInstance]:
    """Return the objects of an archive."""
    return [one for page in app.index.instances(Query(Level.STUDY)) for one in page]


def send(
    app: App,
    address: str,
    authorizations: dict[str, str] | None = None,
    archives: dict[str, str] | None = None,
    pace: Pace = PACE,
) -> dict[str, str]:
    """Send all objects to an address; return what was not stored."""
    known = KnownArchives(archives or {}, authorizations or {})
    client = StowClient(
        app.blobs, app.projects, app.services.transcoding, ssl.create_default_context, lambda: known, pace
    )
    return dict(client(address, kept(app), None, "", lambda _: None))


def failing(*uids: str, reason: object = 0xA700) -> bytes:
    """Return the answer that objects were not stored."""
    items = [{"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [reason]}} for uid in uids]
    return orjson.dumps([{"00081198": {"vr": "SQ", "Value": items}}])


@pytest.mark.parametrize("answer", [b"", b"{}", b"[{}]", b'{"00081199": {"vr": "SQ", "Value": []}}'])
def test_what_is_answered_200_is_stored(app: App, receiver: Receiver, answer: bytes) -> None:
    receiver.answer = answer
    assert send(app, receiver.address) == {}
    (body,) = receiver.bodies
    for one in kept(app):
        assert (app.config.storage.directory / "objects" / one.path).read_bytes() in body


@pytest.mark.parametrize("status", [200, 202, 409])
def test_objects_that_a_receiver_names_were_not_stored(app: App, receiver: Receiver, status: int) -> None:
    first = kept(app)[0].sop_instance_uid
    receiver.status, receiver.answer = status, failing(first)
    assert send(app, receiver.address) == {first: "the receiver answers reason 0xa700"}


def test_objects_that_were_not_sent_are_not_taken_for_ours(app: App, receiver: Receiver) -> None:
    receiver.status, receiver.answer = 202, failing("1.2.3", "of nobody")
    assert send(app, receiver.address) == {}
    receiver.status = 409
    with pytest.raises(PeerFailedError, match="answers 409"):
        send(app, receiver.address)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>Who are you?</html>",
        b"[",
        b"[]",
        b"null",
        b'"stored"',
        b"[[1]]",
        b'{"00081198": 7}',
        b'{"00081198": {"Value": [{}]}}',
        failing("1.2.3", reason="much"),
        failing("1.2.3", reason=[]),
        _TOO_LONG,
    ],
    ids=lambda answer: repr(answer[:24]),
)
@pytest.mark.parametrize("status", [200, 202])
def test_an_answer_that_is_none_of_stow_has_stored_nothing(
    app: App, receiver: Receiver, status: int, answer: bytes
) -> None:
    receiver.status, receiver.answer = status, answer
    with pytest.raises(PeerFailedError, match=f"answers {status}, and nothing of what it has stored"):
        send(app, receiver.address)


@pytest.mark.parametrize("status", [202, 302, 401, 500])
def test_an_answer_without_a_body_stores_what_200_says_alone(app: App, receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(PeerFailedError, match=f"answers {status}"):
        send(app, receiver.address)


def test_who_we_are_is_told_to_addresses_that_begin_so(app: App, receiver: Receiver) -> None:
    known = {f"{receiver.address}/": "outer", f"{receiver.address}/pacs/": "inner", "http://127.0.0.1/": "another"}
    for path, expected in (("/studies", "outer"), ("/pacs/studies", "inner"), ("/pacs2", "outer")):
        send(app, receiver.address + path, known)
        assert receiver.authorizations[-1] == expected
    send(app, receiver.address, {"http://127.0.0.1/": "another"})
    assert receiver.authorizations[-1] is None


@pytest.mark.parametrize("begin", [HEAD, BODY])
def test_a_receiver_that_answers_a_byte_now_and_then_is_given_up(app: App, begin: bytes) -> None:
    with dripping(begin) as address, pytest.raises(PeerFailedError, match=r"CLOUD \(http.*/studies\) .* for 1 s"):
        send(app, "CLOUD", archives={"CLOUD": address}, pace=_SHORT)
