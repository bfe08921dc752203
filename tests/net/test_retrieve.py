"""C-GET and C-MOVE from an archive of invented objects: counts, failures, cancelling."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from archimage.buffers import BUFFER_BYTES
from archimage.dicom.encode import encode_elements
from archimage.errors import OutOfResourcesError
from archimage.index.nodes import NodeTable
from archimage.index.sqlite import SqliteIndex
from archimage.model.nodes import Node
from archimage.net.admission import AdmissionPolicy
from archimage.net.client import ClientAssociation, connect
from archimage.net.conversation import RemoteNode
from archimage.net.dispatch import Registry, ServiceClass
from archimage.net.operations import IncomingInstance, SubOperationProgress
from archimage.net.proposals import as_receiver, for_storage, propose
from archimage.net.scp import retrieve
from archimage.net.server import DicomServer, bind
from archimage.protocol.association import AssociationSettings
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, STUDY_ROOT_GET, STUDY_ROOT_MOVE
from archimage.services.nodes import NodeService
from archimage.services.retrieve import RetrieveService
from archimage.services.visible import VisibleIndex
from archimage.storage.filesystem import FilesystemBlobStore
from tests.services.archive import COUNT, records

pytestmark = pytest.mark.anyio

CT: Final = "1.2.840.10008.5.1.4.1.1.2"
HEADER_BYTES: Final = 10
SIZES: Final = (0, 2, 1000, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 2, 3 * BUFFER_BYTES + 4)
ALL: Final = "1.0\\1.1\\1.2\\1.3"


def _data(number: int) -> bytes:
    size = SIZES[number % len(SIZES)] & ~1
    return bytes([number]) * size


@dataclass
class _Sink:
    """Keeps what comes; refuses the objects of `refused`."""

    refused: frozenset[str] = frozenset()
    datasets: dict[str, bytes] = field(default_factory=dict)
    name: str = ""
    parts: list[bytes] = field(default_factory=list)

    def open(self, incoming: IncomingInstance) -> "_Sink":
        self.name, self.parts = incoming.sop_instance_uid, []
        return self

    def write(self, pieces: Sequence[memoryview]) -> None:
        if self.name in self.refused:
            raise OutOfResourcesError("no room")
        self.parts += map(bytes, pieces)

    def finish(self) -> int:
        self.datasets[self.name] = b"".join(self.parts)
        return 0

    def discard(self) -> None:
        self.parts = []


@asynccontextmanager
async def _archive(directory: Path, *, lost: int | None = None) -> AsyncGenerator[RemoteNode, None]:
    """Serve the invented objects; the file of the lost one is not there."""
    index = SqliteIndex(directory / "index.db", durable=False)
    index.add(list(records()))
    blobs = FilesystemBlobStore(directory, "lane")
    for number in set(range(COUNT)) - {lost}:
        blobs.put(f"{number}.dcm", bytes(HEADER_BYTES) + _data(number))
    executor = ThreadPoolExecutor(2)
    nodes = NodeService([Node("DEST", "127.0.0.1", 1)], NodeTable(index))
    destinations = retrieve.Destinations(nodes, "SERVER")
    storage = ServiceClass((SupportedContext(CT, (EXPLICIT_VR_LITTLE_ENDIAN,), scu_role=True),))
    registry = Registry(storage, retrieve.service(RetrieveService(VisibleIndex(index), blobs), destinations, executor))
    server = DicomServer(AssociationSettings("SERVER"), registry, AdmissionPolicy(frozenset({"SERVER"})))
    listener = bind("127.0.0.1", 0, shared=False)
    await server.listen(listener)
    try:
        yield RemoteNode("SERVER", *listener.getsockname())
    finally:
        await server.close()
        executor.shutdown()
        blobs.close()
        index.close()


def _identifier(studies: str) -> bytes:
    elements = [(0x00080052, "CS", b"STUDY"), (0x0020000D, "UI", studies.encode())]
    return encode_elements(elements, EXPLICIT_VR_LITTLE_ENDIAN)


async def _associate(node: RemoteNode, *storage: str) -> ClientAssociation:
    classes = for_storage((uid, EXPLICIT_VR_LITTLE_ENDIAN) for uid in storage)
    pairs = [(uid, (EXPLICIT_VR_LITTLE_ENDIAN,)) for uid in (STUDY_ROOT_GET, STUDY_ROOT_MOVE, *storage)]
    return await connect(node, calling_ae_title="CLIENT", contexts=propose(pairs), roles=as_receiver(classes))


async def _get(association: ClientAssociation, studies: str, sink: _Sink) -> list[SubOperationProgress]:
    return [p async for p in association.get(STUDY_ROOT_GET, _identifier(studies), sink.open)]


async def test_get_brings_objects_of_every_size_whole_and_in_order(tmp_path: Path) -> None:
    sink = _Sink()
    async with _archive(tmp_path) as node, await _associate(node, CT) as association:
        *pending, final = await _get(association, ALL, sink)
    uids = [record.sop_instance_uid for record in records()]
    assert sink.datasets == {uid: _data(number) for number, uid in enumerate(uids)}
    assert [(p.remaining, p.completed) for p in pending] == [(COUNT - n, n) for n in range(1, COUNT + 1)]
    assert (final.status, final.completed, final.failed, final.warning) == (0, COUNT, 0, 0)


async def test_get_of_nothing_succeeds_with_zero_counts(tmp_path: Path) -> None:
    async with _archive(tmp_path) as node, await _associate(node, CT) as association:
        (final,) = await _get(association, "1.99", _Sink())
    assert (final.status, final.completed, final.failed) == (0, 0, 0)


async def test_get_without_a_key_is_refused(tmp_path: Path) -> None:
    async with _archive(tmp_path) as node, await _associate(node, CT) as association:
        (final,) = await _get(association, "", _Sink())
    assert final.status == 0xA900
    assert "StudyInstanceUID" in final.error_comment


async def test_what_cannot_be_read_or_is_refused_fails_alone_and_is_listed(tmp_path: Path) -> None:
    sink = _Sink(refused=frozenset({"1.0.1.1"}))
    async with _archive(tmp_path, lost=0) as node, await _associate(node, CT) as association:
        final = (await _get(association, "1.0", sink))[-1]
    assert (final.status, final.completed, final.failed) == (0xB000, 1, 2)
    assert final.identifier == encode_elements([(0x00080058, "UI", b"1.0.1.0\\1.0.1.1")], EXPLICIT_VR_LITTLE_ENDIAN)


async def test_get_over_an_association_that_takes_none_of_it_fails_whole(tmp_path: Path) -> None:
    async with _archive(tmp_path) as node, await _associate(node) as association:
        final = (await _get(association, "1.0", _Sink()))[-1]
    assert (final.status, final.completed, final.failed) == (0xA702, 0, 3)


async def test_get_is_cancelled_within_a_second_and_the_association_goes_on(tmp_path: Path) -> None:
    sink = _Sink()
    async with _archive(tmp_path) as node, await _associate(node, CT) as association:
        got = association.get(STUDY_ROOT_GET, _identifier(ALL), sink.open)
        await anext(got)
        async with asyncio.timeout(1):
            await got.aclose()
        assert (await _get(association, "1.0", sink))[-1].completed == 3


async def test_move_to_a_destination_that_is_off_fails_whole(tmp_path: Path) -> None:
    async with _archive(tmp_path) as node, await _associate(node) as association:
        (final,) = [p async for p in association.move(STUDY_ROOT_MOVE, _identifier("1.0"), "DEST")]
    assert (final.status, final.completed, final.failed) == (0xA702, 0, 3)
    assert "DEST at 127.0.0.1:1" in final.error_comment


async def test_a_node_that_another_process_adds_is_a_destination_at_once(tmp_path: Path) -> None:
    async with _archive(tmp_path) as node, await _associate(node) as association:
        before = [p async for p in association.move(STUDY_ROOT_MOVE, _identifier("1.0"), "LATER")]
        other = SqliteIndex(tmp_path / "index.db", durable=False)
        NodeService([], NodeTable(other)).add(Node("LATER", "127.0.0.1", 1))
        other.close()
        after = [p async for p in association.move(STUDY_ROOT_MOVE, _identifier("1.0"), "LATER")]
    assert [p.status for p in before] == [0xA801]
    assert "LATER at 127.0.0.1:1" in after[-1].error_comment


async def test_move_to_a_stranger_is_refused(tmp_path: Path) -> None:
    async with _archive(tmp_path) as node, await _associate(node) as association:
        (final,) = [p async for p in association.move(STUDY_ROOT_MOVE, _identifier("1.0"), "STRANGER")]
    assert final.status == 0xA801
