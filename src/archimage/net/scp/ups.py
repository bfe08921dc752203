"""Unified Procedure Step: answers N-CREATE, N-SET, N-GET, N-ACTION and C-FIND for its push, watch, pull and query.

Whatever SOP class was negotiated, work items are instances of the push SOP class (PS3.4 §CC.3.1). What subscribers are
told goes to their nodes: `net.ups`.

Ref: PS3.4 §CC.2.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from concurrent.futures import Executor
from itertools import islice
from types import MappingProxyType
from typing import Final

from archimage.errors import RefusedOperationError
from archimage.model.ups import Door
from archimage.net.dispatch import Handler, Request, Response, ServiceClass
from archimage.protocol.command import CommandField
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.status import Status
from archimage.protocol.uids import UPS_EVENT, UPS_PULL, UPS_PUSH, UPS_QUERY, UPS_WATCH
from archimage.services import modelmatching
from archimage.services.datasets import SYNTAXES, Model, decode, encode, text
from archimage.services.identifiers import decode_keys
from archimage.services.ups import UNKNOWN, UpsService
from archimage.services.ups_keeping import Procedures
from archimage.services.ups_rules import STATE, TRANSACTION_UID, shown
from archimage.services.ups_subscriptions import DELETION_LOCK, RECEIVING_AE, SubscriptionService

CHANGE_STATE, REQUEST_CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND = range(1, 6)
"""Action Type IDs (PS3.4 Table CC.2.1-1 to CC.2.3-1)."""
_ACTIONS: Final[Mapping[str, frozenset[int]]] = MappingProxyType(
    {
        UPS_PUSH: frozenset({REQUEST_CANCEL}),
        UPS_WATCH: frozenset({REQUEST_CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND}),
        UPS_PULL: frozenset({CHANGE_STATE}),
    }
)
_COMMANDS: Final[Mapping[str, tuple[CommandField, ...]]] = MappingProxyType(
    {
        UPS_PUSH: (CommandField.N_CREATE_RQ, CommandField.N_GET_RQ, CommandField.N_ACTION_RQ),
        UPS_WATCH: (CommandField.N_GET_RQ, CommandField.N_ACTION_RQ, CommandField.C_FIND_RQ),
        UPS_PULL: (CommandField.N_SET_RQ, CommandField.N_GET_RQ, CommandField.N_ACTION_RQ, CommandField.C_FIND_RQ),
        UPS_QUERY: (CommandField.C_FIND_RQ,),
    }
)
_OURS: Final = frozenset({UPS_PUSH, UPS_WATCH, UPS_PULL, UPS_EVENT, UPS_QUERY})
_PAGE: Final = 50


def service(procedures: Procedures, executor: Executor) -> ServiceClass:
    """Make the service; executor runs what blocks."""
    handlers: Mapping[int, Handler] = {
        CommandField.N_CREATE_RQ: _whole(_create, procedures, executor),
        CommandField.N_SET_RQ: _whole(_set, procedures, executor),
        CommandField.N_GET_RQ: _whole(_get, procedures, executor),
        CommandField.N_ACTION_RQ: _whole(_act, procedures, executor),
        CommandField.C_FIND_RQ: _finding(procedures.steps, executor),
    }
    return ServiceClass(
        tuple(SupportedContext(uid, SYNTAXES) for uid in _COMMANDS),
        {(uid, field): handlers[field] for uid, fields in _COMMANDS.items() for field in fields},
    )


def _whole(work: Callable[[Procedures, Request], Response], procedures: Procedures, executor: Executor) -> Handler:
    async def handle(request: Request) -> AsyncGenerator[Response, None]:
        yield await asyncio.get_running_loop().run_in_executor(executor, work, procedures, request)

    return handle


def _create(procedures: Procedures, request: Request) -> Response:
    _check_class(request)
    made = procedures.steps.create(_dataset(request), request.command.affected_sop_instance_uid or "")
    return Response(made.status, sop_instance_uid=made.uid)


def _set(procedures: Procedures, request: Request) -> Response:
    changes = _dataset(request)
    procedures.steps.update(_uid(request), changes, text(changes, TRANSACTION_UID))
    return Response(Status.SUCCESS)


def _get(procedures: Procedures, request: Request) -> Response:
    """Give what is asked for, or all; what is not there is named beside a warning (PS3.4 §CC.2.7.3)."""
    model = shown(procedures.steps.get(_uid(request)))
    wanted = request.command.attribute_identifier_list
    unknown: tuple[int, ...] = ()
    if wanted:
        unknown = tuple(tag for tag in wanted if f"{tag:08X}" not in model)
        model = {name: model[name] for tag in wanted if (name := f"{tag:08X}") in model}
    status = Status.WARNING if unknown else Status.SUCCESS
    return Response(status, encode(model, request.context.transfer_syntax), attributes=unknown or None)


def _act(procedures: Procedures, request: Request) -> Response:
    action, uid, told = request.command.action_type_id or 0, _uid(request), _dataset(request)
    if action not in _ACTIONS[request.context.abstract_syntax]:
        raise RefusedOperationError(f"action {action} is none of this SOP class", status=Status.NO_SUCH_ACTION)
    steps, subscriptions = procedures.steps, procedures.subscriptions
    status: int = Status.SUCCESS
    if action == CHANGE_STATE:
        status = steps.change_state(uid, text(told, STATE), text(told, TRANSACTION_UID))
    elif action == REQUEST_CANCEL:
        status = steps.request_cancel(uid, told, request.calling_ae_title)
    elif action == SUBSCRIBE:
        _subscribe(subscriptions, uid, told)
    elif action == UNSUBSCRIBE:
        subscriptions.unsubscribe(uid, text(told, RECEIVING_AE))
    else:
        subscriptions.suspend(uid, text(told, RECEIVING_AE))
    return Response(status)


def _subscribe(subscriptions: SubscriptionService, uid: str, told: Model) -> None:
    keys = {name: value for name, value in told.items() if name not in {f"{RECEIVING_AE:08X}", f"{DELETION_LOCK:08X}"}}
    locks = text(told, DELETION_LOCK) == "TRUE"
    subscriptions.subscribe(uid, text(told, RECEIVING_AE), Door.DIMSE, keys, lock=locks)


def _finding(steps: UpsService, executor: Executor) -> Handler:
    async def handle(request: Request) -> AsyncGenerator[Response, None]:
        loop = asyncio.get_running_loop()
        pages = _pages(steps, request)
        try:
            while page := await asyncio.shield(loop.run_in_executor(executor, next, pages, ())):
                for response in page:
                    if request.cancelled.is_set():
                        yield Response(Status.CANCEL)
                        return
                    yield response
            yield Response(Status.CANCEL if request.cancelled.is_set() else Status.SUCCESS)
        finally:
            await loop.run_in_executor(executor, pages.close)

    return handle


def _pages(steps: UpsService, request: Request) -> Generator[list[Response], None, None]:
    """Yield pending responses in pages; blocks, from the first step on."""
    syntax = request.context.transfer_syntax
    wanted = modelmatching.parse(decode_keys(request.identifier, syntax))
    found = steps.find(wanted)
    while page := list(islice(found, _PAGE)):
        yield [Response(Status.PENDING, encode(modelmatching.selected(shown(one), wanted), syntax)) for one in page]


def _dataset(request: Request) -> Model:
    return decode(request.identifier, request.context.transfer_syntax)


def _uid(request: Request) -> str:
    _check_class(request)
    uid = request.command.requested_sop_instance_uid
    if not uid:
        raise RefusedOperationError("the request names no work item", status=UNKNOWN)
    return uid


def _check_class(request: Request) -> None:
    """Refuse what is asked of an instance of another service's."""
    if request.command.sop_class_uid not in _OURS:
        message = f"{(request.command.sop_class_uid or 'no SOP class')[:40]} is of another service"
        raise RefusedOperationError(message, status=Status.CLASS_INSTANCE_CONFLICT)
