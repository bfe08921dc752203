"""Calls of the department's services to other nodes: an association for each, on a loop in a thread of its own."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from archimage.errors import AssociationError, OperationFailedError, PeerFailedError
from archimage.model.nodes import Node
from archimage.net import reasons
from archimage.net.client import ClientAssociation, ClientSettings, connect
from archimage.net.conversation import Message
from archimage.net.looping import LoopThread
from archimage.net.remote import TlsContext, remote
from archimage.protocol.items import RoleSelection
from archimage.protocol.negotiation import PresentationContext
from archimage.protocol.status import describe, is_failure
from archimage.services.datasets import SYNTAXES

Result = TypeVar("Result")
Work = Callable[[ClientAssociation], Awaitable[Result]]


class NodeCalls:
    """Calls nodes under our AE title; `run` blocks, and may be called from any thread. `close` it."""

    def __init__(
        self, calling_ae_title: str, loop: LoopThread, tls: TlsContext, settings: ClientSettings | None = None
    ) -> None:
        self._calling = calling_ae_title
        self._loop = loop
        self._tls = tls
        self._settings = settings

    def run(
        self,
        node: Node,
        abstract_syntaxes: Sequence[str],
        work: Work[Result],
        roles: Sequence[RoleSelection] = (),
        *,
        syntaxes: tuple[str, ...] = SYNTAXES,
    ) -> Result:
        """Do work on an association for these SOP classes, and release it; syntaxes are those that it proposes.

        Raises:
            PeerFailedError: it did not work; the message names the node, what failed, and the next step.
            CancelledError: `close` was called.
        """
        contexts = [PresentationContext(2 * number + 1, uid, syntaxes) for number, uid in enumerate(abstract_syntaxes)]
        try:
            return self._loop.run(self._run(node, contexts, work, roles))
        except PeerFailedError:
            raise
        except AssociationError as error:
            raise PeerFailedError(str(error), next_step=error.next_step) from error

    async def _run(
        self, node: Node, contexts: Sequence[PresentationContext], work: Work[Result], roles: Sequence[RoleSelection]
    ) -> Result:
        called = remote(node, self._tls)
        association = await connect(
            called, calling_ae_title=self._calling, contexts=contexts, roles=roles, settings=self._settings
        )
        async with association:
            return await work(association)

    def close(self) -> None:
        """End everything that is being done."""
        self._loop.close()


def check(node: Node, response: Message, what: str) -> Message:
    """Return the response of a normalized service; OperationFailedError, which tells what failed, if it failed."""
    command = response.command
    status = command.status or 0
    if is_failure(status):
        comment = f" ({command.error_comment})" if command.error_comment else ""
        message = f"{node.ae_title} refuses {what}: {describe(status)}, status {status:#06x}{comment}"
        raise OperationFailedError(message, status=status, next_step=reasons.status(status)[1])
    return response
