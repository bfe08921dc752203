"""C-FIND, C-MOVE, C-GET and what people send as the audit trail hears of them: around those who do it.

Ref: PS3.15 §A.5.3.3, §A.5.3.5, §A.5.3.13.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from archimage.errors import ArchimageError
from archimage.model.attributes import UNIQUE_KEYS, Level
from archimage.model.callers import current
from archimage.model.nodes import Node
from archimage.model.peers import Echo, Matches, Transfer, Wanted
from archimage.model.records import StoredInstance
from archimage.net.dispatch import Handler, Request, Response, ServiceClass
from archimage.ports.audit import AuditSink
from archimage.ports.peer import Peers, Progress
from archimage.protocol.command import CommandField
from archimage.protocol.status import Status, is_pending, is_success
from archimage.services.audit import AuditService
from archimage.services.audit_messages import Peer, peer, person
from archimage.services.identifiers import decode_identifier

_RETRIEVING: Final = frozenset({CommandField.C_MOVE_RQ, CommandField.C_GET_RQ})


class Audited:
    """Puts handlers under the audit trail; sink tells whether anything may be done."""

    def __init__(self, audit: AuditService, sink: AuditSink) -> None:
        self._audit = audit
        self._sink = sink

    def service(self, service: ServiceClass) -> ServiceClass:
        """Return a service whose requests are told."""
        handlers = {key: self._around(handler, key[1]) for key, handler in service.handlers.items()}
        return replace(service, handlers=handlers)

    def _around(self, handler: Handler, command_field: int) -> Handler:
        if command_field == CommandField.C_FIND_RQ:
            tell = self._find
        elif command_field in _RETRIEVING:
            tell = self._retrieve
        else:
            return handler

        async def handle(request: Request) -> AsyncGenerator[Response, None]:
            self._sink.check()
            async with aclosing(tell(handler, request)) as responses:
                async for response in responses:
                    yield response

        return handle

    async def _find(self, handler: Handler, request: Request) -> AsyncGenerator[Response, None]:
        failure = "the association ended before all was answered"
        try:
            async with aclosing(handler(request)) as responses:
                async for response in responses:
                    if not is_pending(response.status):
                        failure = "" if response.status == Status.SUCCESS else f"status {response.status:#06x}"
                    yield response
        except ArchimageError as error:
            failure = str(error)
            raise
        finally:
            context = request.context
            self._audit.queried(
                _asking(request), context.abstract_syntax, request.identifier, context.transfer_syntax, failure
            )

    async def _retrieve(self, handler: Handler, request: Request) -> AsyncGenerator[Response, None]:
        uids = _uids(request)
        destination = request.command.move_destination
        who = peer(_asking(request), requestor=True)
        receiver = who if destination is None else peer(Peer(destination.strip()), requestor=False)
        self._audit.sending(receiver, uids)
        failure, failed = "the association ended before all was sent", list[str]()
        try:
            async with aclosing(handler(request)) as responses:
                async for response in responses:
                    if not is_pending(response.status):
                        failure, failed = _outcome(response)
                    yield response
        except ArchimageError as error:
            failure, failed = str(error), []
            raise
        finally:
            self._audit.sent(receiver, who, uids, failed, failure)


class AuditedPeers:
    """Implements `ports.peer.Peers`: what people have sent to nodes is told."""

    def __init__(self, peers: Peers, audit: AuditService) -> None:
        self._peers = peers
        self._audit = audit

    def echo(self, node: Node) -> Echo:
        """Ask whether a node answers."""
        return self._peers.echo(node)

    def find(self, node: Node, level: str, keys: Sequence[tuple[str, str]], limit: int) -> Matches:
        """Ask what a node keeps."""
        return self._peers.find(node, level, keys, limit)

    def retrieve(self, node: Node, wanted: Wanted, progress: Progress) -> Transfer:
        """Have a node send what is wanted; storing tells of it."""
        return self._peers.retrieve(node, wanted, progress)

    def close(self) -> None:
        """End everything that is being done."""
        self._peers.close()

    def send(self, node: Node, instances: Sequence[StoredInstance], progress: Progress) -> Transfer:
        """Send instances to a node."""
        uids = {Level.IMAGE: tuple(instance.sop_instance_uid for instance in instances)}
        receiver, who = peer(Peer(node.ae_title, node.host), requestor=False), person(current())
        self._audit.sending(receiver, uids)
        failure, failed = "it was not sent to its end", list[str]()
        try:
            transfer = self._peers.send(node, instances, progress)
            failure, failed = _failed(transfer)
        except ArchimageError as error:
            failure = str(error)
            raise
        finally:
            self._audit.sent(receiver, who, uids, failed, failure)
        return transfer


def _asking(request: Request) -> Peer:
    caller = current()
    return Peer(request.calling_ae_title, request.peer_host, "" if caller is None else caller.user)


def _outcome(response: Response) -> tuple[str, list[str]]:
    """Return why it failed, empty where it did not, and the instances that are named to have failed."""
    if is_success(response.status):
        return "", []
    sent = (response.completed or 0) + (response.warning or 0)
    failed = [] if response.dataset is None else _listed(response.dataset)
    left = response.remaining or 0
    return f"status {response.status:#06x}: {sent} sent, {response.failed or 0} failed, {left} left", failed


def _failed(transfer: Transfer) -> tuple[str, list[str]]:
    """Return the same of what people have sent; not all that failed may be named, then none is."""
    if not transfer.failed:
        return "", []
    named = list(transfer.problems) if len(transfer.problems) == transfer.failed else []
    return f"{transfer.completed + transfer.warning} sent, {transfer.failed} failed. {transfer.remark}", named


def _listed(dataset: bytes) -> list[str]:
    """Return the UIDs of a Failed SOP Instance UID List, the one element there is: its value begins after 8 bytes."""
    return dataset[8:].decode("ascii", "replace").strip(" \0").split("\\")


def _uids(request: Request) -> Mapping[Level, tuple[str, ...]]:
    """Return the unique keys of an identifier; none where it cannot be read, which the handler will say."""
    try:
        identifier = decode_identifier(request.identifier, request.context.transfer_syntax)
    except ArchimageError:
        return {}
    values = {key.tag: key.value for key in identifier.keys}
    found = {level: values.get(UNIQUE_KEYS[level].tag, "") for level in Level if level.depth <= identifier.level.depth}
    return {level: tuple(text.split("\\")) for level, text in found.items() if text}
