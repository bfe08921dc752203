"""Every service of the server asks for permission: none can be registered without, and none serves without."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Final

import pytest

from archimage.app import App, build
from archimage.errors import NotAuthorisedError
from archimage.model import callers
from archimage.model.access import Principal
from archimage.model.callers import Caller
from archimage.model.events import InstanceRefused
from archimage.net.dispatch import Incoming, Refused, Registry, Request, Response, ServiceClass
from archimage.net.permitted import DEPARTMENT, OPERATIONS, Permitted
from archimage.net.scp import verification
from archimage.protocol.command import Command, CommandField
from archimage.protocol.negotiation import NegotiatedContext
from archimage.protocol.status import Status
from archimage.protocol.uids import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    NON_PATIENT_STORAGE_SOP_CLASSES,
    STORAGE_SOP_CLASSES,
    VERIFICATION,
)
from archimage.server import registry
from archimage.services.rates import Rates
from archimage.threads import ContextThreads, WorkerThreads
from tests.attacks.wire import CT
from tests.processes import config

_SOMEBODY: Final = Caller("association", "1-1", Principal("127.0.0.1", "SOMEBODY"))


class _Nobody:
    """Stands where the association would be."""

    contexts: Final[dict[int, NegotiatedContext]] = {}

    def at_end(self, *_: object) -> None:
        """Never end."""

    async def store(self, *_: object) -> int:
        """Take nothing."""
        raise AssertionError("an object was sent")

    async def report(self, *_: object) -> int:
        """Hear nothing."""
        raise AssertionError("an event was reported")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """An archive whose policy lets somebody else do everything."""
    rule = '[[rule]]\nname = "Another"\nae_titles = ["ANOTHER"]\nallow = ["all"]\n'
    (tmp_path / "access.toml").write_text(rule, "utf-8")
    with closing(build(config(tmp_path))) as app:
        yield app


@pytest.fixture
def services(app: App) -> Iterator[Registry]:
    """What the server serves."""
    readers = ContextThreads(1, "read")
    with closing(WorkerThreads(1, "ingest")) as ingest:
        yield registry(app, ingest, readers)
    readers.shutdown()


def _context(sop_class_uid: str) -> NegotiatedContext:
    return NegotiatedContext(1, sop_class_uid, EXPLICIT_VR_LITTLE_ENDIAN, 0, as_scu=False, as_scp=True)


def _request(sop_class_uid: str, field: int, destination: str | None = None) -> Request:
    command = Command(field, 1, affected_sop_class_uid=sop_class_uid, move_destination=destination)
    titles = "SOMEBODY", "PACS_SCP", "127.0.0.1"
    return Request(command, _context(sop_class_uid), b"", *titles, asyncio.Event(), _Nobody())


async def _answers(handler_of: Registry, key: tuple[str, int], caller: Caller = _SOMEBODY) -> list[Response]:
    destination = "NODE" if key[1] == CommandField.C_MOVE_RQ else None
    with callers.DoneFor(caller):
        async with aclosing(handler_of.handlers[key](_request(*key, destination))) as responses:
            return [response async for response in responses]


def test_every_sop_class_and_every_command_that_is_served_needs_permission(services: Registry) -> None:
    asked = {uid for uid, _ in services.handlers}
    classes = {*STORAGE_SOP_CLASSES, *NON_PATIENT_STORAGE_SOP_CLASSES}
    stored = classes if CommandField.C_STORE_RQ in services.stream_handlers else set()
    assert set(services.contexts) == asked | stored
    of_objects = {field for uid, field in services.handlers if uid not in DEPARTMENT}
    assert of_objects | set(services.stream_handlers) == set(OPERATIONS)


@pytest.mark.anyio
async def test_none_serves_whom_no_rule_lets(services: Registry, app: App) -> None:
    for key in services.handlers:
        with pytest.raises(NotAuthorisedError, match=r"^SOMEBODY may not "):
            await _answers(services, key)
    replies: list[Response] = []

    def reply(response: Response) -> None:
        replies.append(response)

    command = Command(CommandField.C_STORE_RQ, 1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2")
    with callers.DoneFor(_SOMEBODY):
        for handler in services.stream_handlers.values():
            handler(Incoming(command, _context(CT), "SOMEBODY", reply)).add(memoryview(b""), last=True)
    assert [reply.status for reply in replies] == [Status.NOT_AUTHORISED]
    assert app.services.access.rules


def test_a_command_of_which_nobody_said_what_it_needs_is_not_served(app: App) -> None:
    permitted = Permitted(app.services.access, app.rates, lambda _caller, _why: None, lambda _event: None)
    served = verification.service()
    (handler,) = served.handlers.values()
    with pytest.raises(KeyError):
        permitted.service(ServiceClass(served.contexts, {(VERIFICATION, CommandField.N_ACTION_RQ): handler}))
    with pytest.raises(KeyError):
        permitted.service(
            ServiceClass(
                (), stream_handlers={CommandField.N_CREATE_RQ: lambda incoming: Refused(incoming.reply, Response(0))}
            )
        )


@pytest.mark.anyio
async def test_whoever_is_refused_is_told_once_for_each_request(app: App) -> None:
    denied: list[tuple[Caller, str]] = []
    refused: list[InstanceRefused] = []
    permitted = Permitted(
        app.services.access, app.rates, lambda caller, why: denied.append((caller, why)), refused.append
    )
    served = Registry(permitted.service(verification.service()))
    with pytest.raises(NotAuthorisedError):
        await _answers(served, (VERIFICATION, CommandField.C_ECHO_RQ))
    assert denied == [(_SOMEBODY, "echo was refused: SOMEBODY may not ask whether this archive answers")]
    other = Caller("association", "1-2", Principal("127.0.0.1", "ANOTHER"))
    assert await _answers(served, (VERIFICATION, CommandField.C_ECHO_RQ), other) == [Response(Status.SUCCESS)]
    assert (len(denied), refused) == (1, [])


@pytest.mark.anyio
async def test_who_asks_too_often_is_told_to_wait_and_his_objects_are_not_kept(app: App) -> None:
    other = Caller("association", "1-2", Principal("127.0.0.1", "ANOTHER"))
    rates = Rates("dicom", 0.1)
    permitted = Permitted(app.services.access, rates, lambda _caller, _why: None, lambda _event: None)
    kept: list[Incoming] = []

    def keep(incoming: Incoming) -> Refused:
        kept.append(incoming)
        return Refused(incoming.reply, Response(Status.SUCCESS))

    stored = permitted.service(ServiceClass((), stream_handlers={CommandField.C_STORE_RQ: keep}))
    served = Registry(permitted.service(verification.service()), stored)
    assert await _answers(served, (VERIFICATION, CommandField.C_ECHO_RQ), other) == [Response(Status.SUCCESS)]
    (answer,) = await _answers(served, (VERIFICATION, CommandField.C_ECHO_RQ), other)
    assert answer.status == Status.OUT_OF_RESOURCES
    assert answer.error_comment == "over 0.1 requests a second: try again in 10.0 s"
    replies: list[Response] = []

    def reply(response: Response) -> None:
        replies.append(response)

    command = Command(CommandField.C_STORE_RQ, 1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2")
    with callers.DoneFor(other):
        stored.stream_handlers[CommandField.C_STORE_RQ](Incoming(command, _context(CT), "ANOTHER", reply)).add(
            memoryview(b""), last=True
        )
    assert [one.status for one in replies] == [Status.OUT_OF_RESOURCES]
    assert kept == []
