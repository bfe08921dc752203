"""Work items of another node: made, found, claimed, ended and subscribed to, over one association.

Ref: PS3.4 Annex CC.
"""

from collections.abc import AsyncIterator
from typing import Final

from archimage.errors import OperationFailedError
from archimage.net.client import ClientAssociation
from archimage.net.conversation import Message
from archimage.protocol.command import n_action_rq, n_create_rq, n_get_rq, n_set_rq
from archimage.protocol.status import is_failure
from archimage.protocol.uids import UPS_PULL, UPS_PUSH, UPS_WATCH
from archimage.services.datasets import Model, attribute, decode, encode, made
from archimage.services.ups_rules import STATE, TRANSACTION_UID

SOP_CLASSES: Final = (UPS_PUSH, UPS_PULL, UPS_WATCH)
"""What an association has to be for."""
_STATUSES: Final = {
    0xC300: "it is over, and may no longer be updated",
    0xC301: "the Transaction UID is not that of who has claimed it",
    0xC302: "it is IN PROGRESS already",
    0xC303: "it becomes SCHEDULED only by being made",
    0xC304: "it does not tell yet what it must at its end",
    0xC307: "no such work item is kept there",
    0xC308: "the AE title that is to hear is unknown there",
    0xC309: "a new work item has to be SCHEDULED",
    0xC310: "it is not IN PROGRESS yet",
    0xC311: "it is COMPLETED already",
    0xC312: "its performer cannot be told",
    0xC313: "its performer chooses not to cancel",
    0xC314: "that does not go with this instance",
    0xC315: "no events are told there",
}
_CHANGE_STATE, _REQUEST_CANCEL, _SUBSCRIBE, _UNSUBSCRIBE, _SUSPEND = range(1, 6)


class WorkitemClient:
    """Speaks over an association for `SOP_CLASSES`.

    Raises, from all that it does:
        OperationFailedError: the node refuses.
        AssociationError: the association ended, or a SOP class was not accepted.
    """

    def __init__(self, association: ClientAssociation) -> None:
        self._association = association

    async def create(self, model: Model, uid: str) -> str:
        """Make a work item; return its UID."""
        dataset = self._encoded(UPS_PUSH, model)
        response = await self._association.request(
            UPS_PUSH, lambda number: n_create_rq(number, UPS_PUSH, uid or None), dataset
        )
        return self._checked(response).command.affected_sop_instance_uid or uid

    async def get(self, uid: str) -> Model:
        """Return a work item."""
        response = await self._association.request(UPS_PULL, lambda number: n_get_rq(number, UPS_PUSH, uid))
        return self._decoded(UPS_PULL, self._checked(response).dataset or b"")

    async def update(self, uid: str, changes: Model, transaction_uid: str) -> None:
        """Change attributes of a work item that was claimed."""
        model = {**changes, **made(attribute(TRANSACTION_UID, transaction_uid))}
        dataset = self._encoded(UPS_PULL, model)
        response = await self._association.request(UPS_PULL, lambda number: n_set_rq(number, UPS_PUSH, uid), dataset)
        self._checked(response)

    async def change_state(self, uid: str, state: str, transaction_uid: str) -> None:
        """Claim a work item, or end it."""
        told = made(attribute(STATE, state), attribute(TRANSACTION_UID, transaction_uid))
        await self._act(UPS_PULL, uid, _CHANGE_STATE, told)

    async def request_cancel(self, uid: str, reason: str) -> None:
        """Ask for a work item to be cancelled."""
        await self._act(UPS_WATCH, uid, _REQUEST_CANCEL, made(attribute(0x00741238, reason)))

    async def subscribe(self, uid: str, ae_title: str, keys: Model, *, lock: bool) -> None:
        """Have an AE title told of a work item or, by a well-known UID, of all or of what fits keys."""
        told = made(attribute(0x00741234, ae_title), attribute(0x00741230, "TRUE" if lock else "FALSE"))
        await self._act(UPS_WATCH, uid, _SUBSCRIBE, {**keys, **told})

    async def unsubscribe(self, uid: str, ae_title: str) -> None:
        """Have an AE title told no more."""
        await self._act(UPS_WATCH, uid, _UNSUBSCRIBE, made(attribute(0x00741234, ae_title)))

    async def suspend(self, uid: str, ae_title: str) -> None:
        """Have an AE title subscribed to no more work items than it is."""
        await self._act(UPS_WATCH, uid, _SUSPEND, made(attribute(0x00741234, ae_title)))

    async def find(self, keys: Model) -> AsyncIterator[Model]:
        """Yield work items that meet keys."""
        async for match in self._association.find(UPS_PULL, self._encoded(UPS_PULL, keys)):
            yield self._decoded(UPS_PULL, match)

    async def _act(self, through: str, uid: str, action: int, told: Model) -> None:
        dataset = self._encoded(through, told)
        response = await self._association.request(
            through, lambda number: n_action_rq(number, UPS_PUSH, uid, action), dataset
        )
        self._checked(response)

    def _checked(self, response: Message) -> Message:
        status = response.command.status or 0
        if is_failure(status):
            why = _STATUSES.get(status) or response.command.error_comment or f"status {status:#06x}"
            raise OperationFailedError(f"{self._association.node} refuses: {why}", status=status)
        return response

    def _encoded(self, through: str, model: Model) -> bytes:
        return encode(model, self._association.context(through).transfer_syntax)

    def _decoded(self, through: str, dataset: bytes) -> Model:
        return decode(dataset, self._association.context(through).transfer_syntax)
