"""Print management: film sessions, boxes and presentation LUTs by N-CREATE, N-SET, N-ACTION and N-DELETE; N-GET of the
printer and of print jobs, and N-EVENT-REPORT of what becomes of these.

Ref: PS3.4 Annex H.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

from archimage.dicom.film.received import decode_image_box
from archimage.errors import ArchimageError, OutOfResourcesError, RefusedOperationError
from archimage.model.printing import JobState, PrintJob
from archimage.net.dispatch import Handler, Request, Response, ServiceClass, SubOperations
from archimage.protocol import uids
from archimage.protocol.command import CommandField, n_event_report_rq
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.status import Status
from archimage.services import printtold
from archimage.services.datasets import SYNTAXES, Model, attribute, decode, encode, made
from archimage.services.filmsession import FilmSession
from archimage.services.printattributes import reference
from archimage.services.printing import PrintService

LOOK_EVERY_S: Final = 0.5
"""How often it is looked what has become of the jobs of an association."""
MAX_WATCHED: Final = 1_000
GREY: Final = uids.BASIC_GRAYSCALE_PRINT_MANAGEMENT_META
COLOUR: Final = uids.BASIC_COLOR_PRINT_MANAGEMENT_META
_QUEUE_IS_FULL: Final[Mapping[str, int]] = {uids.BASIC_FILM_SESSION: 0xC601, uids.BASIC_FILM_BOX: 0xC602}
_CLASSES: Final[Mapping[str, frozenset[str]]] = {
    GREY: frozenset({uids.BASIC_FILM_SESSION, uids.BASIC_FILM_BOX, uids.BASIC_GRAYSCALE_IMAGE_BOX, uids.PRINTER}),
    COLOUR: frozenset({uids.BASIC_FILM_SESSION, uids.BASIC_FILM_BOX, uids.BASIC_COLOR_IMAGE_BOX, uids.PRINTER}),
    uids.BASIC_ANNOTATION_BOX: frozenset({uids.BASIC_ANNOTATION_BOX}),
    uids.PRESENTATION_LUT: frozenset({uids.PRESENTATION_LUT}),
    uids.PRINT_JOB: frozenset({uids.PRINT_JOB}),
    uids.PRINTER: frozenset({uids.PRINTER}),
}
"""The SOP classes of each context: a meta SOP class has several."""
_REFERENCED_JOBS: Final = 0x21000500
_EVENTS: Final[Mapping[JobState, int]] = {
    JobState.PENDING: 1,
    JobState.PRINTING: 2,
    JobState.DONE: 3,
    JobState.FAILED: 4,
    JobState.CANCELLED: 4,
}
_PRINTER_FAILURE: Final = 3

Result = TypeVar("Result")


@dataclass(slots=True)
class _Held:
    """What one association has here: requests take their turn."""

    session: FilmSession
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    told: dict[str, JobState] = field(default_factory=dict)
    watching: asyncio.Task[None] | None = None


def service(printing: PrintService, executor: Executor) -> ServiceClass:
    """Make the service; executor runs what blocks."""
    return _PrintScp(printing, executor).service()


class _PrintScp:
    """Serves print management; state is kept for each association until its end."""

    def __init__(self, printing: PrintService, executor: Executor) -> None:
        self._printing = printing
        self._executor = executor
        self._held: dict[SubOperations, _Held] = {}

    def service(self) -> ServiceClass:
        """Return what the server is to know."""
        whole: Mapping[int, Handler] = {
            CommandField.N_CREATE_RQ: self._create,
            CommandField.N_SET_RQ: self._set,
            CommandField.N_ACTION_RQ: self._act,
            CommandField.N_DELETE_RQ: self._delete,
            CommandField.N_GET_RQ: self._get,
        }
        served: Mapping[str, Mapping[int, Handler]] = {
            GREY: whole,
            COLOUR: whole,
            uids.BASIC_ANNOTATION_BOX: {CommandField.N_SET_RQ: self._set},
            uids.PRESENTATION_LUT: {CommandField.N_CREATE_RQ: self._create, CommandField.N_DELETE_RQ: self._delete},
            uids.PRINT_JOB: {CommandField.N_GET_RQ: self._get},
            uids.PRINTER: {CommandField.N_GET_RQ: self._get},
        }
        most_bytes = self._printing.config.max_image_bytes
        return ServiceClass(
            tuple(SupportedContext(uid, SYNTAXES) for uid in served),
            {(uid, field_): handler for uid, handlers in served.items() for field_, handler in handlers.items()},
            bounds=dict.fromkeys([(GREY, CommandField.N_SET_RQ), (COLOUR, CommandField.N_SET_RQ)], most_bytes),
        )

    async def _create(self, request: Request) -> AsyncGenerator[Response, None]:
        command, context = request.command, request.context
        sop_class = _class_in(request, command.affected_sop_class_uid)
        given = decode(request.identifier, context.transfer_syntax)
        colour, uid = context.abstract_syntax == COLOUR, command.affected_sop_instance_uid or ""
        answer = await self._in_turn(request, lambda session: session.create(sop_class, uid, given, colour=colour))
        yield Response(
            answer.warned,
            encode(answer.told, context.transfer_syntax),
            sop_instance_uid=answer.uid,
            attributes=answer.unknown or None,
        )

    async def _set(self, request: Request) -> AsyncGenerator[Response, None]:
        sop_class, uid = self._requested(request)
        pixels: memoryview | None = None
        if sop_class in {uids.BASIC_GRAYSCALE_IMAGE_BOX, uids.BASIC_COLOR_IMAGE_BOX}:
            given, pixels = await self._run(decode_image_box, request.identifier, request.context.transfer_syntax)
        else:
            given = decode(request.identifier, request.context.transfer_syntax)
        answer = await self._in_turn(request, lambda session: session.change(sop_class, uid, given, pixels))
        yield Response(answer.warned, attributes=answer.unknown or None)

    async def _delete(self, request: Request) -> AsyncGenerator[Response, None]:
        sop_class, uid = self._requested(request)
        await self._in_turn(request, lambda session: session.delete(sop_class, uid))
        yield Response(Status.SUCCESS)

    async def _act(self, request: Request) -> AsyncGenerator[Response, None]:
        sop_class, uid = self._requested(request)
        action = request.command.action_type_id or 0

        def submit(session: FilmSession) -> tuple[PrintJob, int]:
            printed = session.printed(sop_class, uid, action)
            try:
                job = self._printing.submit(printed, request.called_ae_title, request.calling_ae_title)
            except OutOfResourcesError as error:
                raise RefusedOperationError(str(error), status=_QUEUE_IS_FULL[sop_class]) from error
            return job, printed.status

        job, status = await self._in_turn(request, submit)
        told: Model = {}
        if _context_of(request.channel, uids.PRINT_JOB) is not None:
            told = made(attribute(_REFERENCED_JOBS, reference(uids.PRINT_JOB, job.uid)))
            self._watch(request, job)
        yield Response(status, encode(told, request.context.transfer_syntax) if told else None)

    async def _get(self, request: Request) -> AsyncGenerator[Response, None]:
        sop_class, uid = self._requested(request)
        told = await self._run(self._told, sop_class, uid, request.called_ae_title)
        wanted = request.command.attribute_identifier_list or ()
        unknown = tuple(tag for tag in wanted if f"{tag:08X}" not in told)
        if wanted:
            told = {key: value for key, value in told.items() if int(key, 16) in wanted}
        status = Status.ATTRIBUTE_LIST_ERROR if unknown else Status.SUCCESS
        yield Response(status, encode(told, request.context.transfer_syntax), attributes=unknown or None)

    def _told(self, sop_class: str, uid: str, printer: str) -> Model:
        """Return the attributes of the printer, by the name that it was called, or of a job."""
        if sop_class == uids.PRINT_JOB:
            return printtold.job(self._printing.known(uid))
        if sop_class != uids.PRINTER:
            raise RefusedOperationError("this cannot be got", status=Status.UNRECOGNISED_OPERATION)
        if uid != uids.PRINTER_INSTANCE:
            raise RefusedOperationError("there is no such instance", status=Status.NO_SUCH_SOP_INSTANCE)
        return printtold.printer(printer, self._printing.fault())

    def _requested(self, request: Request) -> tuple[str, str]:
        command = request.command
        return _class_in(request, command.requested_sop_class_uid), command.requested_sop_instance_uid or ""

    async def _in_turn(self, request: Request, work: Callable[[FilmSession], Result]) -> Result:
        """Do something with the association's session, one request after the other."""
        held = self._held.get(request.channel)
        if held is None:
            held = self._held[request.channel] = _Held(self._printing.session())
            request.channel.at_end(lambda: self._end(request.channel))
        async with held.turn:
            return await self._run(work, held.session)

    async def _run(self, work: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)

    def _end(self, channel: SubOperations) -> None:
        held = self._held.pop(channel)
        if held.watching is not None:
            held.watching.cancel()
        self._executor.submit(held.session.close)

    def _watch(self, request: Request, job: PrintJob) -> None:
        """Tell the peer what becomes of a job, from now to the end of either."""
        held = self._held[request.channel]
        if len(held.told) < MAX_WATCHED:
            held.told[job.uid] = JobState.PENDING
        if held.watching is None or held.watching.done():
            held.watching = asyncio.create_task(self._tell(request, held))

    async def _tell(self, request: Request, held: _Held) -> None:
        channel = request.channel
        context_id = _context_of(channel, uids.PRINT_JOB) or 0
        syntax = channel.contexts[context_id].transfer_syntax
        with suppress(ArchimageError):  # the peer goes, or the index waits: jobs go on without being told of
            while held.told:
                await asyncio.sleep(LOOK_EVERY_S)
                for uid, state in list(held.told.items()):
                    job = await self._run(self._printing.known, uid)
                    if job.state is state:
                        continue
                    held.told[uid] = job.state
                    if job.state.is_over:
                        del held.told[uid]
                    report = n_event_report_rq(0, uids.PRINT_JOB, uid, _EVENTS[job.state])
                    await channel.report(context_id, report, encode(printtold.event(job), syntax))
                    if job.state is JobState.FAILED:
                        await self._tell_of_printer(request)

    async def _tell_of_printer(self, request: Request) -> None:
        """Tell the peer that the printer does not work, if that is so."""
        if fault := await self._run(self._printing.fault):
            report = n_event_report_rq(0, uids.PRINTER, uids.PRINTER_INSTANCE, _PRINTER_FAILURE)
            told = printtold.printer_event(request.called_ae_title, fault)
            await request.channel.report(
                request.context.context_id, report, encode(told, request.context.transfer_syntax)
            )


def _class_in(request: Request, sop_class_uid: str | None) -> str:
    """Return the SOP class of a request, which has to be one of its context."""
    found = sop_class_uid or ""
    if found not in _CLASSES[request.context.abstract_syntax]:
        raise RefusedOperationError("this SOP class is none of its context", status=Status.NO_SUCH_SOP_CLASS)
    return found


def _context_of(channel: SubOperations, abstract_syntax: str) -> int | None:
    """Return the id of an association's context for a SOP class."""
    return next((key for key, one in channel.contexts.items() if one.abstract_syntax == abstract_syntax), None)
