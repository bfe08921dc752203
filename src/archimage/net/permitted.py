"""What each DIMSE request needs permission for: asked for around those who serve it, and their work kept to the grant.

A request that is not permitted is answered 0x0124, and the audit trail hears of it.
Ref: PS3.7 Annex C (Refused: Not authorized).
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from archimage.errors import ArchimageError, NotAuthorisedError
from archimage.model import callers
from archimage.model.access import NOBODY, Grant, Operation
from archimage.model.callers import Caller
from archimage.model.events import InstanceRefused
from archimage.net import dispatch
from archimage.net.dispatch import Handler, Incoming, Refused, Request, Response, ServiceClass, StreamHandler, refusal
from archimage.protocol import uids
from archimage.protocol.command import CommandField
from archimage.protocol.status import Status
from archimage.services.access import AccessService
from archimage.services.rates import Rates, limited_as

OPERATIONS: Final[Mapping[int, Operation]] = MappingProxyType(
    {
        CommandField.C_ECHO_RQ: Operation.ECHO,
        CommandField.C_FIND_RQ: Operation.QUERY,
        CommandField.C_GET_RQ: Operation.RETRIEVE,
        CommandField.C_MOVE_RQ: Operation.RETRIEVE,
        CommandField.C_STORE_RQ: Operation.STORE,
    }
)
"""What whoever sends a command must be allowed to do; C-MOVE needs move-to as well, for its destination."""
DEPARTMENT: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        uids.MODALITY_WORKLIST_FIND: Operation.WORKLIST,
        uids.MPPS: Operation.WORKLIST,
        uids.MPPS_RETRIEVE: Operation.WORKLIST,
        uids.MPPS_NOTIFICATION: Operation.WORKLIST,
        uids.UPS_PUSH: Operation.WORKLIST,
        uids.UPS_WATCH: Operation.WORKLIST,
        uids.UPS_PULL: Operation.WORKLIST,
        uids.UPS_EVENT: Operation.WORKLIST,
        uids.UPS_QUERY: Operation.WORKLIST,
        uids.STORAGE_COMMITMENT_PUSH: Operation.STORE,
        uids.INSTANCE_AVAILABILITY_NOTIFICATION: Operation.STORE,
        uids.BASIC_GRAYSCALE_PRINT_MANAGEMENT_META: Operation.PRINT,
        uids.BASIC_COLOR_PRINT_MANAGEMENT_META: Operation.PRINT,
        uids.PRINT_JOB: Operation.PRINT,
        uids.PRINTER: Operation.PRINT,
        uids.PRESENTATION_LUT: Operation.PRINT,
        uids.BASIC_ANNOTATION_BOX: Operation.PRINT,
    }
)
"""The same by SOP class, whatever the command: of services that are about no stored objects."""

Denied = Callable[[Caller, str], None]
"""Hears that somebody was not let do what he asked for, and why."""
Publish = Callable[[InstanceRefused], None]


class Permitted:
    """Puts services under the access policy: denied hears of requests, refused of objects.

    What comes beyond somebody's rate is answered 0xA700, an object before it is kept.
    """

    def __init__(self, access: AccessService, rates: Rates, denied: Denied, refused: Publish) -> None:
        self._access = access
        self._rates = rates
        self._denied = denied
        self._refused = refused

    def service(self, service: ServiceClass) -> ServiceClass:
        """Return a service whose requests are served as far as they are permitted.

        Raises:
            KeyError: nobody has said what one of its commands needs.
        """
        handlers = {
            (uid, field): self._around(handler, DEPARTMENT.get(uid) or OPERATIONS[field])
            for (uid, field), handler in service.handlers.items()
        }
        streams = {
            field: self._before(handler, OPERATIONS[field]) for field, handler in service.stream_handlers.items()
        }
        return replace(service, handlers=handlers, stream_handlers=streams)

    def _around(self, handler: Handler, operation: Operation) -> Handler:
        async def handle(request: Request) -> AsyncGenerator[Response, None]:
            if (limited := self._limited()) is not None:
                yield limited
                return
            try:
                callers.limit(self._grant(operation, request.command.move_destination))
                async with aclosing(handler(request)) as responses:
                    async for response in responses:
                        yield response
            except NotAuthorisedError as error:
                self._denied(_caller(), f"{operation.value} was refused: {error}")
                raise

        return handle

    def _limited(self) -> Response | None:
        """Return the answer to somebody who asks too often, None where he does not."""
        if not self._rates.per_s:
            return None
        wait_s = self._rates.take(limited_as(_caller().principal))
        if not wait_s:
            return None
        comment = f"over {self._rates.per_s:g} requests a second: try again in {wait_s:.1f} s"
        return Response(Status.OUT_OF_RESOURCES, error_comment=comment)

    def _grant(self, operation: Operation, destination: str | None) -> Grant:
        """Return what the peer may do; with a destination, of what it may have sent there."""
        principal = _caller().principal
        grant = self._access.permit(principal, operation)
        if destination is None:
            return grant
        moving = self._access.permit(principal, Operation.MOVE_TO, destination.strip())
        return replace(grant, within=(*grant.within, *moving.within))

    def _before(self, handler: StreamHandler, operation: Operation) -> StreamHandler:
        def begin(incoming: Incoming) -> dispatch.Operation:
            if (limited := self._limited()) is not None:
                return Refused(incoming.reply, limited)
            try:
                grant = self._access.permit(_caller().principal, operation)
            except ArchimageError as error:
                uid = incoming.command.affected_sop_instance_uid or ""
                self._refused(InstanceRefused(uid, incoming.calling_ae_title, str(error), incoming.association_id))
                return Refused(incoming.reply, refusal(error, incoming.command.field))
            if not grant.within:
                return handler(incoming)
            with callers.under(grant):
                return handler(incoming)

        return begin


_UNKNOWN: Final = Caller("association", "", NOBODY)


def _caller() -> Caller:
    return callers.current() or _UNKNOWN
