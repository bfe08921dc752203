"""Open associations kept for the next use, so that a small operation does not pay for a handshake."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from archimage.buffers import BufferPool
from archimage.net.client import ClientAssociation, ClientSettings, connect
from archimage.net.conversation import RemoteNode
from archimage.protocol.items import RoleSelection
from archimage.protocol.negotiation import PresentationContext

_Key = tuple[RemoteNode, tuple[PresentationContext, ...], tuple[RoleSelection, ...]]


class AssociationPool:
    """Lends associations, each to one borrower at a time; use it as an asynchronous context manager.

    idle_s is how long an unused one is kept, less than the peer's own patience; max_idle is how many are kept for
    each node and proposal.
    """

    def __init__(
        self,
        calling_ae_title: str,
        *,
        idle_s: float = 10.0,
        max_idle: int = 4,
        settings: ClientSettings | None = None,
    ) -> None:
        self._calling_ae_title = calling_ae_title
        self._idle_s = idle_s
        self._max_idle = max_idle
        self._settings = settings
        self._buffers = BufferPool()
        self._idle: defaultdict[_Key, list[ClientAssociation]] = defaultdict(list)
        self._timers: dict[ClientAssociation, asyncio.TimerHandle] = {}
        self._releases: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def borrow(
        self, node: RemoteNode, contexts: Sequence[PresentationContext], roles: Sequence[RoleSelection] = ()
    ) -> AsyncGenerator[ClientAssociation, None]:
        """Lend an association that proposed these contexts: an idle one, else a new one.

        Afterwards it is kept, unless the borrower failed: then it is aborted.

        Raises:
            AssociationError: a new one was needed and could not be made.
        """
        key = (node, tuple(contexts), tuple(roles))
        association = self._take(key) or await self._connect(key)
        try:
            yield association
        except BaseException:
            await association.abort()
            raise
        self._keep(key, association)

    async def close(self) -> None:
        """Release everything that is idle."""
        for key in list(self._idle):
            while association := self._take(key):
                self._release(association)
        if self._releases:
            await asyncio.wait(self._releases)

    async def _connect(self, key: _Key) -> ClientAssociation:
        node, contexts, roles = key
        return await connect(
            node,
            calling_ae_title=self._calling_ae_title,
            contexts=contexts,
            roles=roles,
            settings=self._settings,
            buffers=self._buffers,
        )

    def _take(self, key: _Key) -> ClientAssociation | None:
        """Return the idle association used last, past those that their peers have ended."""
        idle = self._idle.get(key, [])
        while idle:
            association = idle.pop()
            self._timers.pop(association).cancel()
            if association.usable:
                return association
            self._release(association)
        self._idle.pop(key, None)
        return None

    def _keep(self, key: _Key, association: ClientAssociation) -> None:
        idle = self._idle[key]
        if not association.usable or len(idle) >= self._max_idle:
            self._release(association)
            return
        idle.append(association)
        loop = asyncio.get_running_loop()
        self._timers[association] = loop.call_later(self._idle_s, self._expire, key, association)

    def _expire(self, key: _Key, association: ClientAssociation) -> None:
        self._idle[key].remove(association)
        del self._timers[association]
        self._release(association)

    def _release(self, association: ClientAssociation) -> None:
        task = asyncio.get_running_loop().create_task(association.release())
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)
