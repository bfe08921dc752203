"""`archimage ups`: make, find, claim and end work items of an archive, and hear of them."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from archimage.cli.options import CALLED, CALLING, Called, Calling, Host, Json, Keys, Port, Tls
from archimage.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from archimage.net.dispatch import Request, Response
    from archimage.net.procedures import WorkitemClient
    from archimage.services.datasets import Model

app = typer.Typer(help="Work items (Unified Procedure Steps) of a peer.", no_args_is_help=True)

Uid = Annotated[str, typer.Argument(help="UID of the work item.", metavar="UID")]
Subject = Annotated[str, typer.Argument(help="UID of a work item; `all`; `filter`, with keys.", metavar="WHAT")]
Transaction = Annotated[
    str, typer.Option("--transaction", help="Transaction UID of who has claimed it.", metavar="UID")
]
Receiver = Annotated[str, typer.Option("--receiver", help="AE title that is to hear; --calling if not given.")]
Lock = Annotated[bool, typer.Option("--lock", help="Keep what is final from being deleted.")]
_GLOBAL: Final = {"all": "1.2.840.10008.5.1.4.34.5", "filter": "1.2.840.10008.5.1.4.34.5.1"}
_GRACE_S: Final = 1.0
"""What a peer has to end the association of the last event that is waited for."""
_SHOWN: Final = {
    "UID": 0x00080018,
    "state": 0x00741000,
    "priority": 0x00741200,
    "start": 0x00404005,
    "patient": 0x00100020,
    "worklist": 0x00741202,
    "label": 0x00741204,
}


@app.command("create")
def create(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    label: Annotated[str, typer.Option(help="What is to be done.")] = "Read",
    worklist: Annotated[str, typer.Option(help="Worklist that it is of.")] = "",
    patient_id: Annotated[str, typer.Option("--patient-id", help="Patient ID.")] = "",
    patient_name: Annotated[str, typer.Option("--patient-name", help="Patient's name, `Family^Given`.")] = "",
    priority: Annotated[str, typer.Option(help="HIGH, MEDIUM or LOW.")] = "MEDIUM",
    start: Annotated[str, typer.Option(help="When it is to begin, `YYYYMMDDHHMMSS`; now if not given.")] = "",
    uid: Annotated[str, typer.Option(help="UID of it; the peer makes one if not given.")] = "",
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
    json: Json = False,
) -> None:
    """Make a work item; print its UID."""
    from archimage.services.ups_making import scheduled

    model = scheduled(label, worklist, patient_id, patient_name, (priority, start))

    async def work(client: "WorkitemClient") -> None:
        made = await client.create(model, uid)
        print_json({"uid": made}) if json else typer.echo(made)

    _with(host, port, calling, called, tls, work)


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    key: Keys = None,
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
    json: Json = False,
) -> None:
    """List work items that meet keys, such as `-k ProcedureStepState=SCHEDULED`."""
    from archimage.services.datasets import attribute, made, text

    keys = {**made(*(attribute(tag) for tag in _SHOWN.values())), **_keys(key)}

    async def work(client: "WorkitemClient") -> None:
        found = [one async for one in client.find(keys)]
        if json:
            print_json(found)
        else:
            say(f"{len(found)} work items")
            print_table(list(_SHOWN), [{name: text(one, tag) for name, tag in _SHOWN.items()} for one in found])

    _with(host, port, calling, called, tls, work)


@app.command("show")
def show(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    uid: Uid,
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
    json: Json = False,
) -> None:
    """Show a work item; with --json all of it, in the DICOM JSON Model."""
    from archimage.services.datasets import text

    async def work(client: "WorkitemClient") -> None:
        found = await client.get(uid)
        if json:
            print_json(found)
        else:
            for name, tag in _SHOWN.items():
                typer.echo(f"{name}: {text(found, tag)}")

    _with(host, port, calling, called, tls, work)


@app.command("claim")
def claim(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    uid: Uid,
    transaction: Transaction = "",
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
    json: Json = False,
) -> None:
    """Claim a work item; print the Transaction UID, which only who has claimed it knows."""
    from archimage.model.ids import new_uid

    mine = transaction or new_uid()

    async def work(client: "WorkitemClient") -> None:
        await client.change_state(uid, "IN PROGRESS", mine)
        print_json({"transaction_uid": mine}) if json else typer.echo(mine)

    _with(host, port, calling, called, tls, work)


@app.command("complete")
def complete(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    uid: Uid,
    transaction: Transaction,
    station: Annotated[str, typer.Option(help="Code of the station where it was done.")] = "ARCHIMAGE",
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
) -> None:
    """Tell what was done, unless the work item tells it already, and end it."""
    from archimage.services.datasets import is_empty
    from archimage.services.ups_making import performed
    from archimage.services.ups_rules import PERFORMED

    async def work(client: "WorkitemClient") -> None:
        if is_empty(await client.get(uid), PERFORMED):
            await client.update(uid, performed(station), transaction)
        await client.change_state(uid, "COMPLETED", transaction)

    _with(host, port, calling, called, tls, work)


@app.command("cancel")
def cancel(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    uid: Uid,
    transaction: Transaction = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
) -> None:
    """Cancel a work item that was claimed, with its Transaction UID; without one ask for it to be cancelled."""
    from archimage.services.ups_making import cancelled

    async def work(client: "WorkitemClient") -> None:
        if not transaction:
            await client.request_cancel(uid, reason)
            return
        await client.update(uid, cancelled(reason), transaction)
        await client.change_state(uid, "CANCELED", transaction)

    _with(host, port, calling, called, tls, work)


@app.command("subscribe")
def subscribe(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    what: Subject,
    receiver: Receiver = "",
    key: Keys = None,
    lock: Lock = False,
    off: Annotated[bool, typer.Option("--off", help="Tell it no more.")] = False,
    suspend: Annotated[bool, typer.Option("--suspend", help="Tell it of nothing that is new.")] = False,
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
) -> None:
    """Have an AE title told of a work item, or of all; the peer must know its address."""
    uid, title, keys = _GLOBAL.get(what, what), receiver or calling, _keys(key)

    async def work(client: "WorkitemClient") -> None:
        if off:
            await client.unsubscribe(uid, title)
        elif suspend:
            await client.suspend(uid, title)
        else:
            await client.subscribe(uid, title, keys, lock=lock)

    _with(host, port, calling, called, tls, work)


@app.command("watch")
def watch(
    port: Annotated[int, typer.Argument(help="Port to listen on.", metavar="PORT", min=1, max=65535)],
    calling: Calling = CALLING,
    count: Annotated[int, typer.Option(min=0, help="End after so many events; 0: never.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    json: Json = False,
) -> None:
    """Print events of work items as a peer tells them to --calling, at this port."""
    from archimage.cli import peer
    from archimage.config_observing import LogConfig
    from archimage.observe import logs

    logs.configure(LogConfig(level="error"))
    events: list[dict[str, object]] = []

    def hear(told: dict[str, object]) -> None:
        events.append(told)
        typer.echo(orjson.dumps(told).decode() if json else f"{told['uid']} {told['event']} {told['state']}".rstrip())

    peer.run(_listening(host, port, calling, hear, lambda: bool(count) and len(events) >= count))


async def _listening(
    host: str, port: int, title: str, hear: Callable[[dict[str, object]], None], done: Callable[[], bool]
) -> None:
    import asyncio

    from archimage.net.admission import AdmissionPolicy
    from archimage.net.dispatch import Registry, Response, ServiceClass
    from archimage.net.scp import verification
    from archimage.net.server import DicomServer, bind
    from archimage.protocol.association import AssociationSettings
    from archimage.protocol.command import CommandField
    from archimage.protocol.negotiation import SupportedContext
    from archimage.protocol.uids import UPS_EVENT
    from archimage.services.datasets import SYNTAXES, decode, text

    ended = asyncio.Event()

    async def heard(request: "Request") -> AsyncGenerator["Response", None]:
        model = decode(request.identifier, request.context.transfer_syntax)
        uid, kind = request.command.affected_sop_instance_uid, request.command.event_type_id
        hear({"uid": uid, "event": kind, "state": text(model, 0x00741000), "model": model})
        yield Response(0)
        if done():
            ended.set()

    # Who tells of events is their SCP and has to say so by a role; toolkits that cannot (dcmjs-dimse) are heard too.
    context = SupportedContext(UPS_EVENT, SYNTAXES, scu_role=True)
    service = ServiceClass((context,), {(UPS_EVENT, CommandField.N_EVENT_REPORT_RQ): heard})
    registry = Registry(verification.service(), service)
    server = DicomServer(AssociationSettings(title), registry, AdmissionPolicy(frozenset({title})))
    await server.listen(bind(host, port, shared=False))
    try:
        await ended.wait()
    finally:
        await server.close(_GRACE_S)


def _keys(given: list[str] | None) -> "Model":
    """Read keys: keywords or tags, with values."""
    from archimage.services.qido import keys_of, parse_path
    from archimage.services.ups_events import keys_model

    pairs = [one.partition("=") for one in given or ()]
    return keys_model(keys_of([(parse_path(name.replace(",", "")), value) for name, _, value in pairs], ()))


def _with(
    host: str, port: int, calling: str, called: str, tls: bool, work: Callable[["WorkitemClient"], Awaitable[Any]]
) -> None:
    """Do work on an association with a peer."""
    from archimage.cli import peer
    from archimage.net.procedures import SOP_CLASSES, WorkitemClient
    from archimage.net.proposals import for_services

    node = peer.node(called, host, port, tls=tls)

    async def run() -> None:
        async with await peer.associate(node, calling, for_services(*SOP_CLASSES)) as association:
            await work(WorkitemClient(association))

    peer.run(run())
