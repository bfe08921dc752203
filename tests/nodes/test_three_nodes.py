"""Three nodes over one PostgreSQL and one SeaweedFS, behind HAProxy: any node answers any request, and one may die."""

import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import pytest

from archimage.protocol.pdu import AssociateAccept
from archimage.protocol.status import Status
from tests.attacks.datasets import STUDY_INSTANCE_UID, dataset, new_uid
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import Peer, request
from tests.deploy.balancer import missing
from tests.deploy.sender import Sender
from tests.hl7.sending import RawPeer, code, order, segments
from tests.nodes.cluster import Cluster, cluster
from tests.servers.launched import free_ports
from tests.tls.balancing import LOCAL

pytestmark = [
    pytest.mark.skipif(bool(missing()) and not os.environ.get("CI"), reason=missing() or "-"),
    pytest.mark.timeout(300),
]
SENDERS: Final = 4
WITHIN_S: Final = 60.0


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes."""
    with cluster(tmp_path_factory.mktemp("nodes")) as made:
        yield made


def _ask(node: Server, path: str) -> tuple[int, bytes]:
    """Ask one node itself, as the balancer does when it looks after it."""
    with closing(http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=30)) as connection:
        connection.connect()
        connection.sock.sendall(LOCAL)
        connection.request("GET", path, headers={"Accept": "*/*"})
        answer = connection.getresponse()
        return answer.status, answer.read()


def _tell(node: Server, path: str, body: object) -> tuple[int, Any]:
    """Have one node do something."""
    with closing(http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=30)) as connection:
        connection.connect()
        connection.sock.sendall(LOCAL)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def _found(node: Server, uid: str) -> dict[str, Any]:
    """Find an object at a node."""
    status, found = _ask(node, f"/dicom-web/instances?SOPInstanceUID={uid}")
    assert status == 200, (status, found)
    (one,) = json.loads(found)
    return dict(one)


def _uids(node: Server) -> set[str]:
    """List what a node finds."""
    uids: set[str] = set()
    while True:
        status, found = _ask(node, f"/dicom-web/instances?limit=1000&offset={len(uids)}")
        page = json.loads(found) if status == 200 else []
        uids |= {one["00080018"]["Value"][0] for one in page}
        if len(page) < 1_000:
            return uids


def test_what_one_node_has_acknowledged_every_node_gives(three: Cluster) -> None:
    uid = new_uid()
    with Peer.associated(three.balancer.ports["dicom"]) as peer:
        assert peer.store(uid, dataset(uid)) == 0
        peer.release()
    for node in three.nodes:
        one = _found(node, uid)
        study, series = one["0020000D"]["Value"][0], one["0020000E"]["Value"][0]
        status, body = _ask(node, f"/dicom-web/studies/{study}/series/{series}/instances/{uid}")
        assert status == 200, body
        assert uid.encode() in body


def test_the_same_object_to_all_nodes_at_once_is_one(three: Cluster) -> None:
    """Whoever comes second may be refused for the moment, and is heard when he sends it again."""
    uids = [new_uid() for _ in range(5)]
    at_once = threading.Barrier(len(three.nodes), timeout=WITHIN_S)

    def send(peer: Peer) -> list[int]:
        found = []
        for uid in uids:
            at_once.wait()
            status = peer.store(uid, dataset(uid))
            found.append(status if status != Status.OUT_OF_RESOURCES else peer.store(uid, dataset(uid)))
        peer.release()
        return found

    with ExitStack() as held, ThreadPoolExecutor(len(three.nodes)) as threads:
        peers = [held.enter_context(Peer.associated(three.balancer.ports["dicom"])) for _ in three.nodes]
        assert list(threads.map(send, peers)) == [[0] * len(uids)] * len(peers)
    for uid in uids:
        assert [_found(node, uid)["00080018"]["Value"] for node in three.nodes] == [[uid]] * 3


def test_an_order_that_one_node_took_is_on_the_worklist_of_all(three: Cluster) -> None:
    with RawPeer(three.balancer.ports["hl7"]) as peer:
        peer.send(b"\x0b" + order("N-1", accession="ACC77").encode() + b"\x1c\r")
        assert code(segments(peer.answer())) == "AA"
    for node in three.nodes:
        status, found = _ask(node, "/api/v1/worklist")
        assert status == 200
        assert "ACC77" in found.decode()


def test_every_node_says_which_it_is(three: Cluster) -> None:
    told = [json.loads(_ask(node, "/ready")[1])["node"] for node in three.nodes]
    assert told == ["archimage1", "archimage2", "archimage3"]


def test_a_node_is_killed_under_load_and_nothing_acknowledged_is_lost(three: Cluster, tmp_path: Path) -> None:
    """The last of this module: one node is dead from here on."""
    receiver = free_ports(1)[0]
    wanted = _job_for(three, receiver)
    senders = [Sender(three.balancer.ports["dicom"]) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    assert wait_until(lambda: all(len(sender.acknowledged) > 5 for sender in senders), WITHIN_S)
    dead, *alive = three.nodes
    dead.process.send_signal(signal.SIGKILL)
    dead.process.wait(10)
    before = [len(sender.acknowledged) for sender in senders]

    def all_go_on() -> bool:
        return all(len(sender.acknowledged) > had + 10 for sender, had in zip(senders, before, strict=True))

    assert wait_until(all_go_on, WITHIN_S), [(sender.cut, len(sender.acknowledged)) for sender in senders]
    for sender in senders:
        sender.is_over.set()
    for sender in senders:
        sender.join(WITHIN_S)
    assert any(sender.cut for sender in senders)
    acknowledged = {uid for sender in senders for uid in sender.acknowledged}
    for node in alive:
        assert not acknowledged - _uids(node)
    uid = senders[0].acknowledged[0]
    assert _found(alive[0], uid)["00080018"]["Value"] == [uid]
    three.balancer.wait_until_up(2)
    with Peer(three.balancer.ports["dicom"]) as peer:
        assert isinstance(peer.associate(request()), AssociateAccept)
        assert peer.echo() == 0
        peer.release()
    with running(tmp_path / "data", ("--dicom-port", str(receiver), "--ae-title", "RECEIVER")) as other:
        assert wait_until(lambda: wanted in {row.sop_instance_uid for row in other.rows()}, 2 * WITHIN_S), _ask(
            alive[0], "/api/v1/jobs"
        )


def _job_for(three: Cluster, port: int) -> str:
    """Have the first node send a study to somebody who is not there yet; return the object that it consists of."""
    uid, study = new_uid(), new_uid()
    with Peer.associated(three.balancer.ports["dicom"]) as peer:
        assert peer.store(uid, dataset(uid, replaced={STUDY_INSTANCE_UID: study.encode()})) == 0
        peer.release()
    status, told = _tell(three.nodes[0], "/api/v1/nodes", {"ae_title": "RECEIVER", "host": "127.0.0.1", "port": port})
    assert status == 201, told
    status, told = _tell(three.nodes[0], "/api/v1/nodes/RECEIVER/send", {"studies": [study]})
    assert status == 202, told
    return uid
