"""Storage SCP: C-STORE into the archive, stored as received in every transfer syntax (PS3.4 Annex B)."""

import asyncio
import threading
from typing import Final

from archimage.errors import ArchimageError, IdentityMismatchError
from archimage.net.dispatch import Incoming, Operation, Refused, Response, ServiceClass, refusal
from archimage.protocol.command import CommandField
from archimage.protocol.negotiation import ANY, SupportedContext
from archimage.protocol.status import Status
from archimage.protocol.uids import NON_PATIENT_STORAGE_SOP_CLASSES, STORAGE_SOP_CLASSES
from archimage.services.intake import Outcome
from archimage.services.store import Expected, Receiving, StoreService
from archimage.threads import WorkerThreads

_WORTH_A_THREAD_BYTES: Final = 64 << 10
_SOP_CLASSES: Final = (*STORAGE_SOP_CLASSES, *NON_PATIENT_STORAGE_SOP_CLASSES)


def service(store: StoreService, threads: WorkerThreads, *, unknown_sop_classes: bool) -> ServiceClass:
    """Accept every storage SOP class, and by setting any other; we may send them too, for C-GET."""
    return ServiceClass(
        contexts=tuple(SupportedContext(uid, ANY, scu_role=True) for uid in _SOP_CLASSES),
        stream_handlers={CommandField.C_STORE_RQ: lambda incoming: _begin(store, threads, incoming)},
        fallback=SupportedContext("", ANY, scu_role=True) if unknown_sop_classes else None,
    )


def _begin(store: StoreService, threads: WorkerThreads, incoming: Incoming) -> Operation:
    command = incoming.command
    try:
        if command.affected_sop_class_uid != incoming.context.abstract_syntax:
            raise IdentityMismatchError("the SOP class is not that of the presentation context")
        expected = Expected(
            transfer_syntax_uid=incoming.context.transfer_syntax,
            sop_class_uid=command.affected_sop_class_uid,
            sop_instance_uid=command.affected_sop_instance_uid or "",
            source_ae_title=incoming.calling_ae_title,
            association_id=incoming.association_id,
            called_ae_title=incoming.called_ae_title,
        )
        return _Store(store.begin(expected), threads, incoming)
    except ArchimageError as error:
        return Refused(incoming.reply, refusal(error, CommandField.C_STORE_RQ))


class _Store:
    """One C-STORE: pieces go to a worker thread, one batch at a time; the answer comes from the intake.

    A small object goes to the intake from here: nothing of that blocks.
    """

    def __init__(self, reception: Receiving, threads: WorkerThreads, incoming: Incoming) -> None:
        self._reception = reception
        self._threads = threads
        self._incoming = incoming
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes | memoryview] = []
        self._size_bytes = 0
        self._last = False
        self._taking = threading.Lock()
        self._over = False
        self._abandoned = False

    def add(self, data: memoryview, *, last: bool) -> None:
        """Hold a piece until `settle`."""
        self._pieces.append(data)
        self._size_bytes += len(data)
        self._last = last

    async def settle(self) -> None:
        """Write what is held; little, with more to come, is copied instead: a thread's turn costs more."""
        if not self._last and self._size_bytes < _WORTH_A_THREAD_BYTES:
            self._pieces = [b"".join(self._pieces)]
            return
        if self._last and self._reception.is_quick(self._size_bytes):
            self._take(self._pieces)
            return
        pieces, self._pieces, self._size_bytes = self._pieces, [], 0
        await self._threads.run(self._take, pieces)

    def abandon(self) -> None:
        """Drop what was written, unless the intake has it; a thread that is at it does so when it is done."""
        self._abandoned = True
        if self._taking.acquire(blocking=False):
            try:
                if not self._over:
                    self._reception.discard()
                    self._over = True
            finally:
                self._taking.release()

    def _take(self, pieces: list[bytes | memoryview]) -> None:
        with self._taking:
            if self._over:
                return
            if self._last:
                self._over = True
                self._reception.finish(pieces, self._done)
            else:
                self._reception.write(pieces)
        if self._abandoned:
            self.abandon()

    def _done(self, result: Outcome | ArchimageError) -> None:
        self._loop.call_soon_threadsafe(self._answer, result)

    def _answer(self, result: Outcome | ArchimageError) -> None:
        if isinstance(result, ArchimageError):
            self._incoming.reply(refusal(result, CommandField.C_STORE_RQ))
        else:
            self._incoming.committed(result.timing)
            self._incoming.reply(Response(Status.SUCCESS))
