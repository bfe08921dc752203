"""The client for code without an event loop: the same operations, each waited for.

with Client("MODALITY") as client, client.connect(node, contexts) as association:
    association.echo()
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from archimage.net.client import ClientAssociation, ClientSettings, OutgoingInstance, connect
from archimage.net.conversation import RemoteNode
from archimage.net.operations import OnInstance, SubOperationProgress
from archimage.protocol.items import RoleSelection
from archimage.protocol.negotiation import PresentationContext

_T = TypeVar("_T")


class Client:
    """Owns a thread with an event loop; may be used from several threads."""

    def __init__(self, calling_ae_title: str, settings: ClientSettings | None = None) -> None:
        self._calling_ae_title = calling_ae_title
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="dicom-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def connect(
        self, node: RemoteNode, contexts: Sequence[PresentationContext], roles: Sequence[RoleSelection] = ()
    ) -> "BlockingAssociation":
        """Open an association; raises what `client.connect` raises."""
        association = self.wait(
            connect(
                node,
                calling_ae_title=self._calling_ae_title,
                contexts=contexts,
                roles=roles,
                settings=self._settings,
            )
        )
        return BlockingAssociation(self, association)

    def wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run work on the client's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """End the thread; associations still open are cut off."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class BlockingAssociation:
    """`ClientAssociation`, waiting for each answer; iterators closed early cancel their operation."""

    def __init__(self, client: Client, association: ClientAssociation) -> None:
        self._client = client
        self._association = association

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()

    def transfer_syntax(self, sop_class_uid: str) -> str:
        """Return the transfer syntax of the accepted context for a SOP class, in which identifiers have to be.

        Raises:
            ContextNotAcceptedError: there is none.
        """
        return self._association.context(sop_class_uid).transfer_syntax

    def echo(self) -> int:
        """See `ClientAssociation.echo`."""
        return self._client.wait(self._association.echo())

    def store(self, instance: OutgoingInstance) -> int:
        """See `ClientAssociation.store`."""
        return self._client.wait(self._association.store(instance))

    def find(self, sop_class_uid: str, identifier: bytes) -> Iterator[bytes]:
        """See `ClientAssociation.find`."""
        return self._each(self._association.find(sop_class_uid, identifier))

    def move(self, sop_class_uid: str, identifier: bytes, destination: str) -> Iterator[SubOperationProgress]:
        """See `ClientAssociation.move`."""
        return self._each(self._association.move(sop_class_uid, identifier, destination))

    def get(self, sop_class_uid: str, identifier: bytes, on_instance: OnInstance) -> Iterator[SubOperationProgress]:
        """See `ClientAssociation.get`."""
        return self._each(self._association.get(sop_class_uid, identifier, on_instance))

    def release(self) -> None:
        """End in order."""
        self._client.wait(self._association.release())

    def abort(self) -> None:
        """End at once."""
        self._client.wait(self._association.abort())

    def _each(self, found: AsyncGenerator[_T, None]) -> Iterator[_T]:
        async def step() -> _T | None:
            return await anext(found, None)

        try:
            while (item := self._client.wait(step())) is not None:
                yield item
        finally:
            self._client.wait(found.aclose())
