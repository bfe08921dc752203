"""Nodes of the management API that are DCMTK's: asked, queried, retrieved from and sent to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from archimage.net.blocking import Client
from archimage.net.conversation import RemoteNode
from archimage.net.proposals import for_services, for_storage
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, RLE_LOSSLESS, STUDY_ROOT_MOVE
from tests.attacks.server import wait_until
from tests.interop.managing import Api
from tests.interop.peers import (
    Sample,
    Served,
    dataset_of,
    free_port,
    identifier,
    listener,
    serve_both,
    storescp,
    tool,
)

_CONFIGURATION = """\
NetworkTCPPort = {port}
MaxPDUSize = 131072
MaxAssociations = 16
HostTable BEGIN
ours = ({ours.ae_title}, 127.0.0.1, {ours.port})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
QRSCP {directory} RW (200, 1024mb) ANY
AETable END
"""


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Served]:
    """Our server over an empty archive."""
    with serve_both(tmp_path / "data") as served:
        yield served


@pytest.fixture
def api(ours: Served) -> Api:
    """Its management API."""
    return Api(ours.dicomweb_url)


@pytest.fixture
def kept(samples: list[Sample]) -> list[Sample]:
    """Real uncompressed files of three studies."""
    plain = [s for s in samples if s.pair[1] == EXPLICIT_VR_LITTLE_ENDIAN and s.study_instance_uid]
    studies = list(dict.fromkeys(sample.study_instance_uid for sample in plain))[:3]
    return [sample for sample in plain if sample.study_instance_uid in studies]


@contextmanager
def _dcmqrscp(folder: Path, ours: RemoteNode, kept: list[Sample], *options: str) -> Iterator[int]:
    """DCMTK's archive, filled; it knows us as a destination."""
    port = free_port()
    (folder / "images").mkdir(parents=True)
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text(_CONFIGURATION.format(port=port, ours=ours, directory=folder / "images"))
    with listener([tool("dcmqrscp"), "-c", configuration, "+xe", *options], port, folder / "log"):
        with (
            Client("ARCHIMAGE") as client,
            client.connect(RemoteNode("QRSCP", "127.0.0.1", port), for_storage(s.pair for s in kept)) as association,
        ):
            for sample in kept:
                assert association.store(sample.outgoing) == 0
        yield port


def test_an_echo_tells_what_the_node_says_of_itself(ours: Served, api: Api, kept: list[Sample], tmp_path: Path) -> None:
    with _dcmqrscp(tmp_path / "peer", ours.node, kept) as port:
        api.add("QRSCP", port)
        answer = api.ask("POST", "/nodes/QRSCP/echo")
    assert answer.status == 200
    assert answer.json["implementation_version_name"].startswith("OFFIS_DCMTK")
    assert answer.json["elapsed_s"] > 0
    offers = {offer["name"]: offer["accepted"] for offer in answer.json["offers"]}
    assert offers["Verification"]
    assert offers["Study Root Query/Retrieve - GET"]
    assert not offers["Modality Worklist - FIND"]


def test_a_query_returns_what_matches_and_no_more_than_asked_for(
    ours: Served, api: Api, kept: list[Sample], tmp_path: Path
) -> None:
    studies = {sample.study_instance_uid for sample in kept}
    with _dcmqrscp(tmp_path / "peer", ours.node, kept) as port:
        api.add("QRSCP", port)
        every = api.ask("POST", "/nodes/QRSCP/query", {}).json
        one = api.ask("POST", "/nodes/QRSCP/query", {"limit": 1}).json
        uid = kept[0].study_instance_uid
        this = api.ask("POST", "/nodes/QRSCP/query", {"level": "SERIES", "keys": {"StudyInstanceUID": uid}}).json
        wrong = api.ask("POST", "/nodes/QRSCP/query", {"keys": {"NoSuchKeyword": ""}})
    assert {row["StudyInstanceUID"] for row in every["rows"]} == studies
    assert every["complete"]
    assert (len(one["rows"]), one["complete"]) == (1, False)
    assert {row["StudyInstanceUID"] for row in this["rows"]} == {uid}
    assert all(row["Modality"] for row in this["rows"])
    assert wrong.status == 400
    assert "NoSuchKeyword" in wrong.json["error"]


def test_a_study_is_retrieved_by_c_get(ours: Served, api: Api, kept: list[Sample], tmp_path: Path) -> None:
    uid = kept[0].study_instance_uid
    count = sum(sample.study_instance_uid == uid for sample in kept)
    with _dcmqrscp(tmp_path / "peer", ours.node, kept) as port:
        api.add("QRSCP", port)
        task = api.task("POST", "/nodes/QRSCP/retrieve", {"study_instance_uid": uid})
        assert (task["state"], task["error"]) == ("done", "")
        assert (task["result"]["method"], task["result"]["completed"]) == ("C-GET", count)
        assert (task["done"], task["total"]) == (count, count)
        assert api.studies() == [uid]
        again = api.task("POST", "/nodes/QRSCP/retrieve", {"study_instance_uid": uid})
        assert again["result"]["completed"] == count  # what is kept already is no failure
        nothing = api.task("POST", "/nodes/QRSCP/retrieve", {"study_instance_uid": "1.2.3"})
    assert nothing["state"] == "failed"
    assert f"QRSCP at 127.0.0.1:{port} keeps nothing" in nothing["error"]


def test_where_c_get_is_not_offered_c_move_brings_it_and_the_task_says_so(
    ours: Served, api: Api, kept: list[Sample], tmp_path: Path
) -> None:
    uid = kept[0].study_instance_uid
    with _dcmqrscp(tmp_path / "peer", ours.node, kept, "--disable-get") as port:
        api.add("QRSCP", port)
        task = api.task("POST", "/nodes/QRSCP/retrieve", {"study_instance_uid": uid})
    assert (task["state"], task["error"]) == ("done", "")
    assert task["result"]["method"] == "C-MOVE"
    assert "C-GET did not work" in task["result"]["remark"]
    assert api.studies() == [uid]


def test_where_neither_works_the_task_names_both_reasons_and_the_next_step(
    ours: Served, api: Api, kept: list[Sample], tmp_path: Path
) -> None:
    stranger = RemoteNode("STRANGER", "127.0.0.1", free_port())
    with _dcmqrscp(tmp_path / "peer", stranger, kept, "--disable-get") as port:
        api.add("QRSCP", port)
        task = api.task("POST", "/nodes/QRSCP/retrieve", {"study_instance_uid": kept[0].study_instance_uid})
    assert task["state"] == "failed"
    assert "0xA801: move destination unknown" in task["error"]
    assert "C-GET" in task["error"]
    assert "AE title" in task["next"]


def test_a_study_is_sent_bit_for_bit_and_transcoded_where_that_is_wanted(
    ours: Served, api: Api, kept: list[Sample], samples: list[Sample], tmp_path: Path
) -> None:
    compressed = next(s for s in samples if s.pair[1] == RLE_LOSSLESS and s.study_instance_uid)
    uid = kept[0].study_instance_uid
    sent = [sample for sample in kept if sample.study_instance_uid == uid]
    wanted = [*sent, compressed]
    with Client("A") as client, client.connect(ours.node, for_storage(s.pair for s in wanted)) as association:
        assert [association.store(sample.outgoing) for sample in wanted] == [0] * len(wanted)
    node = RemoteNode("STORESCP", "127.0.0.1", free_port())
    api.add("STORESCP", node.port)
    with storescp(node, tmp_path / "in"):
        chosen = {"studies": [uid], "instances": [sent[0].sop_instance_uid, compressed.sop_instance_uid]}
        task = api.task("POST", "/nodes/STORESCP/send", chosen)
        unknown = api.ask("POST", "/nodes/STORESCP/send", {"studies": ["1.2.3"]})
    assert (task["state"], task["error"], task["result"]["problems"]) == ("done", "", {})
    assert (task["result"]["completed"], task["done"], task["total"]) == (len(wanted),) * 3
    received = {path.name.partition(".")[2]: path for path in (tmp_path / "in").iterdir()}
    assert {sample.sop_instance_uid: dataset_of(received[sample.sop_instance_uid]) for sample in sent} == {
        sample.sop_instance_uid: sample.dataset for sample in sent
    }
    assert compressed.sop_instance_uid in received
    assert (unknown.status, "1.2.3" in unknown.json["error"]) == (404, True)


@pytest.mark.parametrize(("option", "named"), [("--refuse", "no reason given"), ("--abort-after", "aborted")])
def test_a_node_that_does_not_want_it_is_named_with_its_reason(
    ours: Served, api: Api, kept: list[Sample], tmp_path: Path, option: str, named: str
) -> None:
    with Client("A") as client, client.connect(ours.node, for_storage([kept[0].pair])) as association:
        assert association.store(kept[0].outgoing) == 0
    node = RemoteNode("STORESCP", "127.0.0.1", free_port())
    api.add("STORESCP", node.port)
    with storescp(node, tmp_path / "in", option):
        begun = api.ask("POST", "/nodes/STORESCP/send", {"instances": [kept[0].sop_instance_uid]})
        path = f"/jobs/{int(begun.json['id'], 16)}"
        assert wait_until(lambda: bool(api.ask("GET", path).json["job"]["error"]), 30.0)
        job = api.ask("GET", path).json["job"]
    assert job["state"] in {"waiting", "failed"}  # it is tried again, unless the node said that this is for good
    assert f"STORESCP at 127.0.0.1:{node.port}" in job["error"]
    assert named in job["error"]
    assert job["next"].endswith(".")
    assert api.ask("POST", f"{path}/cancel").json["state"] == "cancelled"


def test_a_node_that_is_added_is_a_destination_in_every_worker_process(kept: list[Sample], tmp_path: Path) -> None:
    node = RemoteNode("STORESCP", "127.0.0.1", free_port())
    serving = serve_both(tmp_path / "data", "--workers", "2")
    with serving as served, storescp(node, tmp_path / "in"), Client("A") as client:
        with client.connect(served.node, for_storage([kept[0].pair])) as association:
            assert association.store(kept[0].outgoing) == 0
        Api(served.dicomweb_url).add(node.ae_title, node.port)
        for _ in range(8):  # each connection comes to either process
            with client.connect(served.node, for_services(STUDY_ROOT_MOVE)) as association:
                syntax = association.transfer_syntax(STUDY_ROOT_MOVE)
                query = identifier("STUDY", syntax, StudyInstanceUID=kept[0].study_instance_uid)
                *_, final = association.move(STUDY_ROOT_MOVE, query, node.ae_title)
                assert (final.status, final.completed) == (0, 1)
