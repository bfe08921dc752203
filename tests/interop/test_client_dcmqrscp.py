"""Our client queries and retrieves from DCMTK's dcmqrscp."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from archimage.dicom.scan import scan
from archimage.net.blocking import BlockingAssociation, Client
from archimage.net.conversation import RemoteNode
from archimage.net.proposals import as_receiver, for_services, for_storage, propose
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, STUDY_ROOT_FIND, STUDY_ROOT_GET, STUDY_ROOT_MOVE
from tests.interop.peers import STUDY_INSTANCE_UID, Memory, Sample, free_port, identifier, listener, storescp, tool

_CONFIGURATION = """\
NetworkTCPPort = {port}
MaxPDUSize = 131072
MaxAssociations = 16
HostTable BEGIN
destination = ({destination.ae_title}, 127.0.0.1, {destination.port})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
QRSCP {directory} RW (200, 1024mb) ANY
AETable END
"""


@pytest.fixture(scope="module")
def kept(samples: list[Sample]) -> list[Sample]:
    """Real uncompressed files whose data sets name a study."""
    return [s for s in samples if s.pair[1] == EXPLICIT_VR_LITTLE_ENDIAN and s.study_instance_uid][:40]


@pytest.fixture(scope="module")
def destination() -> RemoteNode:
    """The node that the archive may move to; nothing listens there yet."""
    return RemoteNode("DESTINATION", "127.0.0.1", free_port())


@pytest.fixture(scope="module")
def archive(
    tmp_path_factory: pytest.TempPathFactory, kept: list[Sample], destination: RemoteNode
) -> Iterator[RemoteNode]:
    """DCMTK's archive, filled by our client."""
    folder = tmp_path_factory.mktemp("dcmqrscp")
    node = RemoteNode("QRSCP", "127.0.0.1", free_port())
    configuration = folder / "dcmqrscp.cfg"
    (folder / "images").mkdir()
    configuration.write_text(
        _CONFIGURATION.format(port=node.port, destination=destination, directory=folder / "images")
    )
    with listener([tool("dcmqrscp"), "-c", configuration, "+xe"], node.port, folder / "log"):
        with (
            Client("ARCHIMAGE") as client,
            client.connect(node, for_storage(sample.pair for sample in kept)) as association,
        ):
            for sample in kept:
                assert association.store(sample.outgoing) == 0
        yield node


def _identify(association: BlockingAssociation, sop_class: str, level: str, **keys: str) -> bytes:
    return identifier(level, association.transfer_syntax(sop_class), **keys)


def test_find_yields_every_study_once(archive: RemoteNode, kept: list[Sample]) -> None:
    with Client("A") as client, client.connect(archive, for_services(STUDY_ROOT_FIND)) as association:
        syntax = association.transfer_syntax(STUDY_ROOT_FIND)
        query = _identify(association, STUDY_ROOT_FIND, "STUDY", StudyInstanceUID="", PatientName="")
        found = [
            scan(match, syntax, frozenset({STUDY_INSTANCE_UID})).text(STUDY_INSTANCE_UID)
            for match in association.find(STUDY_ROOT_FIND, query)
        ]
    assert sorted(map(str, found)) == sorted({sample.study_instance_uid for sample in kept})


def test_find_closed_early_cancels_and_leaves_the_association_usable(archive: RemoteNode, kept: list[Sample]) -> None:
    with Client("A") as client, client.connect(archive, for_services(STUDY_ROOT_FIND)) as association:
        query = _identify(association, STUDY_ROOT_FIND, "STUDY", StudyInstanceUID="")
        matches = iter(association.find(STUDY_ROOT_FIND, query))
        assert next(matches)
        del matches
        assert len(list(association.find(STUDY_ROOT_FIND, query))) == len(
            {sample.study_instance_uid for sample in kept}
        )


def test_move_sends_a_study_to_the_destination(
    archive: RemoteNode, destination: RemoteNode, kept: list[Sample], tmp_path: Path
) -> None:
    study = kept[0].study_instance_uid
    expected = {sample.sop_instance_uid for sample in kept if sample.study_instance_uid == study}
    with (
        storescp(destination, tmp_path / "in", "+xa"),
        Client("A") as client,
        client.connect(archive, for_services(STUDY_ROOT_MOVE)) as association,
    ):
        query = _identify(association, STUDY_ROOT_MOVE, "STUDY", StudyInstanceUID=study)
        *_, last = association.move(STUDY_ROOT_MOVE, query, destination.ae_title)
    assert (last.status, last.completed, last.failed) == (0, len(expected), 0)
    assert {path.name.partition(".")[2] for path in (tmp_path / "in").iterdir()} == expected


def test_move_to_a_stranger_is_refused(archive: RemoteNode, kept: list[Sample]) -> None:
    with Client("A") as client, client.connect(archive, for_services(STUDY_ROOT_MOVE)) as association:
        query = _identify(association, STUDY_ROOT_MOVE, "STUDY", StudyInstanceUID=kept[0].study_instance_uid)
        *_, last = association.move(STUDY_ROOT_MOVE, query, "STRANGER")
    assert last.status == 0xA801


def test_get_brings_a_study_over_the_same_association(archive: RemoteNode, kept: list[Sample]) -> None:
    study = kept[0].study_instance_uid
    expected = {sample.sop_instance_uid for sample in kept if sample.study_instance_uid == study}
    storage = for_storage(sample.pair for sample in kept)
    contexts = propose(
        [(STUDY_ROOT_GET, (EXPLICIT_VR_LITTLE_ENDIAN,)), *((c.abstract_syntax, c.transfer_syntaxes) for c in storage)]
    )
    memory = Memory()
    with Client("A") as client, client.connect(archive, contexts, as_receiver(storage)) as association:
        query = _identify(association, STUDY_ROOT_GET, "STUDY", StudyInstanceUID=study)
        *_, last = association.get(STUDY_ROOT_GET, query, memory.open)
    assert (last.status, last.completed) == (0, len(expected))
    assert set(memory.datasets) == expected
