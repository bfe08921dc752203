"""Stored objects to a receiver, one after the other, each counted: to a node, or back over the association of a C-GET.

Ref: PS3.4 §C.4.2, §C.4.3; PS3.7 §9.1.1.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from archimage.dicom.deidentify.targets import LOSSLESS
from archimage.errors import (
    ArchimageError,
    AssociationError,
    ContextNotAcceptedError,
    DicomError,
    NotAcceptableError,
    ServiceError,
    StorageError,
)
from archimage.logger import logger
from archimage.model.records import StoredInstance
from archimage.net import reasons
from archimage.net.client import ClientAssociation, ClientSettings, OutgoingInstance, connect
from archimage.net.conversation import RemoteNode
from archimage.net.dispatch import Pieces
from archimage.net.proposals import MAX_CONTEXTS, for_sending
from archimage.net.reading import Readable
from archimage.net.scp.outgoing import Outbound, Outgoing, plan
from archimage.protocol.status import Service, is_success, is_warning
from archimage.services.retrieve import Outcome, Tally, batches

_CANCEL_PATIENCE_S: Final = 0.5
_REASONS: Final = 100
_log = logger("dimse")


@dataclass(slots=True)
class Errand:
    """One sending: who asked for it, how it stands, and whether it is still wanted.

    failure is what ended the last association that was lost, if one was; reasons tells why the first instances were not
    taken, by SOP Instance UID.
    """

    asked_by: str
    tally: Tally
    cancelled: asyncio.Event
    failure: AssociationError | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    def count(self, sop_instance_uid: str, outcome: Outcome, reason: str = "") -> None:
        """Count one finished sub-operation."""
        self.tally.count(sop_instance_uid, outcome)
        if reason and len(self.reasons) < _REASONS:
            self.reasons[sop_instance_uid] = reason


class Send(Protocol):
    """Sends one object, in a transfer syntax that the receiver has accepted, and returns the receiver's status.

    Raises AssociationError at the association's end.
    """

    async def __call__(self, instance: StoredInstance, transfer_syntax_uid: str, pieces: Pieces) -> int: ...


async def send_each(
    outbound: Outbound, planned: Sequence[Outgoing], errand: Errand, receiver: str, send: Send
) -> AsyncGenerator[None, None]:
    """Send objects until all are sent or the errand is cancelled; take a step for each."""
    ahead = outbound.ahead(planned, receiver, errand.cancelled)
    async with aclosing(ahead.sources(planned)) as sources:
        async for outgoing, source in sources:
            if errand.cancelled.is_set():
                return
            await _sub_operation(errand, outgoing, source, send)
            yield


class NodeSender:
    """Sends to nodes: over one association, and a further one for every 128 presentation contexts."""

    def __init__(self, outbound: Outbound, calling_ae_title: str, settings: ClientSettings | None = None) -> None:
        self._outbound = outbound
        self._calling_ae_title = calling_ae_title
        self._settings = settings

    async def send(
        self,
        node: RemoteNode,
        instances: Sequence[StoredInstance],
        errand: Errand,
        originator: tuple[str, int] | None = None,
    ) -> AsyncGenerator[None, None]:
        """Send instances, a step for each that was tried; those that a lost association leaves are counted as failed.

        originator is the AE title and message id of the C-MOVE that this belongs to.
        """
        # as it is stored, blanked without loss, as it is to be, and uncompressed
        forms = 2 + (node.purpose is not None) + bool(node.transfer_syntax_uid)
        for batch in batches(instances, MAX_CONTEXTS // forms):
            if errand.cancelled.is_set():
                return
            before = errand.tally.remaining
            try:
                async with (
                    await self._connect(node, batch) as association,
                    _cut_short(errand.cancelled, association),
                    aclosing(self._send_over(association, batch, errand, originator)) as steps,
                ):
                    async for _ in steps:
                        yield
            except AssociationError as error:
                if errand.cancelled.is_set():
                    return
                errand.failure = error
                _log.warning("sending failed", destination=node.ae_title, reason=str(error))
                for instance in batch[before - errand.tally.remaining :]:
                    errand.count(instance.sop_instance_uid, Outcome.FAILED)

    async def _connect(self, node: RemoteNode, batch: Sequence[StoredInstance]) -> ClientAssociation:
        pairs = [(instance.sop_class_uid, instance.transfer_syntax_uid) for instance in batch]
        if node.purpose is not None:
            pairs += [(sop_class, LOSSLESS[syntax]) for sop_class, syntax in pairs if syntax in LOSSLESS]
        if node.transfer_syntax_uid:
            pairs += [(sop_class, node.transfer_syntax_uid) for sop_class, _ in pairs]
        return await connect(
            node, calling_ae_title=self._calling_ae_title, contexts=for_sending(pairs), settings=self._settings
        )

    def _send_over(
        self,
        association: ClientAssociation,
        batch: Sequence[StoredInstance],
        errand: Errand,
        originator: tuple[str, int] | None,
    ) -> AsyncGenerator[None, None]:
        node = association.node
        planned = plan(batch, association.contexts, node.purpose, node.transfer_syntax_uid)
        return send_each(self._outbound, planned, errand, str(association.node), _over(association, originator))


@asynccontextmanager
async def _cut_short(cancelled: asyncio.Event, association: ClientAssociation) -> AsyncGenerator[None, None]:
    """Abort the association if the sending is cancelled and the object on its way then takes too long.

    A C-GET cannot do so: the object travels where its answer has to.
    """

    async def watch() -> None:
        await cancelled.wait()
        await asyncio.sleep(_CANCEL_PATIENCE_S)
        await association.abort()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _sub_operation(errand: Errand, outgoing: Outgoing, source: Readable | ArchimageError, send: Send) -> None:
    instance, syntax = outgoing.instance, outgoing.transfer_syntax_uid
    uid = instance.sop_instance_uid
    try:
        if isinstance(source, ArchimageError):
            raise source
        made = source.made
        if made is not None:
            instance, syntax = made, made.transfer_syntax_uid
        elif outgoing.purpose is not None:
            raise NotAcceptableError("its identifiers were not taken out")
        status = await send(instance, syntax or instance.transfer_syntax_uid, source.pieces)
        if is_success(status):
            return errand.count(uid, Outcome.COMPLETED)
        if is_warning(status):
            return errand.count(uid, Outcome.WARNING)
        reason = f"the receiver answers {reasons.status(status, Service.STORE).what}"
    except (ContextNotAcceptedError, DicomError, ServiceError, StorageError) as error:
        reason = str(error)
    _log.warning("instance not sent", peer=errand.asked_by, instance=uid, reason=reason)
    return errand.count(uid, Outcome.FAILED, reason)


def _over(association: ClientAssociation, originator: tuple[str, int] | None) -> Send:
    """Send over an association to a node."""

    async def send(instance: StoredInstance, transfer_syntax_uid: str, pieces: Pieces) -> int:
        outgoing = OutgoingInstance(
            instance.sop_class_uid, instance.sop_instance_uid, transfer_syntax_uid, pieces, originator
        )
        return await association.store(outgoing)

    return send
