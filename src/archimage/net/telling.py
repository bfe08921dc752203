"""Deliveries of normalized services to nodes: performed procedure steps, events of theirs, available instances.

What a node answers decides whether it is asked again: an attribute or a value that it does not take it will never take;
anything else may be over by the next try.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import orjson

from archimage.errors import DeliveryRefusedError, PeerFailedError
from archimage.logger import logger
from archimage.model.deliveries import Delivery
from archimage.model.nodes import Node
from archimage.net import reasons
from archimage.net.calls import NodeCalls
from archimage.net.client import ClientAssociation
from archimage.net.conversation import Message
from archimage.protocol.command import Command, n_create_rq, n_event_report_rq, n_set_rq
from archimage.protocol.items import RoleSelection
from archimage.protocol.status import Status, describe, is_failure
from archimage.protocol.uids import INSTANCE_AVAILABILITY_NOTIFICATION, MPPS, MPPS_NOTIFICATION
from archimage.services.availability import AvailabilityService
from archimage.services.datasets import Model, encode
from archimage.services.mpps import NOT_UPDATABLE

_FOR_GOOD: Final = frozenset(
    {
        Status.NO_SUCH_ATTRIBUTE,
        Status.INVALID_ATTRIBUTE_VALUE,
        Status.INVALID_ARGUMENT_VALUE,
        Status.ATTRIBUTE_VALUE_OUT_OF_RANGE,
        Status.INVALID_SOP_INSTANCE,
        Status.NO_SUCH_SOP_CLASS,
        Status.CLASS_INSTANCE_CONFLICT,
        Status.MISSING_ATTRIBUTE,
        Status.MISSING_ATTRIBUTE_VALUE,
        Status.NO_SUCH_SOP_INSTANCE,
        Status.NO_SUCH_EVENT_TYPE,
        Status.NO_SUCH_ARGUMENT,
        Status.UNRECOGNISED_OPERATION,
    }
)
_log = logger("dimse")

FindNode = Callable[[str], Node]
"""Returns the node of an AE title; raises NotFoundError."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told: the SOP class, the command for a message id, and the data set, if one."""

    sop_class_uid: str
    command: Callable[[int], Command]
    model: Model | None = None
    roles: tuple[RoleSelection, ...] = ()


class Telling:
    """Tells nodes, each in an association of its own; each method delivers one kind."""

    def __init__(self, calls: NodeCalls, find: FindNode, availability: AvailabilityService) -> None:
        self._calls = calls
        self._find = find
        self._availability = availability

    def created(self, one: Delivery) -> None:
        """Tell of a step that was made; a node that knows it already has heard it."""
        told = _Told(
            MPPS, partial(n_create_rq, sop_class_uid=MPPS, sop_instance_uid=one.about), orjson.loads(one.payload)
        )
        self._tell(one, told, heard=lambda command: command.status == Status.DUPLICATE_SOP_INSTANCE)

    def changed(self, one: Delivery) -> None:
        """Tell of a step that has changed; a node where it is final already has heard it, for nobody else tells it."""
        command = partial(n_set_rq, sop_class_uid=MPPS, sop_instance_uid=one.about)
        told = _Told(MPPS, command, orjson.loads(one.payload))
        self._tell(one, told, heard=lambda command: command.error_id == NOT_UPDATABLE)

    def event(self, one: Delivery) -> None:
        """Tell that the state of a step has changed, as its provider (PS3.4 §F.9)."""
        uid, event = MPPS_NOTIFICATION, int(one.payload)
        command = partial(n_event_report_rq, sop_class_uid=uid, sop_instance_uid=one.about, event_type_id=event)
        self._tell(one, _Told(uid, command, roles=(RoleSelection(uid, scu_role=False, scp_role=True),)))

    def available(self, one: Delivery) -> None:
        """Tell which instances of a study are here; nothing where they are gone again."""
        uid = INSTANCE_AVAILABILITY_NOTIFICATION
        for notice in self._availability.notices(one):
            command = partial(n_create_rq, sop_class_uid=uid, sop_instance_uid=notice.sop_instance_uid)
            told = _Told(uid, command, notice.model)
            self._tell(one, told, heard=lambda command: command.status == Status.DUPLICATE_SOP_INSTANCE)

    def _tell(self, one: Delivery, told: _Told, heard: Callable[[Command], bool] = lambda _: False) -> None:
        node = self._find(one.destination)
        if node.deidentify:
            raise DeliveryRefusedError(f"what goes to {node.ae_title} is de-identified, and this cannot be")

        async def work(association: ClientAssociation) -> Message:
            syntax = association.context(told.sop_class_uid).transfer_syntax
            dataset = None if told.model is None else encode(told.model, syntax)
            return await association.request(told.sop_class_uid, told.command, dataset)

        command = self._calls.run(node, (told.sop_class_uid,), work, told.roles).command
        status = command.status or 0
        if not is_failure(status):
            _log.info("a node was told", destination=node.ae_title, kind=one.kind, about=one.about)
        elif heard(command):
            _log.info("a node had heard it before", destination=node.ae_title, kind=one.kind, about=one.about)
        else:
            raise _refusal(node, command)


def _refusal(node: Node, command: Command) -> DeliveryRefusedError | PeerFailedError:
    status = command.status or 0
    comment = f" ({command.error_comment})" if command.error_comment else ""
    message = f"{node.ae_title} answers {describe(status)}, status {status:#06x}{comment}"
    if status in _FOR_GOOD:
        return DeliveryRefusedError(message)
    return PeerFailedError(message, next_step=reasons.status(status)[1])
