"""What is sent in another transfer syntax: which one is chosen, and objects that are made while others are sent."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path

import pytest

from archimage.buffers import BUFFER_BYTES, BufferPool
from archimage.dicom.codecs.syntaxes import (
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LS,
)
from archimage.errors import ArchimageError, CancelledError, InvalidPixelDataError, StorageError
from archimage.model.records import StoredInstance
from archimage.net.proposals import for_sending
from archimage.net.reading import ComingSource, Readable, ReadAhead, Source
from archimage.net.scp.outgoing import plan
from archimage.protocol.negotiation import ContextResult, NegotiatedContext
from archimage.storage.filesystem import FileReader
from tests.attacks.wire import CT

MR = "1.2.840.10008.5.1.4.1.1.4"
VIDEO = "1.2.840.10008.1.2.4.102"

pytestmark = pytest.mark.anyio


def instance(syntax: str, sop_class: str = CT) -> StoredInstance:
    """Return an instance kept in a transfer syntax."""
    return StoredInstance("1.2.3", sop_class, syntax, "x", 1, 0, b"")


def context(syntax: str, sop_class: str = CT, *, accepted: bool = True, as_scu: bool = True) -> NegotiatedContext:
    """Return what became of a proposed context."""
    result = ContextResult.ACCEPTANCE if accepted else ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
    return NegotiatedContext(1, sop_class, syntax, result, as_scu=as_scu, as_scp=False)


@pytest.mark.parametrize(
    ("stored", "accepted", "sent"),
    [
        (JPEG_LS, [EXPLICIT_LITTLE_ENDIAN, JPEG_LS], JPEG_LS),
        (JPEG_LS, [IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN], EXPLICIT_LITTLE_ENDIAN),
        (JPEG_LS, [JPEG_2000_LOSSLESS], JPEG_2000_LOSSLESS),
        (EXPLICIT_LITTLE_ENDIAN, [IMPLICIT_LITTLE_ENDIAN], IMPLICIT_LITTLE_ENDIAN),
        (EXPLICIT_LITTLE_ENDIAN, [JPEG_BASELINE], None),
        (VIDEO, [EXPLICIT_LITTLE_ENDIAN], None),
        (JPEG_LS, [], None),
    ],
)
async def test_what_is_stored_goes_first_and_nothing_is_ever_lost(
    stored: str, accepted: list[str], sent: str | None
) -> None:
    (planned,) = plan([instance(stored)], map(context, accepted))
    assert planned.transfer_syntax_uid == sent
    assert planned.is_made is (sent not in {None, stored})


async def test_only_accepted_contexts_of_the_same_class_and_of_our_role_count() -> None:
    contexts = [
        context(JPEG_LS, accepted=False),
        context(JPEG_LS, as_scu=False),
        context(JPEG_LS, MR),
        context(IMPLICIT_LITTLE_ENDIAN),
    ]
    (planned,) = plan([instance(JPEG_LS)], contexts)
    assert planned.transfer_syntax_uid == IMPLICIT_LITTLE_ENDIAN


async def test_every_class_is_proposed_uncompressed_besides_as_it_is_stored() -> None:
    both, implicit = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN), (IMPLICIT_LITTLE_ENDIAN,)
    pairs = [(CT, JPEG_LS), (MR, EXPLICIT_LITTLE_ENDIAN), (CT, JPEG_BASELINE), (CT, JPEG_LS)]
    proposed = [(one.abstract_syntax, one.transfer_syntaxes) for one in for_sending(pairs)]
    own = [(CT, (JPEG_LS,)), (MR, (EXPLICIT_LITTLE_ENDIAN,)), (CT, (JPEG_BASELINE,))]
    assert proposed == [*own, (CT, both), (MR, implicit)]
    all_taken = for_sending([(CT, EXPLICIT_LITTLE_ENDIAN), (CT, IMPLICIT_LITTLE_ENDIAN)])
    assert [one.transfer_syntaxes for one in all_taken] == [(EXPLICIT_LITTLE_ENDIAN,), (IMPLICIT_LITTLE_ENDIAN,)]


class _Making:
    """Objects that are made when the test says so."""

    def __init__(self, directory: Path, executor: ThreadPoolExecutor) -> None:
        self.stopped = asyncio.Event()
        self.coming: list[Future[Source]] = [Future(), Future(), Future()]
        self._directory = directory
        self._executor = executor

    def open(self, item: int) -> Readable:
        """Promise an object."""
        return ComingSource(self.coming[item], self.stopped)

    def source(self, number: int, size: int = 10) -> tuple[FileReader, Source]:
        """Make an object; return its file, too, to see what becomes of it."""
        path = self._directory / str(number)
        path.write_bytes(bytes([number]) * size)
        reader = FileReader(path)
        return reader, Source(reader, 0, self._executor, BufferPool())

    def sources(self, count: int) -> AsyncGenerator[tuple[int, Readable | ArchimageError], None]:
        """Read count objects ahead, two at a time."""
        return ReadAhead(self.open, self._executor, 2).sources(range(count))


@pytest.fixture
def executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


def is_closed(reader: FileReader) -> bool:
    """Tell whether a file has been let go of."""
    try:
        reader.read(0, 1)
    except OSError:
        return True
    return False


async def whole(source: Readable | ArchimageError) -> bytes:
    """Read all pieces."""
    assert not isinstance(source, ArchimageError)
    pieces = source.pieces
    return bytes(pieces) if isinstance(pieces, memoryview) else b"".join([bytes(piece) async for piece in pieces])


@pytest.mark.parametrize("size", [10, BUFFER_BYTES, 2 * BUFFER_BYTES + 1])
async def test_objects_come_in_their_order_whichever_is_made_first(
    tmp_path: Path, executor: ThreadPoolExecutor, size: int
) -> None:
    making = _Making(tmp_path, executor)
    async with aclosing(making.sources(2)) as sources:
        first = asyncio.ensure_future(anext(sources))
        made = [making.source(number, size) for number in (0, 1)]
        making.coming[1].set_result(made[1][1])
        making.coming[0].set_result(made[0][1])
        assert await whole((await first)[1]) == bytes(size)
        assert await whole((await anext(sources))[1]) == b"\1" * size
        with pytest.raises(StopAsyncIteration):
            await anext(sources)
    assert all(is_closed(reader) for reader, _ in made)


async def test_one_that_cannot_be_made_fails_alone(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    making = _Making(tmp_path, executor)
    async with aclosing(making.sources(3)) as sources:
        first = asyncio.ensure_future(anext(sources))
        making.coming[0].set_exception(InvalidPixelDataError("no codestream"))
        making.coming[1].set_exception(OSError("bad disk"))
        assert isinstance((await first)[1], InvalidPixelDataError)
        assert isinstance((await anext(sources))[1], StorageError)
        last = asyncio.ensure_future(anext(sources))
        making.coming[2].set_result(making.source(2)[1])
        assert await whole((await last)[1]) == b"\2" * 10


async def test_cancelling_does_not_wait_for_what_is_being_made(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    making = _Making(tmp_path, executor)
    async with aclosing(making.sources(2)) as sources:
        first = asyncio.ensure_future(anext(sources))
        assert making.coming[0].set_running_or_notify_cancel()
        making.stopped.set()
        async with asyncio.timeout(5):
            assert isinstance((await first)[1], CancelledError)
    assert making.coming[1].cancelled()
    reader, source = making.source(0)
    making.coming[0].set_result(source)
    assert is_closed(reader)
