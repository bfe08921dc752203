"""A DICOM server on a loop in a thread of its own, so that a test may talk to it with blocking sockets."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psutil
import uvloop

from archimage.net.admission import AdmissionPolicy
from archimage.net.associations import AssociationTable
from archimage.net.dispatch import Registry, ServiceClass
from archimage.net.scp import verification
from archimage.net.server import DicomServer, bind
from archimage.protocol.association import AssociationSettings
from tests.attacks.server import wait_until
from tests.attacks.wire import Peer

SETTINGS = AssociationSettings("PACS_SCP", max_operations_performed=8)
POLICY = AdmissionPolicy(frozenset({"PACS_SCP"}))
_CALL_WITHIN_S = 30.0
Returned = TypeVar("Returned")


class Background:
    """The server, its loop, and what it holds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.port = 0
        self.server: DicomServer | None = None

    def call(self, function: Callable[[], Awaitable[Returned]]) -> Returned:
        """Run a coroutine on the server's loop and return what it returns."""

        async def run() -> Returned:
            return await function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(_CALL_WITHIN_S)

    def holds(self) -> tuple[int, int]:
        """Count the loop's tasks and the process's descriptors."""

        async def count() -> int:
            return len(asyncio.all_tasks()) - 1

        return self.call(count), psutil.Process().num_fds()

    def check_echo(self) -> None:
        """Assert that a new association works."""
        with Peer.associated(self.port) as peer:
            assert peer.echo() == 0
            peer.release()

    def check_nothing_is_left(self, before: tuple[int, int]) -> None:
        """Assert that the server answers and holds no more than before."""
        self.check_echo()
        assert wait_until(lambda: self.holds() <= before, 20.0), (before, self.holds())


@contextmanager
def listening(
    *services: ServiceClass,
    settings: AssociationSettings = SETTINGS,
    policy: AdmissionPolicy = POLICY,
    table: AssociationTable | None = None,
) -> Iterator[Background]:
    """Serve Verification and these services."""
    background = Background(uvloop.new_event_loop())
    thread = threading.Thread(target=background.loop.run_forever, name="server")
    thread.start()
    server = DicomServer(settings, Registry(verification.service(), *services), policy, table)
    listener = bind("127.0.0.1", 0, shared=False)
    background.port = listener.getsockname()[1]
    background.server = server
    try:
        background.call(lambda: server.listen(listener))
        yield background
    finally:
        background.call(server.close)
        background.loop.call_soon_threadsafe(background.loop.stop)
        thread.join()
        background.loop.close()
