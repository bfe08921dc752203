"""`archimage mpps`: report performed procedure steps to a peer, or look at those of an archive on this machine."""

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archimage.cli.options import CALLED, CALLING, Called, Calling, ConfigFile, Data, Host, Json, Port, Tls
from archimage.cli.output import print_json, print_table, say
from archimage.errors import ConfigError

if TYPE_CHECKING:
    from archimage.net.conversation import RemoteNode
    from archimage.services.datasets import Model
    from archimage.services.mpps import MppsService
    from archimage.services.mpps_building import MadeInstance

app = typer.Typer(
    help="Report what is and was done (MPPS), and look at what others have reported.", no_args_is_help=True
)

_PAGE = 1_000
_COLUMNS = ("begun", "state", "modality", "station", "patient", "name", "accession", "images", "step")

Uid = Annotated[str, typer.Argument(help="SOP Instance UID of the step.", metavar="STEP")]
Files = Annotated[
    list[Path] | None,
    typer.Argument(help="DICOM files that the step has made.", metavar="FILE...", exists=True, dir_okay=False),
]


@app.command("begin")
def begin(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    study: Annotated[str, typer.Option("--study", help="Study Instance UID.")],
    step_id: Annotated[str, typer.Option("--step-id", help="Performed Procedure Step ID.")],
    modality: Annotated[str, typer.Option("--modality", help="Modality.")],
    patient: Annotated[str, typer.Option("--patient", help="Patient ID.")] = "",
    name: Annotated[str, typer.Option("--name", help="Patient's name, FAMILY^GIVEN.")] = "",
    accession: Annotated[str, typer.Option("--accession", help="Accession number.")] = "",
    scheduled: Annotated[str, typer.Option("--scheduled", help="Scheduled Procedure Step ID.")] = "",
    procedure: Annotated[str, typer.Option("--procedure", help="Requested Procedure ID.")] = "",
    description: Annotated[str, typer.Option("--description", help="What is done.")] = "",
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
) -> None:
    """Report that a step begins (N-CREATE), and print its UID."""
    import uuid

    from archimage.protocol.command import n_create_rq
    from archimage.protocol.uids import MPPS
    from archimage.services.mpps_building import Beginning, begun

    told = Beginning(
        study,
        step_id,
        modality,
        calling,
        patient_id=patient,
        patient_name=name,
        accession_number=accession,
        requested_procedure_id=procedure,
        scheduled_step_id=scheduled,
        description=description,
    )
    uid = f"2.25.{uuid.uuid4().int}"
    model = begun(told, datetime.now().astimezone())
    _ask(_node(called, host, port, tls=tls), calling, MPPS, lambda number: n_create_rq(number, MPPS, uid), model)
    typer.echo(uid)


@app.command("complete")
def complete(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    uid: Uid,
    files: Files,
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
) -> None:
    """Report that a step is completed, and which objects it has made (N-SET)."""
    if not files:
        raise ConfigError("a step that is completed has made something: name its files")
    _stop("COMPLETED", _node(called, host, port, tls=tls), calling, uid, files)


@app.command("discontinue")
def discontinue(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    uid: Uid,
    files: Files = None,
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
) -> None:
    """Report that a step was given up, and what it had made by then (N-SET)."""
    _stop("DISCONTINUED", _node(called, host, port, tls=tls), calling, uid, files or [])


@app.command("get")
def get(
    host: Host, port: Port, uid: Uid, calling: Calling = CALLING, called: Called = CALLED, tls: Tls = False
) -> None:
    """Ask a peer for a step (N-GET of MPPS Retrieve), and print its data set in the DICOM JSON Model."""
    from archimage.protocol.command import n_get_rq
    from archimage.protocol.uids import MPPS_RETRIEVE

    node = _node(called, host, port, tls=tls)
    print_json(_ask(node, calling, MPPS_RETRIEVE, lambda number: n_get_rq(number, MPPS_RETRIEVE, uid)))


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    state: Annotated[str, typer.Option("--state", help="IN PROGRESS, COMPLETED or DISCONTINUED.")] = "",
    patient: Annotated[str, typer.Option("--patient", help="Patient ID.")] = "",
    study: Annotated[str, typer.Option("--study", help="Study Instance UID.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", min=1, max=_PAGE)] = 100,
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """List the performed steps that an archive knows, the newest first."""
    from archimage.model.mpps import StepFilter, StepKeys, StepState

    if state and state.upper() not in set(StepState):
        raise ConfigError(f"{state!r} is no state; one of {', '.join(StepState)} is allowed")
    wanted = StepFilter(
        StepState(state.upper()) if state else None, StepKeys(patient_id=patient, study_instance_uid=study), limit=limit
    )
    with _steps("mpps list", data, config) as steps:
        found = steps.find(wanted)
    if json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        {
            "begun": f"{one.start_date} {one.start_time}",
            "state": one.state.value,
            "modality": one.modality,
            "station": one.station_ae_title,
            "patient": one.patient_id,
            "name": one.patient_name,
            "accession": one.accession_number,
            "images": f"{one.kept} of {one.instances}",
            "step": one.sop_instance_uid,
        }
        for one in found
    ]
    print_table(_COLUMNS, rows)


@app.command("show")
def show(uid: Uid, data: Data = None, config: ConfigFile = None) -> None:
    """Print one step as JSON: what of it is here, and its data set in the DICOM JSON Model."""
    with _steps("mpps show", data, config) as steps:
        told = {**asdict(steps.summary(uid)), "series": [asdict(one) for one in steps.series(uid)]}
        print_json({**told, "dataset": steps.get(uid).dataset})


@contextmanager
def _steps(command: str, data: Path | None, config: Path | None) -> "Iterator[MppsService]":
    """Open the archive of a data directory, for whoever runs the command."""
    from archimage.cli.audit import this_user
    from archimage.cli.import_ import opened
    from archimage.model.callers import DoneFor

    with DoneFor(this_user(command)), opened(data, config) as archive:
        yield archive.department.performed.service


def _node(called: str, host: str, port: int, *, tls: bool) -> "RemoteNode":
    from archimage.cli import peer

    return peer.node(called, host, port, tls=tls)


def _stop(state: str, node: "RemoteNode", calling: str, uid: str, files: Sequence[Path]) -> None:
    from archimage.model.mpps import StepState
    from archimage.protocol.command import n_set_rq
    from archimage.protocol.uids import MPPS
    from archimage.services.mpps_building import stopped

    made = [_made(file) for file in files]
    model = stopped(StepState(state), datetime.now().astimezone(), made)
    _ask(node, calling, MPPS, lambda number: n_set_rq(number, MPPS, uid), model)
    say(f"{uid} is {state}, with {len(made)} objects")


def _made(file: Path) -> "MadeInstance":
    """Read what is told of an object."""
    from archimage.dicom.part10 import open_part10
    from archimage.dicom.scan import scan
    from archimage.services.mpps_building import MadeInstance

    tags = (0x0020000E, 0x00080016, 0x00080018, 0x0008103E, 0x00181030)
    meta, offset, size = open_part10(file)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        header = scan(mapped[offset : offset + size], meta.transfer_syntax_uid, frozenset(tags))
    return MadeInstance(*(header.text(tag) or "" for tag in tags))


def _ask(node: "RemoteNode", calling: str, sop_class_uid: str, command: Any, model: "Model | None" = None) -> "Model":
    """Ask a peer, and return the data set of its answer; raises OperationFailedError where it refuses."""
    from archimage.cli import peer
    from archimage.net.proposals import for_services
    from archimage.services.datasets import decode, encode

    async def ask() -> "tuple[int, Model]":
        async with await peer.associate(node, calling, for_services(sop_class_uid)) as association:
            syntax = association.context(sop_class_uid).transfer_syntax
            dataset = None if model is None else encode(model, syntax)
            answer = await association.request(sop_class_uid, command, dataset)
            return answer.command.status or 0, decode(answer.dataset or b"", syntax)

    status, answered = peer.run(ask())
    peer.check_status(node, status)
    return answered
