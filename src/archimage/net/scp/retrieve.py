"""Query/Retrieve MOVE and GET: sends stored objects, to a configured node or back over the same association.

Ref: PS3.4 §C.4.2, §C.4.3; PS3.7 §9.1.3, §9.1.4.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from types import MappingProxyType
from typing import Final, Protocol

import structlog

from archimage.dicom.encode import encode_elements
from archimage.errors import (
    ArchimageError,
    AssociationError,
    ContextNotAcceptedError,
    DicomError,
    ServiceError,
    StorageError,
    UnknownDestinationError,
)
from archimage.model.records import StoredInstance
from archimage.net.client import ClientAssociation, ClientSettings, OutgoingInstance, connect
from archimage.net.conversation import RemoteNode
from archimage.net.dispatch import Pieces, Request, Response, ServiceClass
from archimage.net.proposals import MAX_CONTEXTS, for_sending
from archimage.net.reading import Readable
from archimage.net.scp.outgoing import Outbound, Outgoing, Transcoder, plan
from archimage.net.scp.query import IDENTIFIER_SYNTAXES
from archimage.net.statuses import comment_of
from archimage.protocol.command import CommandField, c_store_rq
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.status import Status, is_success, is_warning
from archimage.protocol.uids import (
    IMPLICIT_VR_LITTLE_ENDIAN,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    PATIENT_STUDY_ONLY_GET,
    PATIENT_STUDY_ONLY_MOVE,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from archimage.services.identifiers import decode_identifier
from archimage.services.query import Root
from archimage.services.retrieve import Outcome, RetrieveService, Tally, Verdict, batches

FAILED_SOP_INSTANCE_UID_LIST: Final = 0x00080058
_MAX_COUNT: Final = 0xFFFF
_MAX_EXPLICIT_UID_BYTES: Final = 0xFFFE
_MAX_MESSAGE_ID: Final = 0xFFFF
_CANCEL_PATIENCE_S: Final = 0.5

_ROOTS: Final[Mapping[str, Root]] = MappingProxyType(
    {
        PATIENT_ROOT_MOVE: Root.PATIENT,
        PATIENT_ROOT_GET: Root.PATIENT,
        STUDY_ROOT_MOVE: Root.STUDY,
        STUDY_ROOT_GET: Root.STUDY,
        PATIENT_STUDY_ONLY_MOVE: Root.PATIENT_STUDY_ONLY,
        PATIENT_STUDY_ONLY_GET: Root.PATIENT_STUDY_ONLY,
    }
)
_VERDICTS: Final[Mapping[Verdict, Status]] = MappingProxyType(
    {
        Verdict.SUCCESS: Status.SUCCESS,
        Verdict.SOME_FAILED: Status.SUBOPERATIONS_WITH_FAILURES,
        Verdict.ALL_FAILED: Status.UNABLE_TO_PERFORM_SUBOPERATIONS,
    }
)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where C-MOVE may send to: the configured nodes by AE title; and as whom, and how long it may take."""

    nodes: Mapping[str, RemoteNode]
    calling_ae_title: str
    settings: ClientSettings | None = None

    def find(self, ae_title: str | None) -> RemoteNode:
        """Return the node of this AE title.

        Raises:
            UnknownDestinationError: none is configured.
        """
        node = self.nodes.get((ae_title or "").strip())
        if node is None:
            raise UnknownDestinationError(f"no node {ae_title!r} is configured here")
        return node


class _Send(Protocol):
    """Sends one object, in a transfer syntax that the receiver has accepted, and returns the receiver's status.

    Raises AssociationError at the association's end.
    """

    async def __call__(self, instance: StoredInstance, transfer_syntax_uid: str, pieces: Pieces) -> int: ...


def service(
    retrieves: RetrieveService, destinations: Destinations, executor: Executor, transcoder: Transcoder | None = None
) -> ServiceClass:
    """Make the service; executor runs what blocks. Without a transcoder objects go out only as they are stored."""
    retrieval = _Retrieval(retrieves, destinations, executor, transcoder)
    return ServiceClass(
        tuple(SupportedContext(uid, IDENTIFIER_SYNTAXES) for uid in _ROOTS),
        {
            **{(uid, CommandField.C_MOVE_RQ): retrieval.move for uid in _ROOTS},
            **{(uid, CommandField.C_GET_RQ): retrieval.get for uid in _ROOTS},
        },
    )


class _Retrieval:
    """Both services, on what they share."""

    def __init__(
        self,
        retrieves: RetrieveService,
        destinations: Destinations,
        executor: Executor,
        transcoder: Transcoder | None,
    ) -> None:
        self._retrieves = retrieves
        self._destinations = destinations
        self._executor = executor
        self._outbound = Outbound(retrieves, executor, transcoder)

    async def move(self, request: Request) -> AsyncGenerator[Response, None]:
        """Serve a C-MOVE: over one association, and a further one for every 128 presentation contexts."""
        node = self._destinations.find(request.command.move_destination)
        instances = await self._select(request)
        tally = Tally(len(instances))
        comment = ""
        for batch in batches(instances, MAX_CONTEXTS // 2):  # as proposed, and uncompressed
            if request.cancelled.is_set():
                break
            before = tally.remaining
            try:
                async with (
                    await self._connect(node, batch) as association,
                    _cut_short(request, association),
                    aclosing(self._send_over(association, request, batch, tally)) as responses,
                ):
                    async for response in responses:
                        yield response
            except AssociationError as error:
                if request.cancelled.is_set():
                    break
                comment = comment_of(error)
                _log.warning("move failed", destination=node.ae_title, reason=str(error))
                for instance in batch[before - tally.remaining :]:
                    tally.count(instance.sop_instance_uid, Outcome.FAILED)
        yield _final(request, tally, comment)

    async def get(self, request: Request) -> AsyncGenerator[Response, None]:
        """Serve a C-GET."""
        instances = await self._select(request)
        tally = Tally(len(instances))
        planned = plan(instances, request.channel.contexts.values())
        sending = self._send(request, planned, tally, request.calling_ae_title, _back(request))
        async with aclosing(sending) as responses:
            async for response in responses:
                yield response
        yield _final(request, tally, "")

    async def _select(self, request: Request) -> Sequence[StoredInstance]:
        def select() -> Sequence[StoredInstance]:
            identifier = decode_identifier(request.identifier, request.context.transfer_syntax)
            return self._retrieves.select(_ROOTS[request.context.abstract_syntax], identifier)

        return await asyncio.get_running_loop().run_in_executor(self._executor, select)

    async def _connect(self, node: RemoteNode, batch: Sequence[StoredInstance]) -> ClientAssociation:
        pairs = ((instance.sop_class_uid, instance.transfer_syntax_uid) for instance in batch)
        destinations = self._destinations
        return await connect(
            node,
            calling_ae_title=destinations.calling_ae_title,
            contexts=for_sending(pairs),
            settings=destinations.settings,
        )

    def _send_over(
        self, association: ClientAssociation, request: Request, batch: Sequence[StoredInstance], tally: Tally
    ) -> AsyncGenerator[Response, None]:
        """Send over an association to the destination of a C-MOVE."""
        planned = plan(batch, association.contexts)
        return self._send(request, planned, tally, str(association.node), _over(association, request))

    async def _send(
        self, request: Request, planned: Sequence[Outgoing], tally: Tally, receiver: str, send: _Send
    ) -> AsyncGenerator[Response, None]:
        """Send objects until all are sent or the operation is cancelled; yield a pending response for each."""
        ahead = self._outbound.ahead(planned, receiver, request.cancelled)
        async with aclosing(ahead.sources(planned)) as sources:
            async for outgoing, source in sources:
                if request.cancelled.is_set():
                    return
                outcome = await _sub_operation(request, outgoing, source, send)
                tally.count(outgoing.instance.sop_instance_uid, outcome)
                yield _pending(tally)


@asynccontextmanager
async def _cut_short(request: Request, association: ClientAssociation) -> AsyncGenerator[None, None]:
    """Abort the association if the C-MOVE is cancelled and the object on its way then takes too long.

    A C-GET cannot do so: the object travels where its answer has to.
    """

    async def watch() -> None:
        await request.cancelled.wait()
        await asyncio.sleep(_CANCEL_PATIENCE_S)
        await association.abort()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _sub_operation(
    request: Request, outgoing: Outgoing, source: Readable | ArchimageError, send: _Send
) -> Outcome:
    instance, syntax = outgoing.instance, outgoing.transfer_syntax_uid
    try:
        if isinstance(source, ArchimageError):
            raise source
        status = await send(instance, syntax or instance.transfer_syntax_uid, source.pieces)
        if is_success(status):
            return Outcome.COMPLETED
        if is_warning(status):
            return Outcome.WARNING
        reason = f"the receiver answered {status:04X}H"
    except (ContextNotAcceptedError, DicomError, ServiceError, StorageError) as error:
        reason = str(error)
    _log.warning("instance not sent", peer=request.calling_ae_title, instance=instance.sop_instance_uid, reason=reason)
    return Outcome.FAILED


def _over(association: ClientAssociation, request: Request) -> _Send:
    """Send over an association to the destination of a C-MOVE."""
    originator = (request.calling_ae_title, request.command.message_id or 0)

    async def send(instance: StoredInstance, transfer_syntax_uid: str, pieces: Pieces) -> int:
        outgoing = OutgoingInstance(
            instance.sop_class_uid, instance.sop_instance_uid, transfer_syntax_uid, pieces, originator
        )
        return await association.store(outgoing)

    return send


def _back(request: Request) -> _Send:
    """Send over the association of a C-GET."""
    contexts = {
        (context.abstract_syntax, context.transfer_syntax): context.context_id
        for context in request.channel.contexts.values()
        if context.accepted and context.as_scu
    }
    message_ids = count(1)

    async def send(instance: StoredInstance, transfer_syntax_uid: str, pieces: Pieces) -> int:
        context_id = contexts[instance.sop_class_uid, transfer_syntax_uid]
        message_id = next(message_ids) % _MAX_MESSAGE_ID + 1
        command = c_store_rq(message_id, instance.sop_class_uid, instance.sop_instance_uid)
        return await request.channel.store(context_id, command, pieces)

    return send


def _pending(tally: Tally) -> Response:
    return Response(
        Status.PENDING,
        remaining=min(tally.remaining, _MAX_COUNT),
        completed=min(tally.completed, _MAX_COUNT),
        failed=min(tally.failed, _MAX_COUNT),
        warning=min(tally.warning, _MAX_COUNT),
    )


def _final(request: Request, tally: Tally, comment: str) -> Response:
    cancelled = request.cancelled.is_set() and tally.remaining > 0
    status = Status.CANCEL if cancelled else _VERDICTS[tally.verdict]
    return replace(
        _pending(tally),
        status=status,
        remaining=min(tally.remaining, _MAX_COUNT) if cancelled else None,
        dataset=_failed_list(tally, request.context.transfer_syntax) if tally.failed else None,
        error_comment=comment or None,
    )


def _failed_list(tally: Tally, transfer_syntax_uid: str) -> bytes:
    """Encode the failed instances' UIDs; as many as an explicit VR can hold, which is about a thousand."""
    value = "\\".join(tally.failed_uids).encode("ascii", "replace")
    if transfer_syntax_uid != IMPLICIT_VR_LITTLE_ENDIAN and len(value) > _MAX_EXPLICIT_UID_BYTES:
        value = value[: value.rindex(b"\\", 0, _MAX_EXPLICIT_UID_BYTES)]
    return encode_elements([(FAILED_SOP_INSTANCE_UID_LIST, "UI", value)], transfer_syntax_uid)
