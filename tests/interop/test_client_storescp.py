"""Our client sends to DCMTK's storescp."""

from pathlib import Path

import pytest

from archimage.errors import AssociationRejectedError, ConnectionFailedError, ContextNotAcceptedError
from archimage.net.blocking import Client
from archimage.net.conversation import RemoteNode
from archimage.net.proposals import for_services, for_storage, propose
from archimage.protocol.uids import VERIFICATION
from tests.interop.peers import Sample, dataset_of, free_port, storescp


def test_an_echo_is_answered(tmp_path: Path) -> None:
    node = RemoteNode("STORESCP", "127.0.0.1", free_port())
    contexts = for_services(VERIFICATION)
    with storescp(node, tmp_path / "in"), Client("A") as client, client.connect(node, contexts) as association:
        assert association.echo() == 0


def test_every_real_file_arrives_bit_for_bit(tmp_path: Path, samples: list[Sample]) -> None:
    node = RemoteNode("STORESCP", "127.0.0.1", free_port())
    with storescp(node, tmp_path / "in", "+xa"), Client("ARCHIMAGE") as client:
        with client.connect(node, for_storage(sample.pair for sample in samples)) as association:
            statuses = {sample.sop_instance_uid: association.store(sample.outgoing) for sample in samples}
        assert set(statuses.values()) == {0}
        received = {path.name.partition(".")[2]: dataset_of(path) for path in (tmp_path / "in").iterdir()}
        assert received == {sample.sop_instance_uid: sample.dataset for sample in samples}


def test_a_file_whose_syntax_is_not_taken_names_what_is(tmp_path: Path, samples: list[Sample]) -> None:
    node = RemoteNode("STORESCP", "127.0.0.1", free_port())
    jpeg = next(sample for sample in samples if sample.meta.transfer_syntax_uid.endswith(".4.50"))
    plain = propose([(jpeg.meta.media_storage_sop_class_uid, ("1.2.840.10008.1.2",))])
    expected = pytest.raises(ContextNotAcceptedError, match=r"STORESCP at 127.*takes only 1\.2\.840\.10008\.1\.2$")
    with storescp(node, tmp_path / "in"), Client("A") as client, client.connect(node, plain) as association, expected:
        association.store(jpeg.outgoing)


def test_a_rejection_says_who_and_why(tmp_path: Path) -> None:
    node = RemoteNode("STORESCP", "127.0.0.1", free_port())
    expected = pytest.raises(AssociationRejectedError, match=r"STORESCP at .* rejects ARCHIMAGE: no reason given")
    with storescp(node, tmp_path / "in", "--refuse"), Client("ARCHIMAGE") as client, expected:
        client.connect(node, for_services(VERIFICATION))


def test_a_peer_that_does_not_listen_is_named() -> None:
    node = RemoteNode("NOBODY", "127.0.0.1", free_port())
    expected = pytest.raises(ConnectionFailedError, match=r"NOBODY at 127.0.0.1:.*Connection refused")
    with Client("ARCHIMAGE") as client, expected:
        client.connect(node, for_services(VERIFICATION))
