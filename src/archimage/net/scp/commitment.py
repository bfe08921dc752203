"""Storage commitment: takes requests (N-ACTION) and tells results on the same association, while that waits; hears the
results of what this archive has asked (N-EVENT-REPORT).

Ref: PS3.4 §J.3.2, §J.3.3.
"""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from contextlib import suppress
from typing import Final

from archimage.errors import RefusedOperationError
from archimage.logger import logger
from archimage.model.commitments import Reference
from archimage.net.commitment import event, read_result
from archimage.net.dispatch import Handler, Request, Response, ServiceClass
from archimage.protocol.command import CommandField
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.status import Status, is_failure
from archimage.protocol.uids import STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE
from archimage.services import datasets
from archimage.services.commitment_messages import REQUEST, parse_request, result
from archimage.services.commitment_requests import CommitmentRequestService
from archimage.services.commitments import CommitmentService

MAX_BYTES: Final = 16 << 20
"""Of a request or a result: 100,000 objects take up to 15 MB."""
_log = logger("dimse")


def service(commitments: CommitmentService, requests: CommitmentRequestService, executor: Executor) -> ServiceClass:
    """Make the service; executor runs what blocks."""
    served = _Served(commitments, requests, executor)
    handlers: dict[tuple[str, int], Handler] = {
        (STORAGE_COMMITMENT_PUSH, CommandField.N_ACTION_RQ): served.act,
        (STORAGE_COMMITMENT_PUSH, CommandField.N_EVENT_REPORT_RQ): served.hear,
    }
    context = SupportedContext(STORAGE_COMMITMENT_PUSH, datasets.SYNTAXES, scu_role=True)
    return ServiceClass((context,), handlers, bounds=dict.fromkeys(handlers, MAX_BYTES))


class _Served:
    def __init__(self, commitments: CommitmentService, requests: CommitmentRequestService, executor: Executor) -> None:
        self._commitments = commitments
        self._requests = requests
        self._executor = executor

    async def act(self, request: Request) -> AsyncGenerator[Response, None]:
        """Keep a request, answer it, and tell what came of it for as long as the asker stays."""
        loop = asyncio.get_running_loop()
        uid, references = await loop.run_in_executor(self._executor, self._take, request)
        heard = False
        try:
            yield Response(Status.SUCCESS)
            heard = await self._report(request, uid, references)
        except Exception as error:  # it was answered: whatever goes wrong is no second answer
            _log.info("a commitment is reported on another association", transaction=uid, reason=str(error))
        finally:
            with suppress(RuntimeError):  # this process ends; another one, or the next, looks for it
                self._executor.submit(self._let_go, uid, heard)  # even if the asker leaves now

    def _let_go(self, uid: str, heard: bool) -> None:
        try:
            self._commitments.let_go(uid, heard=heard)
        except Exception as error:  # nobody waits for this call: what is not told here is told nowhere
            _log.warning("a commitment is reported again later", transaction=uid, reason=repr(error))

    def _take(self, request: Request) -> tuple[str, list[Reference]]:
        command = request.command
        if command.requested_sop_instance_uid != STORAGE_COMMITMENT_PUSH_INSTANCE:
            raise RefusedOperationError("there is no such instance", status=Status.NO_SUCH_SOP_INSTANCE)
        if command.action_type_id != REQUEST:
            message = f"there is no action {command.action_type_id} here"
            raise RefusedOperationError(message, status=Status.NO_SUCH_ACTION)
        uid, references = parse_request(datasets.decode(request.identifier, request.context.transfer_syntax))
        self._commitments.take(request.calling_ae_title, uid, references)
        return uid, references

    async def _report(self, request: Request, uid: str, references: list[Reference]) -> bool:
        """Tell a result to the very association that asked; return whether it was heard."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._commitments.same_association_s):
            outcome = await asyncio.shield(asyncio.wrap_future(self._commitments.verify(uid)))
        event_type, model = result(uid, references, outcome)
        encoded = await loop.run_in_executor(self._executor, datasets.encode, model, request.context.transfer_syntax)
        return not is_failure(await request.channel.report(request.context.context_id, event(event_type, 0), encoded))

    async def hear(self, request: Request) -> AsyncGenerator[Response, None]:
        """Keep the result of what was asked from here."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._hear, request)
        yield Response(Status.SUCCESS)

    def _hear(self, request: Request) -> None:
        result = read_result(request.command, request.identifier, request.context.transfer_syntax)
        self._requests.hear(request.calling_ae_title, result)
