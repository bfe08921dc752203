"""Query/Retrieve MOVE and GET: sends stored objects, to a node or back over the same association.

Ref: PS3.4 §C.4.2, §C.4.3; PS3.7 §9.1.3, §9.1.4.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

from archimage.dicom.encode import encode_elements
from archimage.errors import ArchimageError, OutOfResourcesError, StorageError, UnknownDestinationError
from archimage.logger import logger
from archimage.model.nodes import Node
from archimage.model.projects import Purpose
from archimage.model.records import StoredInstance
from archimage.net.client import ClientSettings
from archimage.net.conversation import RemoteNode
from archimage.net.dispatch import Pieces, Request, Response, ServiceClass
from archimage.net.remote import TlsContext, no_tls, remote
from archimage.net.scp.outgoing import Deidentifier, Outbound, Transcoder, plan
from archimage.net.scp.query import IDENTIFIER_SYNTAXES
from archimage.net.sending import Errand, NodeSender, Send, send_each
from archimage.net.statuses import comment_of
from archimage.protocol.command import CommandField, c_store_rq
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.status import Status
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
from archimage.services.move_jobs import Move, MoveJobs
from archimage.services.query import Root
from archimage.services.retrieve import RetrieveService, Tally, Verdict

FAILED_SOP_INSTANCE_UID_LIST: Final = 0x00080058
_MAX_COUNT: Final = 0xFFFF
_MAX_EXPLICIT_UID_BYTES: Final = 0xFFFE
_MAX_MESSAGE_ID: Final = 0xFFFF

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
_log = logger("dimse")
_Result = TypeVar("_Result")
Select = Callable[[Request], Sequence[StoredInstance]]
"""Finds what a request names; blocks."""


class KnownNodes(Protocol):
    """Knows the nodes, those that were added a moment ago too; `services.nodes` implements it."""

    def destination(self, ae_title: str) -> Node:
        """Return the node of an AE title, or raise UnknownDestinationError; blocks."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where C-MOVE may send to; and as whom, how long it may take, and with which context of TLS."""

    nodes: KnownNodes
    calling_ae_title: str
    settings: ClientSettings | None = None
    tls: TlsContext = no_tls

    def find(self, ae_title: str | None) -> RemoteNode:
        """Return the node of this AE title; blocks.

        Raises:
            UnknownDestinationError: there is none.
        """
        return remote(self.nodes.destination(ae_title or ""), self.tls)

    def purpose(self, ae_title: str) -> Purpose | None:
        """Return what objects that go to an AE title are de-identified for, None where they go as they are; blocks."""
        try:
            return self.nodes.destination(ae_title).purpose
        except UnknownDestinationError:
            return None


def service(
    retrieves: RetrieveService,
    destinations: Destinations,
    executor: Executor,
    transcoder: Transcoder | None = None,
    deidentifier: Deidentifier | None = None,
    moves: MoveJobs | None = None,
) -> ServiceClass:
    """Make the service; executor runs what blocks. Without a transcoder objects go out only as they are stored.

    Without a deidentifier nothing goes to whom it would have to be de-identified for. moves keeps what is large, so
    that it is sent to its end.
    """

    def select(request: Request) -> Sequence[StoredInstance]:
        identifier = decode_identifier(request.identifier, request.context.transfer_syntax)
        return retrieves.select(_ROOTS[request.context.abstract_syntax], identifier)

    outbound = Outbound(retrieves, executor, transcoder, deidentifier)
    return retrieving(_ROOTS, select, destinations, executor, outbound, moves)


def retrieving(
    roots: Iterable[str],
    select: Select,
    destinations: Destinations,
    executor: Executor,
    outbound: Outbound,
    moves: MoveJobs | None = None,
) -> ServiceClass:
    """Serve C-MOVE and C-GET of these SOP classes; select says what a request names, outbound opens that."""
    retrieval = _Retrieval(select, destinations, executor, outbound, moves)
    served = tuple(roots)
    return ServiceClass(
        tuple(SupportedContext(uid, IDENTIFIER_SYNTAXES) for uid in served),
        {
            **{(uid, CommandField.C_MOVE_RQ): retrieval.move for uid in served},
            **{(uid, CommandField.C_GET_RQ): retrieval.get for uid in served},
        },
    )


class _Retrieval:
    """Both services, on what they share."""

    def __init__(
        self,
        select: Select,
        destinations: Destinations,
        executor: Executor,
        outbound: Outbound,
        moves: MoveJobs | None,
    ) -> None:
        self._moves = moves
        self._selected = select
        self._destinations = destinations
        self._executor = executor
        self._outbound = outbound
        self._sender = NodeSender(self._outbound, destinations.calling_ae_title, destinations.settings)

    async def move(self, request: Request) -> AsyncGenerator[Response, None]:
        """Serve a C-MOVE."""
        node = await self._in_thread(lambda: self._destinations.find(request.command.move_destination))
        instances = await self._select(request)
        errand = _errand(request, instances)
        originator = (request.calling_ae_title, request.command.message_id or 0)
        kept = await self._kept(request, node, instances)
        ordered = instances if kept is None else kept.instances
        cancelled, failure = True, ""
        try:
            async with aclosing(self._sender.send(node, ordered, errand, originator)) as steps:
                async for _ in steps:
                    if kept is not None:
                        await self._note(kept, errand)
                    yield _pending(errand.tally)
            cancelled, failure = errand.cancelled.is_set(), _failure(errand)
        except ArchimageError as error:
            cancelled, failure = errand.cancelled.is_set(), comment_of(error)
            raise
        finally:
            if kept is not None:
                self._executor.submit(kept.end, errand.tally, failure, cancelled=cancelled)
        yield _final(request, errand.tally, failure)

    async def _kept(self, request: Request, node: RemoteNode, instances: Sequence[StoredInstance]) -> Move | None:
        """Have a large C-MOVE kept, so that all of it is sent though we die; None for a small one."""
        if self._moves is None:
            return None
        identifier = decode_identifier(request.identifier, request.context.transfer_syntax)
        begun = self._executor.submit(self._moves.begin, node.ae_title, identifier, instances)
        try:
            return await asyncio.wrap_future(begun)
        except asyncio.CancelledError:
            begun.add_done_callback(partial(_given_up, Tally(len(instances))))
            raise
        except (OutOfResourcesError, StorageError) as error:
            _log.warning("a large C-MOVE is not kept", destination=node.ae_title, reason=str(error))
            return None

    async def _note(self, kept: Move, errand: Errand) -> None:
        """Keep how far it is; end it where somebody wants it ended."""
        if not kept.is_wanted:
            errand.cancelled.set()
        elif kept.told(errand.tally) and errand.failure is None:
            await self._in_thread(lambda: kept.keep(errand.tally))

    async def get(self, request: Request) -> AsyncGenerator[Response, None]:
        """Serve a C-GET."""
        instances = await self._select(request)
        errand = _errand(request, instances)
        purpose = await self._in_thread(lambda: self._destinations.purpose(request.calling_ae_title))
        planned = plan(instances, request.channel.contexts.values(), purpose)
        sending = send_each(self._outbound, planned, errand, request.calling_ae_title, _back(request))
        async with aclosing(sending) as steps:
            async for _ in steps:
                yield _pending(errand.tally)
        yield _final(request, errand.tally, "")

    async def _select(self, request: Request) -> Sequence[StoredInstance]:
        return await self._in_thread(lambda: self._selected(request))

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _given_up(tally: Tally, begun: Future[Move | None]) -> None:
    """End what was kept for an association that ended meanwhile."""
    if not begun.cancelled() and begun.exception() is None and (kept := begun.result()) is not None:
        kept.end(tally, "", cancelled=True)


def _failure(errand: Errand) -> str:
    """Return what ended the last association that was lost, empty if none was."""
    return "" if errand.failure is None else comment_of(errand.failure)


def _errand(request: Request, instances: Sequence[StoredInstance]) -> Errand:
    return Errand(request.calling_ae_title, Tally(len(instances)), request.cancelled)


def _back(request: Request) -> Send:
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
