"""Sending many files to one peer over several associations, each file's fate counted."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from archimage.cli import peer
from archimage.errors import ArchimageError, AssociationError, ContextNotAcceptedError
from archimage.net import reasons
from archimage.net.client import ClientAssociation, OutgoingInstance
from archimage.net.conversation import Pieces, RemoteNode
from archimage.net.proposals import MAX_CONTEXTS, for_sending
from archimage.protocol.status import Service, is_failure, is_warning
from archimage.services.sources import HEAD_BYTES, Identity, Source, identify, read_pieces

if TYPE_CHECKING:
    from archimage.cli.transcoding import FileTranscoder
    from archimage.services.transcoding import Transcoded

_WHOLE_BYTES: Final = 32 << 20  # larger files are streamed
_PIECE_BYTES: Final = 1 << 20
_BATCH_PAIRS: Final = MAX_CONTEXTS // 2  # each is proposed as it is, and uncompressed
_LOSSES: Final = 3  # associations lost one after the other before a job gives up


@dataclass(frozen=True, slots=True)
class Planned:
    """A file to send, and what it holds."""

    source: Source
    identity: Identity

    @property
    def pair(self) -> tuple[str, str]:
        """What the presentation context for it must be."""
        return self.identity.sop_class_uid, self.identity.transfer_syntax_uid


@dataclass(slots=True)
class Sent:
    """The sum so far; warnings are stored too. error is what ended an association, if one was."""

    stored: int = 0
    warnings: int = 0
    refused: int = 0
    failed: int = 0
    skipped: int = 0
    size_bytes: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    error: AssociationError | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def files(self) -> int:
        """How many files of the plan have met their fate."""
        return self.stored + self.refused + self.failed

    @property
    def elapsed_s(self) -> float:
        """Seconds since the sending began."""
        return time.monotonic() - self.started

    def refuse(self, name: str, fate: Literal["refused", "failed"], reason: str) -> None:
        """Count a file that the peer does not keep now."""
        setattr(self, fate, getattr(self, fate) + 1)
        self.problems.append((name, reason))


def plan(found: Iterable[Source], sent: Sent) -> list[Planned]:
    """Look into every file; count in sent what is no DICOM object or cannot be read."""
    planned = []
    for source in found:
        try:
            with source.open() as file:
                identity = identify(next(read_pieces(file, HEAD_BYTES), b""))
        except (ArchimageError, OSError) as error:
            sent.refuse(source.name, "failed", str(error))
            continue
        if identity is None:
            sent.skipped += 1
        else:
            planned.append(Planned(source, identity))
    return planned


class Sender:
    """Sends to one peer; tell hears of every file. What the peer does not take as it is, is transcoded if it can be."""

    def __init__(self, node: RemoteNode, calling: str, sent: Sent, tell: Callable[[], None]) -> None:
        self._node = node
        self._calling = calling
        self._sent = sent
        self._tell = tell
        self._waiting: dict[int, Planned] = {}
        self._transcoder: FileTranscoder | None = None
        self._held = ExitStack()

    async def send(self, planned: Sequence[Planned], jobs: int) -> None:
        """Send planned over jobs associations; what could not be sent is counted as failed."""
        with self._held:
            await self._send(planned, jobs)

    async def _send(self, planned: Sequence[Planned], jobs: int) -> None:
        for batch in _batches(planned):
            self._waiting = dict(enumerate(batch))
            queue: asyncio.Queue[tuple[int, Pieces] | None] = asyncio.Queue(2 * jobs)
            reader = asyncio.create_task(self._read(batch, queue, jobs))
            try:
                await asyncio.gather(*(self._work(batch, queue) for _ in range(min(jobs, len(batch)))))
            finally:
                reader.cancel()
            for item in self._waiting.values():
                self._sent.refuse(item.source.name, "failed", f"not sent: {self._sent.error}")

    async def _read(
        self, batch: Sequence[Planned], queue: "asyncio.Queue[tuple[int, Pieces] | None]", jobs: int
    ) -> None:
        """Read files ahead of the associations."""
        for number, item in enumerate(batch):
            try:
                await queue.put((number, await asyncio.to_thread(_load, item)))
            except (ArchimageError, OSError) as error:
                self._count(number, "failed", str(error))
        for _ in range(jobs):
            await queue.put(None)

    async def _work(self, batch: Sequence[Planned], queue: "asyncio.Queue[tuple[int, Pieces] | None]") -> None:
        """Send what comes out of queue; after a lost association try another, unless none can be made."""
        contexts = for_sending(item.pair for item in batch)
        for _ in range(_LOSSES):
            try:
                association = await peer.associate(self._node, self._calling, contexts)
            except AssociationError as error:
                self._sent.error = error
                return
            try:
                async with association:
                    while (loaded := await queue.get()) is not None:
                        await self._store(association, *loaded)
                    return
            except AssociationError as error:
                self._sent.error = error

    async def _store(self, association: ClientAssociation, number: int, pieces: Pieces) -> None:
        item = self._waiting[number]
        try:
            target = _target(association, item)
            if target == item.identity.transfer_syntax_uid:
                status = await association.store(_outgoing(item, target, pieces))
            else:
                status = await self._store_transcoded(association, item, target)
        except ContextNotAcceptedError as error:
            self._count(number, "refused", str(error))
        except AssociationError as error:
            self._count(number, "failed", str(error))
            raise
        except (ArchimageError, OSError) as error:
            self._count(number, "failed", f"the peer does not take it as it is, and it cannot be transcoded: {error}")
        else:
            self._answered(number, status)

    async def _store_transcoded(self, association: ClientAssociation, item: Planned, target: str) -> int:
        transcoder = self._opened_transcoder()
        made = await asyncio.to_thread(transcoder.transcode, item.source, item.identity, target)
        with made.file:
            return await association.store(_outgoing(item, target, _read(made)))

    def _opened_transcoder(self) -> "FileTranscoder":
        """Return what transcodes; most runs do without it, and without what it takes to be loaded."""
        from archimage.cli.transcoding import FileTranscoder
        from archimage.cli.workbench import Workbench

        if self._transcoder is None:
            self._transcoder = FileTranscoder(self._held.enter_context(Workbench(os.cpu_count() or 1)))
        return self._transcoder

    def _answered(self, number: int, status: int) -> None:
        if is_failure(status):
            self._count(number, "refused", f"the peer answers {reasons.status(status, Service.STORE).what}")
            return
        self._sent.stored += 1
        self._sent.warnings += is_warning(status)
        self._sent.size_bytes += self._waiting.pop(number).source.size_bytes
        self._tell()

    def _count(self, number: int, fate: Literal["refused", "failed"], reason: str) -> None:
        self._sent.refuse(self._waiting.pop(number).source.name, fate, reason)
        self._tell()


def _batches(planned: Sequence[Planned]) -> Iterator[list[Planned]]:
    """Split so that the contexts of a batch fit one association."""
    batch: list[Planned] = []
    pairs: set[tuple[str, str]] = set()
    for item in planned:
        if item.pair not in pairs and len(pairs) == _BATCH_PAIRS:
            yield batch
            batch, pairs = [], set()
        batch.append(item)
        pairs.add(item.pair)
    if batch:
        yield batch


def _target(association: ClientAssociation, item: Planned) -> str:
    """Return the transfer syntax to send a file in; its own where the peer takes that, or nothing better."""
    sop_class, stored = item.pair
    accepted = [c.transfer_syntax for c in association.contexts if c.accepted and c.abstract_syntax == sop_class]
    if stored in accepted or not accepted:
        return stored
    from archimage.services.transcoding import substitutes

    return next(iter(substitutes(stored, accepted)), stored)


def _outgoing(item: Planned, transfer_syntax_uid: str, pieces: Pieces) -> OutgoingInstance:
    identity = item.identity
    return OutgoingInstance(identity.sop_class_uid, identity.sop_instance_uid, transfer_syntax_uid, pieces)


async def _read(made: "Transcoded") -> AsyncIterator[bytes]:
    for offset in range(made.data_set_offset, made.file.size_bytes, _PIECE_BYTES):
        yield await asyncio.to_thread(made.file.read, offset, _PIECE_BYTES)


def _load(item: Planned) -> Pieces:
    if item.source.size_bytes > _WHOLE_BYTES:
        return _stream(item)
    with item.source.open() as file:
        return memoryview(b"".join(read_pieces(file, _WHOLE_BYTES)))[item.identity.data_set_offset :]


async def _stream(item: Planned) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(item.source.open) as file:
        await asyncio.to_thread(file.read, item.identity.data_set_offset)
        pieces = read_pieces(file, _PIECE_BYTES)
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece
