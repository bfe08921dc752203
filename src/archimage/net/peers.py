"""What remote nodes are asked for on somebody's behalf: to answer, to tell what they keep, to send it, to take ours.

Ref: PS3.4 §A.4 (Verification), §B (Storage), §C (Query/Retrieve).
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

from archimage.errors import (
    AssociationAbortedError,
    AssociationError,
    AssociationRejectedError,
    ContextNotAcceptedError,
    DicomError,
    OperationFailedError,
    PeerFailedError,
    TimerExpiredError,
)
from archimage.model.nodes import Node
from archimage.model.peers import Echo, Matches, Offer, Transfer, Wanted
from archimage.model.records import StoredInstance
from archimage.net import reasons
from archimage.net.arrivals import Arrivals
from archimage.net.client import ClientAssociation, ClientSettings, connect
from archimage.net.conversation import RemoteNode
from archimage.net.getting import kept_classes, storage_pairs
from archimage.net.looping import LoopThread
from archimage.net.operations import SubOperationProgress
from archimage.net.proposals import UNCOMPRESSED, as_receiver, for_services, propose
from archimage.net.remote import TlsContext, no_tls, remote
from archimage.net.sending import Errand, NodeSender
from archimage.ports.peer import Progress
from archimage.protocol import uids
from archimage.protocol.items import RoleSelection
from archimage.protocol.negotiation import NegotiatedContext, PresentationContext
from archimage.protocol.status import Service, is_failure
from archimage.services.keys import decode_keys, encode_keys
from archimage.services.retrieve import Tally
from archimage.services.store import StoreService

_ASKED: Final[Mapping[str, str]] = MappingProxyType(
    {
        uids.VERIFICATION: "Verification",
        uids.STUDY_ROOT_FIND: "Study Root Query/Retrieve - FIND",
        uids.STUDY_ROOT_MOVE: "Study Root Query/Retrieve - MOVE",
        uids.STUDY_ROOT_GET: "Study Root Query/Retrieve - GET",
        uids.PATIENT_ROOT_FIND: "Patient Root Query/Retrieve - FIND",
        uids.MODALITY_WORKLIST_FIND: "Modality Worklist - FIND",
        uids.STORAGE_COMMITMENT_PUSH: "Storage Commitment Push Model",
        **{
            uid: name
            for uid, name in uids.STORAGE_SOP_CLASSES.items()
            if name
            in {
                "CT Image Storage",
                "MR Image Storage",
                "Computed Radiography Image Storage",
                "Digital X-Ray Image Storage - For Presentation",
                "Ultrasound Image Storage",
                "Secondary Capture Image Storage",
            }
        },
    }
)
"""What a node is asked whether it offers it, beside the C-ECHO."""
ASK_TIMEOUT_S: Final = 60.0
_CANCEL_PATIENCE_S: Final = 2.0
_PERMANENT: Final = 1  # PS3.8 Table 9-21
MAX_ANSWER_BYTES: Final = 32 << 20
_PATIENT: Final = ClientSettings(dimse_timeout_s=600.0)  # a peer may look for long before it sends

Result = TypeVar("Result")


class NodePeers:
    """Implements `ports.peer.Peers`; works on a loop of its own. `close` it."""

    def __init__(
        self,
        calling_ae_title: str,
        store: StoreService,
        sender: NodeSender,
        loop: LoopThread,
        settings: ClientSettings | None = None,
        tls: TlsContext = no_tls,
    ) -> None:
        """Call others under an AE title; what they send goes to store, what they get comes from sender."""
        self._tls = tls
        self._calling = calling_ae_title
        self._store = store
        self._sender = sender
        self._loop = loop
        self._settings = settings

    def echo(self, node: Node) -> Echo:
        """Ask whether a node answers, and what it offers."""
        return self._run(_in_time(self._echo(self._remote(node)), node))

    def find(self, node: Node, level: str, keys: Sequence[tuple[str, str]], limit: int) -> Matches:
        """Ask what a node keeps."""
        encode_keys(level, keys, uids.EXPLICIT_VR_LITTLE_ENDIAN)  # tells a wrong key before anybody is called
        return self._run(_in_time(self._find(self._remote(node), level, keys, limit), node))

    def retrieve(self, node: Node, wanted: Wanted, progress: Progress) -> Transfer:
        """Have a node send what is wanted into this archive."""
        return self._run(self._retrieve(self._remote(node), wanted, progress), progress.check)

    def send(self, node: Node, instances: Sequence[StoredInstance], progress: Progress) -> Transfer:
        """Send instances to a node."""
        return self._run(self._send(self._remote(node), instances, progress), progress.check)

    def close(self) -> None:
        """End everything that is being done; whoever waits for it gets CancelledError."""
        self._loop.close()

    def _remote(self, node: Node) -> RemoteNode:
        return remote(node, self._tls)

    def _run(self, work: Coroutine[Any, Any, Result], check: Callable[[], None] | None = None) -> Result:
        try:
            return self._loop.run(work, check)
        except PeerFailedError:
            raise
        except AssociationError as error:
            raise PeerFailedError(str(error), next_step=error.next_step, is_final=_is_final(error)) from error

    async def _associate(
        self,
        node: RemoteNode,
        contexts: Sequence[PresentationContext],
        roles: Sequence[RoleSelection] = (),
        settings: ClientSettings | None = None,
    ) -> ClientAssociation:
        settings = self._settings or settings
        return await connect(node, calling_ae_title=self._calling, contexts=contexts, roles=roles, settings=settings)

    async def _echo(self, node: RemoteNode) -> Echo:
        started = time.monotonic()
        async with await self._associate(node, for_services(*_ASKED)) as association:
            status = await association.echo()
            elapsed_s = time.monotonic() - started
            if is_failure(status):
                why, next_step = reasons.status(status)
                raise OperationFailedError(f"{node} answers {why}", status=status, next_step=next_step)
            said = association.peer
            offers = tuple(map(_offer, association.contexts))
        return Echo(
            elapsed_s, said.implementation_class_uid, said.implementation_version_name, said.max_pdu_length, offers
        )

    async def _find(self, node: RemoteNode, level: str, keys: Sequence[tuple[str, str]], limit: int) -> Matches:
        sop_class = uids.PATIENT_ROOT_FIND if level == "PATIENT" else uids.STUDY_ROOT_FIND
        rows: list[Mapping[str, object]] = []
        left_bytes = MAX_ANSWER_BYTES
        async with await self._associate(node, for_services(sop_class)) as association:
            syntax = association.context(sop_class).transfer_syntax
            found = association.find(sop_class, encode_keys(level, keys, syntax))
            async with _ended_soon(found, association):
                async for match in found:
                    left_bytes -= len(match)
                    if len(rows) == limit or left_bytes < 0:
                        return Matches(level, rows, complete=False)
                    rows.append(_decoded(node, match, syntax))
        return Matches(level, rows, complete=True)

    async def _retrieve(self, node: RemoteNode, wanted: Wanted, progress: Progress) -> Transfer:
        """Ask by C-GET, which needs nothing to be configured at the node; where it does not work, by C-MOVE."""
        got: Transfer | None = None
        try:
            got, refused = await self._get(node, wanted, progress)
            if got.failed <= refused:
                return _not_in_vain(node, got)
            why = f"{node} could not send {got.failed} objects"
        except (ContextNotAcceptedError, OperationFailedError, AssociationAbortedError) as error:
            why = str(error)
        progress.tell(0, 0, f"C-GET does not work ({why}); asking by C-MOVE")
        try:
            return _not_in_vain(node, await self._move(node, wanted, progress, remark=f"C-GET did not work: {why}"))
        except AssociationError as error:
            if got is not None and got.completed:
                return replace(got, remark=f"C-MOVE did not bring the rest: {error}")
            message = f"{error} (and C-GET does not work either: {why})"
            raise PeerFailedError(message, next_step=error.next_step, is_final=_is_final(error)) from error

    async def _get(self, node: RemoteNode, wanted: Wanted, progress: Progress) -> tuple[Transfer, int]:
        """Return what came by C-GET, and how many objects our own archive has refused."""
        contexts = await self._contexts_of(node, wanted)
        total = 0

        def tell() -> None:
            progress.tell(arrivals.done, total, "C-GET")

        arrivals = Arrivals(self._store, node.ae_title, tell)
        async with await self._associate(node, contexts, as_receiver(contexts[1:]), _PATIENT) as association:
            syntax = association.context(uids.STUDY_ROOT_GET).transfer_syntax
            identifier = encode_keys(wanted.level, wanted.keys, syntax)
            async with aclosing(association.get(uids.STUDY_ROOT_GET, identifier, arrivals.begin)) as steps:
                async for step in steps:
                    total = max(total, _total(step))
                    tell()
        if not arrivals.refused:
            _check(node, step, Service.GET)
        return Transfer("C-GET", *_counts(step), problems=arrivals.reasons), arrivals.refused

    async def _contexts_of(self, node: RemoteNode, wanted: Wanted) -> tuple[PresentationContext, ...]:
        kept = await kept_classes(
            lambda proposed: self._associate(node, proposed),
            uids.STUDY_ROOT_FIND,
            lambda syntax: encode_keys("IMAGE", (*wanted.keys, ("SOPClassUID", "")), syntax),
        )
        return propose([(uids.STUDY_ROOT_GET, UNCOMPRESSED), *storage_pairs(kept)])

    async def _move(self, node: RemoteNode, wanted: Wanted, progress: Progress, *, remark: str) -> Transfer:
        contexts = for_services(uids.STUDY_ROOT_MOVE)
        async with await self._associate(node, contexts, settings=_PATIENT) as association:
            syntax = association.context(uids.STUDY_ROOT_MOVE).transfer_syntax
            identifier = encode_keys(wanted.level, wanted.keys, syntax)
            async with aclosing(association.move(uids.STUDY_ROOT_MOVE, identifier, self._calling)) as steps:
                async for step in steps:
                    progress.tell(sum(_counts(step)), _total(step), "C-MOVE")
        _check(node, step, Service.MOVE)
        return Transfer("C-MOVE", *_counts(step), remark=remark)

    async def _send(self, node: RemoteNode, instances: Sequence[StoredInstance], progress: Progress) -> Transfer:
        tally, total = Tally(len(instances)), len(instances)
        errand = Errand(node.ae_title, tally, asyncio.Event())
        async with aclosing(self._sender.send(node, instances, errand)) as steps:
            async for _ in steps:
                progress.tell(total - tally.remaining, total)
        if tally.failed == total and errand.failure is not None:
            raise errand.failure
        remark = "" if errand.failure is None else str(errand.failure)
        return Transfer(
            "C-STORE", tally.completed, tally.warning, tally.failed, remark, errand.reasons, tuple(tally.failed_uids)
        )


@asynccontextmanager
async def _ended_soon(found: AsyncGenerator[bytes, None], association: ClientAssociation) -> AsyncGenerator[None, None]:
    """Cancel a query that is left early; abort where the node goes on all the same."""
    try:
        yield
    finally:
        try:
            async with asyncio.timeout(_CANCEL_PATIENCE_S):
                await found.aclose()
        except TimeoutError:
            await association.abort()


async def _in_time(work: Coroutine[Any, Any, Result], node: Node) -> Result:
    """Bound what somebody waits for."""
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            return await work
    except TimeoutError:
        message = f"{node} was not done within {ASK_TIMEOUT_S:g} s"
        raise TimerExpiredError(message, next_step=reasons.INTERRUPTED) from None


def _decoded(node: RemoteNode, match: bytes, transfer_syntax_uid: str) -> dict[str, object]:
    try:
        return decode_keys(match, transfer_syntax_uid)
    except DicomError as error:
        message = f"{node} sends an answer that cannot be read: {error}"
        raise PeerFailedError(message, next_step=reasons.BROKEN) from error


def _offer(context: NegotiatedContext) -> Offer:
    uid = context.abstract_syntax
    why = "" if context.accepted else reasons.context_result(context.result)
    return Offer(uid, _ASKED[uid], context.accepted, context.transfer_syntax if context.accepted else "", why)


def _counts(step: SubOperationProgress) -> tuple[int, int, int]:
    return step.completed or 0, step.warning or 0, step.failed or 0


def _total(step: SubOperationProgress) -> int:
    return sum(_counts(step)) + (step.remaining or 0)


def _is_final(error: AssociationError) -> bool:
    """Tell whether a node has answered, and what it would answer again."""
    if isinstance(error, PeerFailedError):
        return error.is_final
    if isinstance(error, AssociationRejectedError):
        return error.result == _PERMANENT
    if isinstance(error, OperationFailedError):
        return error.status not in reasons.NO_RESOURCES
    return isinstance(error, ContextNotAcceptedError)


def _check(node: RemoteNode, final: SubOperationProgress, service: Service) -> None:
    """Raise OperationFailedError where a C-MOVE or C-GET brought nothing but failures."""
    completed, warning, failed = _counts(final)
    if is_failure(final.status) or (failed and not completed and not warning):
        why, next_step = reasons.status(final.status, service)
        comment = f" ({final.error_comment})" if final.error_comment else ""
        raise OperationFailedError(f"{node} answers {why}{comment}", status=final.status, next_step=next_step)


def _not_in_vain(node: RemoteNode, brought: Transfer) -> Transfer:
    """Return what was brought, if it was anything."""
    if brought.completed or brought.warning:
        return brought
    if not brought.failed:
        raise PeerFailedError(f"{node} keeps nothing of what was asked for", next_step=reasons.NOT_KEPT, is_final=True)
    first = next(iter(brought.problems.values()), "no reason given")
    message = f"none of {brought.failed} objects of {node} could be kept here: {first}"
    raise PeerFailedError(message, next_step=reasons.NOT_TAKEN, is_final=True)
