"""HAProxy with our configuration before two real servers: every port goes through, and one of them may die."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from archimage.protocol.pdu import AssociateAccept
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import Server, stop, wait_until
from tests.attacks.wire import Peer, request
from tests.deploy.balancer import Backends, Balancer, balancing, missing
from tests.deploy.sender import Sender
from tests.hl7.sending import ENABLED, RawPeer, code, order, port_of, segments
from tests.tls.keys import Keys, make_keys
from tests.tls.peers import tls_port

pytestmark = pytest.mark.skipif(bool(missing()) and not os.environ.get("CI"), reason=missing() or "-")
CLIENT = "127.0.0.7"
WITHIN_S = 20.0


def _started(directory: Path, name: str, settings: dict[str, str]) -> Server:
    """Start one of several servers on one directory."""
    log = directory.with_name(f"{name}.log")
    variables = {f"ARCHIMAGE__{key.upper()}": str(value) for key, value in settings.items()}
    command = [sys.executable, "-m", "archimage", "serve", "--data", str(directory), "--dicom-port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--http-port", "0"], stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **variables}
        )
    return Server(process, log, directory)


@contextmanager
def _cluster(directory: Path, keys: Keys) -> Iterator[tuple[Balancer, list[Server]]]:
    """Run two servers on one directory, a third that is down, and HAProxy before them."""
    data = directory / "data"
    data.mkdir()
    trusted = {f"{door}__proxy_from": "127.0.0.1" for door in ("dicom", "http", "hl7")}
    settings = keys.settings(**ENABLED, **trusted, http__allowed_hosts="localhost")
    certificate = directory / "haproxy.pem"
    certificate.write_bytes(keys.certificate("server").read_bytes() + keys.key("server").read_bytes())
    servers = []
    try:
        for name in ("one", "two"):
            servers.append(_started(data, name, {**settings, "node__name": name}))
            servers[-1].wait_until_ready()
        with closing(socket.create_server(("127.0.0.1", 0))) as nobody:
            closed = nobody.getsockname()[1]
        backends = [_backends(server) for server in servers] + [
            Backends(dict.fromkeys((11112, 2762, 2575, 8042), closed))
        ]
        with balancing(directory, backends, certificate) as balancer:
            balancer.wait_until_up(2)
            yield balancer, servers
    finally:
        for server in servers:
            stop(server)


def _backends(server: Server) -> Backends:
    return Backends({11112: server.port, 2762: tls_port(server), 2575: port_of(server), 8042: server.http_port})


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A directory of certificates."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[tuple[Balancer, list[Server]]]:
    """Two servers behind HAProxy."""
    with _cluster(tmp_path_factory.mktemp("cluster"), keys) as made:
        yield made


def _from(port: int, source: str = CLIENT) -> Peer:
    """Return a peer that comes from an address of its own."""
    peer = Peer(port)
    peer.socket.close()
    peer.socket = socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
    return peer


def _web(balancer: Balancer, keys: Keys, path: str) -> tuple[int, bytes]:
    """Ask over HTTPS."""
    port = balancer.ports["web"]
    with closing(http.client.HTTPSConnection("localhost", port, context=keys.client(), timeout=10)) as connection:
        connection.request("GET", path, headers={"Accept": "*/*"})
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_associations_are_shared_out_and_come_from_who_calls(
    cluster: tuple[Balancer, list[Server]], keys: Keys
) -> None:
    balancer, servers = cluster

    def both() -> bool:
        """Have two at once, until neither server is thought to be down any more."""
        with _from(balancer.ports["dicom"]) as first, _from(balancer.ports["dicom"]) as second:
            for peer in (first, second):
                assert isinstance(peer.associate(request()), AssociateAccept)
                assert peer.echo() == 0
            first.release()
            second.release()
        return all(f"address={CLIENT}" in server.log for server in servers)

    assert wait_until(both, WITHIN_S)


def test_what_is_stored_through_it_is_had_through_it(cluster: tuple[Balancer, list[Server]], keys: Keys) -> None:
    balancer, _ = cluster
    uid = new_uid()
    with _from(balancer.ports["dicom"]) as peer:
        assert isinstance(peer.associate(request()), AssociateAccept)
        assert peer.store(uid, dataset(uid)) == 0
        peer.release()
    for _ in range(4):  # of each node
        status, found = _web(balancer, keys, f"/dicom-web/instances?SOPInstanceUID={uid}")
        assert status == 200
        (instance,) = json.loads(found)
        series = instance["0020000E"]["Value"][0]
        path = f"/dicom-web/studies/{instance['0020000D']['Value'][0]}/series/{series}/instances/{uid}"
        status, answer = _web(balancer, keys, path)
        assert status == 200
        assert uid.encode() in answer


def test_tls_of_dicom_goes_through_as_it_is(cluster: tuple[Balancer, list[Server]], keys: Keys) -> None:
    balancer, _ = cluster
    with _from(balancer.ports["dicom_tls"]) as peer:
        peer.socket = keys.client("CT1").wrap_socket(peer.socket, server_hostname="localhost")
        assert isinstance(peer.associate(request(calling="CT1")), AssociateAccept)
        assert peer.echo() == 0
        peer.release()


def test_messages_go_through(cluster: tuple[Balancer, list[Server]]) -> None:
    balancer, _ = cluster
    with RawPeer(balancer.ports["hl7"]) as peer:
        peer.send(b"\x0b" + order("B-1").encode() + b"\x1c\r")
        assert code(segments(peer.answer())) == "AA"


def test_http_is_sent_to_https(cluster: tuple[Balancer, list[Server]]) -> None:
    balancer, _ = cluster
    with closing(http.client.HTTPConnection("127.0.0.1", balancer.ports["redirect"], timeout=10)) as connection:
        connection.request("GET", "/studies", headers={"Host": "pacs.example"})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Location"]) == (308, "https://pacs.example/studies")


def test_a_browser_stays_with_its_node(cluster: tuple[Balancer, list[Server]], keys: Keys) -> None:
    balancer, _ = cluster
    port, told = balancer.ports["web"], set()
    cookie = ""
    for _ in range(6):
        with closing(http.client.HTTPSConnection("localhost", port, context=keys.client(), timeout=10)) as connection:
            connection.request("GET", "/ready", headers={"Cookie": cookie} if cookie else {})
            answer = connection.getresponse()
            told.add(json.loads(answer.read())["node"])
            given = answer.headers["Set-Cookie"]
            assert (given is None) == bool(cookie)
            if given:
                assert "Secure" in given
                assert "HttpOnly" in given
                cookie = given.split(";")[0]
    assert len(told) == 1


def test_old_tls_is_not_spoken(cluster: tuple[Balancer, list[Server]], keys: Keys) -> None:
    balancer, _ = cluster
    context = keys.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    port = balancer.ports["web"]
    with closing(http.client.HTTPSConnection("localhost", port, context=context, timeout=10)) as connection:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Strict-Transport-Security"]) == (200, "max-age=31536000")


def test_a_node_is_killed_and_its_peers_go_on_with_the_other(tmp_path: Path, keys: Keys) -> None:
    with _cluster(tmp_path, keys) as (balancer, (one, two)):
        senders = [Sender(balancer.ports["dicom"]) for _ in range(4)]
        for sender in senders:
            sender.start()
        assert wait_until(lambda: all(len(sender.acknowledged) > 5 for sender in senders), WITHIN_S)
        one.process.send_signal(signal.SIGKILL)
        one.process.wait(10)
        before = [len(sender.acknowledged) for sender in senders]
        assert wait_until(
            lambda: all(len(sender.acknowledged) > had + 20 for sender, had in zip(senders, before, strict=True)),
            WITHIN_S,
        ), [(sender.cut, len(sender.acknowledged)) for sender in senders]
        balancer.wait_until_up(1)
        for sender in senders:
            sender.is_over.set()
            sender.join(WITHIN_S)
        assert any(sender.cut for sender in senders)
        kept = {row.sop_instance_uid for row in two.rows()}
        assert not {uid for sender in senders for uid in sender.acknowledged} - kept
        assert _web(balancer, keys, "/ready")[0] == 200


def test_all_that_it_needs_of_a_node_is_written_once() -> None:
    """The three nodes stand alike in every backend."""
    text = (Path(__file__).parents[2] / "deploy/haproxy/haproxy.cfg").read_text("utf-8")
    for backend in re.findall(r"backend \w+\n((?:    .*\n|\n|#.*\n)*)", text):
        lines = re.findall(r"server archimage(\d) archimage(\d)(:.*)", backend)
        if lines:
            assert [(first, second) for first, second, _ in lines] == [("1", "1"), ("2", "2"), ("3", "3")]
            assert len({re.sub(r"cookie \d", "", rest) for _, _, rest in lines}) == 1
