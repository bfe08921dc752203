"""Events of work items on their way to nodes: N-EVENT-REPORT on an association of ours.

We are the provider of the UPS Event SOP class there, and say so by role selection.
Ref: PS3.4 §CC.2.4, PS3.7 §D.3.3.4.
"""

from collections.abc import Callable

import orjson

from archimage.errors import DeliveryRefusedError, NotFoundError, OperationFailedError, UnknownDestinationError
from archimage.model.deliveries import Delivery
from archimage.model.nodes import Node
from archimage.net.calls import NodeCalls, check
from archimage.net.client import ClientAssociation
from archimage.protocol.command import n_event_report_rq
from archimage.protocol.items import RoleSelection
from archimage.protocol.uids import UPS_EVENT, UPS_PUSH
from archimage.services.datasets import encode
from archimage.services.deliveries import Deliver

_ROLES = (RoleSelection(UPS_EVENT, scu_role=False, scp_role=True),)


def delivery(calls: NodeCalls, node_of: Callable[[str], Node]) -> Deliver:
    """Return what tells a node of an event."""

    def deliver(one: Delivery) -> None:
        try:
            node = node_of(one.destination)
        except (NotFoundError, UnknownDestinationError) as error:
            raise DeliveryRefusedError(f"{one.destination} is no node any more") from error
        told = orjson.loads(one.payload)

        async def report(association: ClientAssociation) -> None:
            dataset = encode(told["model"], association.context(UPS_EVENT).transfer_syntax)
            response = await association.request(
                UPS_EVENT, lambda number: n_event_report_rq(number, UPS_PUSH, one.about, told["type"]), dataset
            )
            check(node, response, "an event of a work item")

        try:
            calls.run(node, (UPS_EVENT,), report, _ROLES)
        except OperationFailedError as error:  # it has heard it, and does not want it
            raise DeliveryRefusedError(str(error)) from error

    return deliver
