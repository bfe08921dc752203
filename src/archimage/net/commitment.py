"""Storage commitment as the requestor: asking nodes, and telling results to those that asked.

Ref: PS3.4 §J.3; PS3.7 §D.3.3.4 (who tells a result is the SCP, also where it requests the association).
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from archimage.errors import (
    ArchimageError,
    AssociationError,
    OperationFailedError,
    PeerFailedError,
    RefusedOperationError,
)
from archimage.model.commitments import Outcome, Reference, Result
from archimage.model.nodes import Node
from archimage.net.calls import NodeCalls, Work, check
from archimage.net.client import ClientAssociation
from archimage.net.statuses import status_of
from archimage.ports.commitment import Waiting
from archimage.protocol.command import Command, CommandField, n_action_rq, n_event_report_rq
from archimage.protocol.items import RoleSelection
from archimage.protocol.status import Status
from archimage.protocol.uids import IMPLICIT_VR_LITTLE_ENDIAN, STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE
from archimage.services import datasets
from archimage.services.commitment_messages import REQUEST, parse_result, request, result

_AS_SCP: Final = (RoleSelection(STORAGE_COMMITMENT_PUSH, scu_role=False, scp_role=True),)
# What every peer must take. CTN accepts explicit VR too, and then reads it as implicit: it hears no result at all.
_SYNTAXES: Final = (IMPLICIT_VR_LITTLE_ENDIAN,)
_GRACE_S: Final = 60.0


class CommitmentCalls:
    """Implements `ports.commitment.CommitmentPeers`."""

    def __init__(self, calls: NodeCalls) -> None:
        self._calls = calls

    def report(self, node: Node, transaction_uid: str, references: Sequence[Reference], outcome: Outcome) -> None:
        """Tell a node a result, on an association of ours."""
        event_type, model = result(transaction_uid, references, outcome)

        async def work(association: ClientAssociation) -> None:
            syntax = association.context(STORAGE_COMMITMENT_PUSH).transfer_syntax
            encoded = datasets.encode(model, syntax)
            make = partial(event, event_type)
            check(node, await association.request(STORAGE_COMMITMENT_PUSH, make, encoded), "the result of a commitment")

        self._run(node, work, _AS_SCP)

    def ask(self, node: Node, transaction_uid: str, references: Sequence[Reference], waiting: Waiting) -> None:
        """Ask a node for commitment, and wait a while for what it tells on the same association."""
        model = request(transaction_uid, references)

        async def work(association: ClientAssociation) -> None:
            syntax = association.context(STORAGE_COMMITMENT_PUSH).transfer_syntax
            encoded = datasets.encode(model, syntax)
            check(node, await association.request(STORAGE_COMMITMENT_PUSH, _action, encoded), "storage commitment")
            await _listen(association, waiting)

        self._run(node, work)

    def _run(self, node: Node, work: Work[None], roles: Sequence[RoleSelection] = ()) -> None:
        """Call a node; a refusal is told apart from what may work later."""
        try:
            self._calls.run(node, (STORAGE_COMMITMENT_PUSH,), work, roles, syntaxes=_SYNTAXES)
        except PeerFailedError as error:
            if isinstance(error.__cause__, OperationFailedError):
                raise error.__cause__ from None
            raise


async def _listen(association: ClientAssociation, waiting: Waiting) -> None:
    """Hear the result that the node reports on this association; it may also come on one of its own, later."""
    try:
        async with asyncio.timeout(waiting.wait_s):
            message = await association.requested(waiting.wait_s + _GRACE_S)
    except (TimeoutError, AssociationError):
        return
    try:
        syntax = association.context(STORAGE_COMMITMENT_PUSH).transfer_syntax
        result = await asyncio.to_thread(read_result, message.command, message.dataset or b"", syntax)
        await asyncio.to_thread(waiting.hear, result)
    except ArchimageError as error:
        await association.respond(message, status_of(error, message.command.field))
    else:
        await association.respond(message)


def read_result(command: Command, dataset: bytes, transfer_syntax_uid: str) -> Result:
    """Read an N-EVENT-REPORT request.

    Raises:
        RefusedOperationError: it is none of storage commitment, or something is missing.
        InvalidDatasetError: it cannot be parsed.
    """
    if command.field != CommandField.N_EVENT_REPORT_RQ:
        raise RefusedOperationError("only results are heard here", status=Status.UNRECOGNISED_OPERATION)
    if command.affected_sop_instance_uid != STORAGE_COMMITMENT_PUSH_INSTANCE:
        raise RefusedOperationError("there is no such instance", status=Status.NO_SUCH_SOP_INSTANCE)
    return parse_result(command.event_type_id or 0, datasets.decode(dataset, transfer_syntax_uid))


def _action(message_id: int) -> Command:
    return n_action_rq(message_id, STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE, REQUEST)


def event(event_type: int, message_id: int) -> Command:
    """Return the request that tells a result."""
    return n_event_report_rq(message_id, STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE, event_type)
