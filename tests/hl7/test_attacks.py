"""Whatever comes to the port for messages: a NACK where one can be sent, and the listener lives."""

import random
import time

import pytest

from archimage.hl7.framing import END, START
from tests.attacks.server import MAX_GROWTH_BYTES, Server, wait_until
from tests.hl7.asking import Asking
from tests.hl7.sending import RawPeer, code, connected, message, pid, port_of, segments, tell


@pytest.fixture(autouse=True)
def lives(hl7_server: Server) -> object:
    """Assert that a message is answered after each test, and that the server did not grow."""
    before = hl7_server.footprint().rss_bytes
    yield
    with connected(hl7_server) as client:
        answer = tell(client, message("ADT^A08", f"LIVES-{time.monotonic_ns()}", pid("LIVES")))
    assert code(answer) == "AA"
    assert hl7_server.process.poll() is None
    assert hl7_server.footprint().rss_bytes <= before + MAX_GROWTH_BYTES


def test_a_segment_of_10_mb_gets_a_nack_and_the_connection_goes_on(hl7_server: Server) -> None:
    with RawPeer(port_of(hl7_server)) as peer:
        peer.send(START + message("ORU^R01", "BIG-1").encode() + b"OBX|1|TX|||" + b"x" * (10 << 20) + b"\r" + END)
        answer = segments(peer.answer())
        assert (answer["MSA"][:2], answer["ERR"][2][:4]) == (["AR", "BIG-1"], "207^")
        peer.send(START + message("ADT^A08", "BIG-2", pid("BIG")).encode() + END)
        assert segments(peer.answer())["MSA"][:2] == ["AA", "BIG-2"]


def test_a_message_that_never_ends_is_cut(hl7_server: Server) -> None:
    with RawPeer(port_of(hl7_server)) as peer:
        peer.send(START + message("ORU^R01", "END-1").encode())
        with pytest.raises(ConnectionError):
            peer.send(b"x" * (80 << 20))  # 64 times as much as is taken, and then some


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x01\x00\x00\x00\x00\x04\x00\x01\x00\x00",
        START + b"MSH|^~\\&|A|B" + START,
        START + b"MSH|^~\\&|A|B\x1cMSH",
        b"MSH|^~\\&|A|B\r" + END,
    ],
    ids=["HTTP", "TLS", "DICOM", "begins twice", "ends and goes on", "no begin"],
)
def test_what_is_no_frame_gets_a_nack_and_the_connection_ends(hl7_server: Server, data: bytes) -> None:
    with RawPeer(port_of(hl7_server)) as peer:
        peer.send(data)
        answer = segments(peer.answer())
        assert answer["MSA"][0] == "AR"
        assert "no frame of MLLP" in answer["MSA"][2]
        assert peer.is_closed()


def test_what_is_no_message_gets_a_nack_and_the_connection_goes_on(hl7_server: Server) -> None:
    batch = "FHS|^~\\&|A|B|C|D|2026||||F1\rBHS|^~\\&|A|B|C|D|2026||||B1\r" + message("ADT^A08", "B-1", pid())
    with RawPeer(port_of(hl7_server)) as peer:
        for data in (b"", b"PID|1", b"\x00" * 100, b"MSH", b"MSH|^~\\&", batch.encode()):
            peer.send(START + data + END)
            answer = segments(peer.answer())
            assert answer["MSA"][0] == "AR", data
        assert answer["MSA"][:2] == ["AR", "F1"]
        assert "batches are not taken" in answer["MSA"][2]


def test_wrong_encodings_are_kept_with_the_reason(hl7_server: Server, asking: Asking) -> None:
    sent = {
        "EC-1": message("ADT^A08", "EC-1", pid(name="Müller"), more="||||||ASCII").encode(),
        "EC-2": message("ADT^A08", "EC-2", pid(), more="||||||UNICODE UTF-16").encode(),
        "EC-3": message("ADT^A08", "EC-3", pid(name="\udcff")).encode("utf-8", "surrogateescape"),
    }
    with connected(hl7_server) as client:
        for number, data in sent.items():
            answer = tell(client, data)
            assert (code(answer), answer["ERR"][1]) == ("AR", "MSH^1^18"), number
    failed = {one["control_id"] for one in asking.get("/messages?state=failed")["items"]}
    assert failed >= set(sent)


def test_a_slow_sender_is_told_so(hl7_server: Server) -> None:
    with RawPeer(port_of(hl7_server)) as peer:
        peer.send(START + message("ADT^A08", "SLOW-1").encode())
        answer = segments(peer.answer())
        assert answer["MSA"][:2] == ["AR", "SLOW-1"]
        assert "did not end in time" in answer["MSA"][2]
        assert peer.is_closed()


def test_who_drips_has_no_more_time_than_others(hl7_server: Server) -> None:
    started = time.monotonic()
    with RawPeer(port_of(hl7_server)) as peer:
        peer.socket.settimeout(0.05)
        peer.send(START)
        answer = b""
        while not answer and time.monotonic() < started + 8:
            peer.send(b"M")
            try:
                answer = peer.socket.recv(4_096)
            except TimeoutError:
                continue
    assert b"did not end in time" in answer


def test_who_closes_in_the_middle_leaves_nothing_behind(hl7_server: Server) -> None:
    text = START + message("ADT^A08", "HALF-1", pid()).encode() + END
    for cut in (1, 20, len(text) - 1):
        with RawPeer(port_of(hl7_server)) as peer:
            peer.send(text[:cut])


def test_of_too_many_connections_the_one_that_is_silent_longest_goes(hl7_server: Server) -> None:
    peers = [RawPeer(port_of(hl7_server)) for _ in range(8)]
    try:
        for number, peer in enumerate(peers):
            peer.send(START + message("ADT^A08", f"MANY-{number}", pid("MANY")).encode() + END)
            assert segments(peer.answer())["MSA"][0] == "AA"
        peers[0].send(START + message("ADT^A08", "MANY-AGAIN", pid("MANY")).encode() + END)
        assert segments(peers[0].answer())["MSA"][0] == "AA"
        with RawPeer(port_of(hl7_server)) as late:
            late.send(START + message("ADT^A08", "MANY-LATE", pid("MANY")).encode() + END)
            assert segments(late.answer())["MSA"][0] == "AA"
        assert peers[1].is_closed()
        peers[0].send(START + message("ADT^A08", "MANY-STILL", pid("MANY")).encode() + END)
        assert segments(peers[0].answer())["MSA"][0] == "AA"
    finally:
        for peer in peers:
            peer.socket.close()


def test_random_bytes_in_frames_are_all_answered(hl7_server: Server) -> None:
    drawn = random.Random(7)  # noqa: S311 - what is sent, no secret
    with RawPeer(port_of(hl7_server)) as peer:
        for number in range(200):
            noise = bytes(drawn.choice(b"|^~&\\\rPIDXABC0123\x00\xff ") for _ in range(drawn.randrange(400)))
            kind = drawn.choice(("ADT^A08", "ADT^A40", "ADT^A24", "ORM^O01", "OMI^O23", "ORU^R01", ""))
            peer.send(START + message(kind, f"RANDOM-{number}").encode() + noise + END)
            assert segments(peer.answer())["MSA"][0] in {"AA", "AE", "AR"}
    assert "a bug" not in hl7_server.log
    assert wait_until(lambda: "could not be applied" not in hl7_server.log, 1)
