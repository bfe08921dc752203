"""Storage commitment with pynetdicom: it asks us, on one association and on two; and we ask it, both ways."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association

from archimage.protocol.uids import STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import Server, running
from tests.attacks.wire import CT, Peer
from tests.interop.peers import free_port

_WITHIN_S: Final = 20.0
Told = tuple[int, Dataset]


class _Asker:
    """A pynetdicom node that asks, and hears results on its own associations and at its listener."""

    def __init__(self) -> None:
        self.ae = AE("ASKER")
        self.port = free_port()
        self.heard: queue.Queue[Told] = queue.Queue()
        self.ae.add_requested_context(STORAGE_COMMITMENT_PUSH)
        self.ae.add_supported_context(STORAGE_COMMITMENT_PUSH, scu_role=False, scp_role=True)
        self.handlers = [(evt.EVT_N_EVENT_REPORT, self._hear)]

    def _hear(self, event: Any) -> tuple[int, None]:
        self.heard.put((event.event_type, event.event_information))
        return 0x0000, None

    @contextmanager
    def listening(self) -> Iterator[None]:
        server = self.ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=self.handlers)
        try:
            yield
        finally:
            server.shutdown()

    @contextmanager
    def associated(self, port: int) -> Iterator[Association]:
        association = self.ae.associate("127.0.0.1", port, ae_title="PACS_SCP", evt_handlers=self.handlers)
        assert association.is_established
        try:
            yield association
        finally:
            association.release()

    def told(self) -> Told:
        return self.heard.get(timeout=_WITHIN_S)


def _request(*pairs: tuple[str, str]) -> Dataset:
    asked = Dataset()
    asked.TransactionUID = generate_uid()
    asked.ReferencedSOPSequence = []
    for sop_class, uid in pairs:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
        asked.ReferencedSOPSequence.append(item)
    return asked


def _ask(association: Association, asked: Dataset) -> int:
    status, _ = association.send_n_action(asked, 1, STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE)
    return int(status.Status)


@pytest.fixture(scope="module")
def asker() -> _Asker:
    """The peer."""
    return _Asker()


@pytest.fixture(scope="module")
def server(asker: _Asker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Our server, which knows where the peer listens."""
    with running(tmp_path_factory.mktemp("commit") / "data", ["--node", f"ASKER=127.0.0.1:{asker.port}"]) as server:
        yield server


@pytest.fixture(scope="module")
def stored(server: Server) -> list[str]:
    """Objects that the archive has."""
    uids = [new_uid() for _ in range(3)]
    with Peer.associated(server.port) as peer:
        for uid in uids:
            assert peer.store(uid, dataset(uid)) == 0
        peer.release()
    return uids


def test_what_is_kept_is_committed_to_on_the_association_that_asked(
    server: Server, stored: list[str], asker: _Asker
) -> None:
    asked = _request(*((CT, uid) for uid in stored))
    with asker.associated(server.port) as association:
        assert _ask(association, asked) == 0
        event, told = asker.told()
    assert (event, told.TransactionUID, told.RetrieveAETitle) == (1, asked.TransactionUID, "PACS_SCP")
    assert {item.ReferencedSOPInstanceUID for item in told.ReferencedSOPSequence} == set(stored)
