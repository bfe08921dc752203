"""Who may send, over which wire, and what is handed on."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from archimage.hl7.framing import END, START, Event, Frame, Reader
from tests.attacks.server import Server, running, wait_until
from tests.hl7.asking import Asking
from tests.hl7.sending import ENABLED, RawPeer, code, connected, message, order, pid, port_of, result, segments, tell
from tests.tls.keys import Keys, make_keys


@contextmanager
def _serving(directory: Path, **settings: object) -> Iterator[Server]:
    with running(directory / "one" / "two" / "data", settings={**ENABLED, **settings}) as server:
        yield server


class Receiver:
    """Takes messages, and answers each as it is told to."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.heard: list[bytes] = []
        self.codes: list[str] = []
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            accepted.settimeout(10)
            with self._context.wrap_socket(accepted, server_side=True) if self._context else accepted as peer:
                reader, events = Reader(1 << 20), list[Event]()
                while not events and (data := peer.recv(65_536)):
                    events = reader.receive(data)
                for event in events:
                    assert isinstance(event, Frame)
                    self.heard.append(event.data)
                    number = event.data.split(b"|")[9].decode()
                    told = self.codes.pop(0) if self.codes else "AA"
                    peer.sendall(START + f"MSH|^~\\&|R|R|||1||ACK|1|P|2.5\rMSA|{told}|{number}|so\r".encode() + END)

    def close(self) -> None:
        """Take no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody who takes messages."""
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A directory of certificates."""
    return make_keys(tmp_path_factory.mktemp("keys"))


def test_results_are_handed_on_as_they_came_and_orders_are_not(tmp_path: Path, receiver: Receiver) -> None:
    receiver.codes = ["AE"]
    with _serving(tmp_path, hl7__forward=receiver.address) as server, connected(server) as client:
        text = result("F-1").replace("bleeding", "Blutung, größer")
        assert code(tell(client, order("F-0"))) == code(tell(client, text)) == "AA"
        assert wait_until(lambda: len(receiver.heard) == 2, 20)  # the first was answered AE, and is sent again
    assert receiver.heard == [text.encode(), text.encode()]


def test_what_a_receiver_rejects_is_not_sent_again(tmp_path: Path, receiver: Receiver) -> None:
    receiver.codes = ["AR"]
    settings = {"hl7__forward": receiver.address, "hl7__forward_kinds": '["ORU", "ORM"]'}
    with _serving(tmp_path, **settings) as server, connected(server) as client:
        assert code(tell(client, order("R-1"))) == "AA"
        assert code(tell(client, result("R-2"))) == "AA"
        assert wait_until(lambda: len(receiver.heard) == 2, 20)
    assert [one.split(b"|")[8] for one in receiver.heard] == [b"ORM^O01", b"ORU^R01"]
    assert 'reason="AR: so"' in server.log


def test_messages_come_and_go_over_tls(tmp_path: Path, keys: Keys) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.certificate("server"), keys.key("server"))
    receiver = Receiver(context)
    settings = keys.settings(hl7__tls="true", hl7__forward=receiver.address, hl7__forward_tls="true")
    try:
        with _serving(tmp_path, **settings) as server, RawPeer(port_of(server), keys.client()) as peer:
            peer.send(START + result("T-1").encode() + END)
            assert segments(peer.answer())["MSA"][:2] == ["AA", "T-1"]
            assert wait_until(lambda: len(receiver.heard) == 1, 20)
            with RawPeer(port_of(server)) as plain:
                plain.send(START + result("T-2").encode() + END)
                assert plain.is_closed()
    finally:
        receiver.close()


def test_with_required_certificates_nobody_sends_without(tmp_path: Path, keys: Keys) -> None:
    settings = keys.settings(hl7__tls="true", hl7__client_certificates="required")
    with _serving(tmp_path, **settings) as server:
        with RawPeer(port_of(server), keys.client("CT1")) as peer:
            peer.send(START + result("C-1").encode() + END)
            assert segments(peer.answer())["MSA"][0] == "AA"
        with RawPeer(port_of(server), keys.client()) as nobody:  # TLS 1.3 tells a client later than it lets it in
            assert nobody.is_closed()
        assert wait_until(lambda: "TLS handshake failed" in server.log, 20.0)


def test_who_is_not_among_the_senders_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    with _serving(tmp_path, hl7__allowed_senders="HIS|HOSPITAL") as server, connected(server) as client:
        assert code(tell(client, order("S-1"))) == "AA"
        answer = tell(client, order("S-2").replace("HIS|HOSPITAL", "HIS|ELSEWHERE"))
        assert code(answer) == "AR"
        assert "hl7.allowed_senders" in answer["MSA"][2]
        assert [one["control_id"] for one in Asking(server.http_port).get("/messages")["items"]] == ["S-1"]


def test_who_is_at_another_address_is_not_let_in(tmp_path: Path) -> None:
    with _serving(tmp_path, hl7__allowed_addresses="192.0.2.0/24") as server, RawPeer(port_of(server)) as peer:
        assert peer.is_closed()


def test_rules_say_who_may_send_what(tmp_path: Path) -> None:
    data = tmp_path / "one" / "two" / "data"
    data.mkdir(parents=True)
    rules = '[[rule]]\nname = "RIS"\nallow = ["worklist"]\naddresses = ["127.0.0.1"]\n'
    (data / "access.toml").write_text(rules)
    with _serving(tmp_path) as server, connected(server) as client:
        assert code(tell(client, order("A-1"))) == "AA"
        for text in (message("ADT^A08", "A-2", pid()), result("A-3")):
            answer = tell(client, text)
            assert code(answer) == "AR"
            assert "127.0.0.1 may not" in answer["MSA"][2]
