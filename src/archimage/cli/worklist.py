"""`archimage worklist`: what is scheduled, in an archive on this machine whether it runs or not, or at a peer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from archimage.cli.options import (
    CALLED,
    CALLING,
    Called,
    Calling,
    ConfigFile,
    Data,
    Host,
    Json,
    Keys,
    Port,
    Tls,
)
from archimage.cli.output import ExitCode, print_json, print_problems, print_table, say
from archimage.errors import ConfigError

if TYPE_CHECKING:
    from archimage.model.worklist import StepState, WorklistEntry, WorklistItem
    from archimage.services.worklist import WorklistService

app = typer.Typer(help="Schedule steps for modalities, and ask who is scheduled.", no_args_is_help=True)

SOURCE: Final = "command"
_PAGE: Final = 1_000
_COLUMNS: Final = ("key", "state", "start", "station", "modality", "patient", "name", "accession", "description")
_SHOWN: Final = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyInstanceUID")
_SHOWN_OF_STEP: Final = (
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "Modality",
    "ScheduledStationAETitle",
    "ScheduledProcedureStepDescription",
    "ScheduledProcedureStepID",
)

_STEP: Final = "ScheduledProcedureStepSequence[0]."

Key = Annotated[str, typer.Argument(help="Key of the entry.", metavar="KEY")]
Station = Annotated[str, typer.Option("--station", help="AE title of the station.")]
Modality = Annotated[str, typer.Option("--modality", help="Modality.")]
Date = Annotated[str, typer.Option("--date", help="Day of the start, YYYYMMDD; or a range with a hyphen.")]
Patient = Annotated[str, typer.Option("--patient", help="Patient ID.")]
Name = Annotated[str, typer.Option("--name", help="Patient's name, FAMILY^GIVEN.")]
Accession = Annotated[str, typer.Option("--accession", help="Accession number.")]


@contextmanager
def opened_worklist(command: str, data: Path | None, config: Path | None) -> "Iterator[WorklistService]":
    """Open the archive of a data directory, for whoever runs the command."""
    from archimage.cli.audit import this_user
    from archimage.cli.import_ import opened
    from archimage.model.callers import DoneFor

    with DoneFor(this_user(command)), opened(data, config) as archive:
        yield archive.department.worklist.service


@app.command("query")
def query(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    station: Station = "",
    modality: Modality = "",
    date: Date = "",
    patient: Patient = "",
    name: Name = "",
    accession: Accession = "",
    key: Keys = None,
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
    json: Json = False,
) -> None:
    """Ask a peer who is scheduled (C-FIND of the modality worklist); `*` and `?` are wildcards."""
    from archimage.cli import peer
    from archimage.cli.keys import identifier, plain
    from archimage.net.proposals import for_services
    from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, MODALITY_WORKLIST_FIND

    node = peer.node(called, host, port, tls=tls)
    given = {
        "PatientID": patient,
        "PatientName": name,
        "AccessionNumber": accession,
        f"{_STEP}ScheduledStationAETitle": station,
        f"{_STEP}Modality": modality,
        f"{_STEP}ScheduledProcedureStepStartDate": date,
    }
    keys = [*(f"{path}={value}" for path, value in given.items() if value), *(key or [])]
    shown = (*_SHOWN, *(_STEP + keyword for keyword in _SHOWN_OF_STEP))
    identifier("", keys, shown, EXPLICIT_VR_LITTLE_ENDIAN)  # tells a wrong key before anybody is called

    async def ask() -> list[dict[str, object]]:
        async with await peer.associate(node, calling, for_services(MODALITY_WORKLIST_FIND)) as association:
            syntax = association.context(MODALITY_WORKLIST_FIND).transfer_syntax
            asked = identifier("", keys, shown, syntax)
            return [plain(match, syntax) async for match in association.find(MODALITY_WORKLIST_FIND, asked)]

    matches = peer.run(ask())
    if json:
        print_json(matches)
        return
    say(f"{len(matches)} scheduled steps in {node}")
    if matches:
        print_table((*_SHOWN_OF_STEP[:5], *_SHOWN[:5]), [_flat(match) for match in matches])


def _flat(match: dict[str, object]) -> dict[str, object]:
    """Put what is known of the step beside what is known of the rest."""
    steps = match.get("ScheduledProcedureStepSequence")
    return {**match, **(steps[0] if isinstance(steps, list) and steps else {})}


@app.command("add")
def add(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    patient: Patient,
    name: Name,
    modality: Modality,
    date: Annotated[str, typer.Option("--date", help="Day of the start, YYYYMMDD.")],
    at: Annotated[str, typer.Option("--time", help="Time of the start, HHMM.")],
    station: Annotated[
        list[str] | None, typer.Option("--station", help="AE title of the station; may be repeated.", metavar="AET")
    ] = None,
    description: Annotated[str, typer.Option("--description", help="What is to be done.")] = "",
    accession: Accession = "",
    birth_date: Annotated[str, typer.Option("--birth-date", help="Patient's birth date, YYYYMMDD.")] = "",
    sex: Annotated[str, typer.Option("--sex", help="Patient's sex: M, F or O.")] = "",
    data: Data = None,
    config: ConfigFile = None,
) -> None:
    """Add an entry, and print its key; an order that comes again is one entry."""
    from archimage.services.worklist_fields import with_fields

    given: dict[str, str | list[str]] = {
        "patient_id": patient,
        "patient_name": name,
        "patient_birth_date": birth_date,
        "patient_sex": sex,
        "accession_number": accession,
        "modality": modality,
        "start_date": date,
        "start_time": at,
        "station_ae_titles": station or [],
        "step_description": description,
    }
    with opened_worklist("worklist add", data, config) as worklist:
        typer.echo(worklist.put(with_fields({}, given), source=SOURCE).key)


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    state: Annotated[str, typer.Option("--state", help="scheduled, arrived, started, completed, discontinued.")] = "",
    date: Date = "",
    station: Station = "",
    modality: Modality = "",
    text: Annotated[str, typer.Option("--text", help="A part of a name, an identifier, a description.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", min=1, max=_PAGE)] = 100,
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """List entries of whatever state and age, the last to start first."""
    from archimage.services.worklist import WorklistFilter

    wanted = WorklistFilter(None if not state else _state(state), date, station, modality, text)
    with opened_worklist("worklist list", data, config) as worklist:
        found, total = worklist.list(wanted, limit=limit)
    entries = [_entry(item) for item in found]
    if json:
        print_json([asdict(entry) for entry in entries])
        return
    print_table(_COLUMNS, [_row(entry) for entry in entries])
    if total > len(entries):
        say(f"{len(entries)} of {total} entries; --limit shows more")


@app.command("show")
def show(key: Key, data: Data = None, config: ConfigFile = None) -> None:
    """Print one entry as JSON, with its data set in the DICOM JSON Model."""
    with opened_worklist("worklist show", data, config) as worklist:
        item = worklist.get(key)
    print_json({**asdict(_entry(item)), "dataset": item.model})


@app.command("state")
def state(
    key: Key,
    to: Annotated[str, typer.Argument(help="scheduled, arrived, started, completed, discontinued.", metavar="STATE")],
    data: Data = None,
    config: ConfigFile = None,
) -> None:
    """Say where an entry stands."""
    with opened_worklist("worklist state", data, config) as worklist:
        say(f"{key} is {worklist.set_state(key, _state(to)).state}")


@app.command("remove")
def remove(key: Key, data: Data = None, config: ConfigFile = None) -> None:
    """Remove an entry."""
    from archimage.services.worklist_files import check_changeable

    with opened_worklist("worklist remove", data, config) as worklist:
        check_changeable(worklist.get(key))
        worklist.remove(key)
    say(f"{key} was removed")


@app.command("import")
def import_(
    paths: Annotated[
        list[Path], typer.Argument(help="Worklist files, and directories of them.", metavar="PATH...", exists=True)
    ],
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Add the entries of worklist files, as DCMTK's wlmscpfs has them (.wl); one that is there is replaced."""
    from archimage.errors import ArchimageError
    from archimage.services.worklist_files import entries_of, files_of

    added: list[str] = []
    problems: list[tuple[str, str]] = []
    with opened_worklist("worklist import", data, config) as worklist:
        for path in (one for given in paths for one in (files_of(given) if given.is_dir() else [given])):
            try:
                added += [worklist.put(model, source=SOURCE).key for model in entries_of(path)]
            except ArchimageError as error:
                problems.append((str(path), str(error)))
    if json:
        print_json({"added": added, "problems": dict(problems)})
    else:
        say(f"{len(added)} entries were added")
        print_problems(problems)
    if problems:
        raise typer.Exit(ExitCode.FAILED)


def _state(text: str) -> "StepState":
    from archimage.model.worklist import StepState

    try:
        return StepState(text.lower())
    except ValueError:
        raise ConfigError(f"{text!r} is no state; one of {', '.join(StepState)} is allowed") from None


def _entry(item: "WorklistItem") -> "WorklistEntry":
    from archimage.services.worklist_fields import entry_of

    return entry_of(item, time.time())


def _row(entry: "WorklistEntry") -> dict[str, object]:
    fields = entry.fields
    return {
        "key": entry.key,
        "state": entry.state.value if entry.is_told or not entry.state.is_open else f"{entry.state.value}, past",
        "start": f"{fields.start_date} {fields.start_time}",
        "station": "\\".join(fields.station_ae_titles),
        "modality": fields.modality,
        "patient": fields.patient_id,
        "name": fields.patient_name,
        "accession": fields.accession_number,
        "description": fields.step_description,
    }
