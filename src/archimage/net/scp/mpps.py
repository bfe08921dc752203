"""Modality Performed Procedure Step and its Retrieve: answers N-CREATE, N-SET and N-GET.

Ref: PS3.4 §F.7, §F.8.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from typing import Final

from archimage.errors import RefusedOperationError
from archimage.net.dispatch import Handler, Request, Response, ServiceClass
from archimage.protocol.command import CommandField
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.status import Status
from archimage.protocol.uids import MPPS, MPPS_RETRIEVE
from archimage.services.datasets import SYNTAXES, decode, encode
from archimage.services.mpps import MppsService

MAX_DATASET_BYTES: Final = 8 << 20
"""Of one step: it may refer to thousands of instances."""


def service(steps: MppsService, executor: Executor) -> ServiceClass:
    """Make the service; executor runs what blocks."""
    return ServiceClass(
        tuple(SupportedContext(uid, SYNTAXES) for uid in (MPPS, MPPS_RETRIEVE)),
        {
            (MPPS, CommandField.N_CREATE_RQ): _handler(_create, steps, executor),
            (MPPS, CommandField.N_SET_RQ): _handler(_set, steps, executor),
            (MPPS_RETRIEVE, CommandField.N_GET_RQ): _handler(_get, steps, executor),
        },
        bounds={
            (MPPS, CommandField.N_CREATE_RQ): MAX_DATASET_BYTES,
            (MPPS, CommandField.N_SET_RQ): MAX_DATASET_BYTES,
        },
    )


def _handler(work: Callable[[MppsService, Request], Response], steps: MppsService, executor: Executor) -> Handler:
    async def handle(request: Request) -> AsyncGenerator[Response, None]:
        yield await asyncio.get_running_loop().run_in_executor(executor, work, steps, request)

    return handle


def _create(steps: MppsService, request: Request) -> Response:
    _check_class(request, MPPS)
    dataset = decode(request.identifier, request.context.transfer_syntax)
    uid = request.command.affected_sop_instance_uid or ""
    step = steps.create(uid, dataset, request.calling_ae_title)
    return Response(Status.SUCCESS, sop_instance_uid=step.sop_instance_uid)


def _set(steps: MppsService, request: Request) -> Response:
    _check_class(request, MPPS)
    steps.change(_uid(request), decode(request.identifier, request.context.transfer_syntax))
    return Response(Status.SUCCESS)


def _get(steps: MppsService, request: Request) -> Response:
    """Give what is asked for, or all; what is not known of the step is named beside a warning (PS3.7 §10.1.2.1.9)."""
    _check_class(request, MPPS, MPPS_RETRIEVE)
    model = steps.get(_uid(request)).dataset
    wanted = request.command.attribute_identifier_list
    unknown: tuple[int, ...] = ()
    if wanted:
        unknown = tuple(tag for tag in wanted if f"{tag:08X}" not in model)
        model = {name: model[name] for tag in wanted if (name := f"{tag:08X}") in model}
    status = Status.ATTRIBUTE_LIST_ERROR if unknown else Status.SUCCESS
    return Response(status, encode(model, request.context.transfer_syntax), attributes=unknown or None)


def _uid(request: Request) -> str:
    uid = request.command.requested_sop_instance_uid
    if not uid:
        raise RefusedOperationError("the request names no step", status=Status.NO_SUCH_SOP_INSTANCE)
    return uid


def _check_class(request: Request, *sop_class_uids: str) -> None:
    """Refuse what is asked of an instance of another SOP class than the context is for."""
    if request.command.sop_class_uid not in sop_class_uids:
        message = f"{(request.command.sop_class_uid or 'no SOP class')[:40]} is of another service"
        raise RefusedOperationError(message, status=Status.CLASS_INSTANCE_CONFLICT)
