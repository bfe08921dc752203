"""`archimage jobs`: durable work of an archive on this machine, whether it runs or not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import print_json, print_table, say
from archimage.errors import ConfigError

if TYPE_CHECKING:
    from archimage.app import App
    from archimage.model.jobs import Job
    from archimage.model.tasks import Task
    from archimage.ports.jobs import Lane
    from archimage.services.jobs import JobService
    from archimage.services.study_jobs import StudyJobs

app = typer.Typer(
    help="Ask for durable work, list it, and pause, resume, cancel it or have it tried again.", no_args_is_help=True
)

_PAGE = 1_000
_NOW = {"pause": "are paused", "resume": "go on"}
_COLUMNS = ("number", "kind", "for", "title", "state", "progress", "tries", "error")

Number = Annotated[int, typer.Argument(help="Number of the job.", metavar="NUMBER", min=1)]
NumberOrNone = Annotated[int | None, typer.Argument(help="Number of the job.", metavar="[NUMBER]", min=1)]
Kind = Annotated[str, typer.Option("--kind", help="In place of a number: all of this kind, for --for.")]
For = Annotated[str, typer.Option("--for", help="With or for whom all of --kind are; without it, for nobody.")]
Studies = Annotated[list[str], typer.Argument(help="Study Instance UIDs.", metavar="STUDY...")]
ToTier = Annotated[str, typer.Option("--to", help="Name of the tier, or hot.", metavar="TIER")]
To = Annotated[str, typer.Option("--to", help="What to compress to: htj2k-lossless, jpeg-ls-lossless, ...")]


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    state: Annotated[str, typer.Option("--state", help="waiting, running, paused, failed, done or cancelled.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="What is done: send, retrieve, delete, ...")] = "",
    destination: Annotated[str, typer.Option("--for", help="With or for whom, an AE title.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", min=1, max=_PAGE)] = 100,
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """List jobs, the newest first."""
    from archimage.model.jobs import JobState
    from archimage.ports.jobs import Wanted

    if state and state not in set(JobState):
        raise ConfigError(f"{state!r} is no state; one of {', '.join(JobState)} is allowed")
    wanted = Wanted(kind, JobState(state) if state else None, destination, None, limit)
    with _jobs("jobs list", data, config) as jobs:
        found = jobs.find(wanted)
    if json:
        print_json([_plain(job) for job in found])
    else:
        print_table(_COLUMNS, [_row(job) for job in found])


@app.command("show")
def show(number: Number, data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Show one job, what it is given, how far it is, and what came of it."""
    with _jobs("jobs show", data, config) as jobs:
        job = jobs.get(number)
    if json:
        print_json(_plain(job))
        return
    print_table(("name", "value"), [{"name": name, "value": str(value)} for name, value in _plain(job).items()])


@app.command("cancel")
def cancel(number: Number, data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Have a job end, by the server that runs."""
    _turn("cancel", number, data, config, json=json)


@app.command("pause")
def pause(
    number: NumberOrNone = None,
    kind: Kind = "",
    destination: For = "",
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Have a job wait until it is resumed, or have none of a kind begun; what is done stays done."""
    _turn("pause", _one_or_lane(number, kind, destination), data, config, json=json)


@app.command("resume")
def resume(
    number: NumberOrNone = None,
    kind: Kind = "",
    destination: For = "",
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Go on with a job that was paused, or all of a kind, by the server that runs or by the next one."""
    _turn("resume", _one_or_lane(number, kind, destination), data, config, json=json)


@app.command("retry")
def retry(number: Number, data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Have a job that failed tried again, by the server that runs or by the next one."""
    _turn("retry", number, data, config, json=json)


@app.command("compress")
def compress(studies: Studies, to: To, data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Have studies compressed that are stored, without loss, by the server that runs or by the next one."""
    _ask("compress", lambda jobs: jobs.compress(studies, to), data, config, json=json)


@app.command("verify")
def verify(
    studies: Annotated[list[str] | None, typer.Argument(help="Study Instance UIDs.", metavar="[STUDY...]")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every stored object.")] = False,
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Have studies read again and compared with what came, and what is damaged mended where there is a copy."""
    if all_ == bool(studies):
        raise ConfigError("name studies, or say --all")
    _ask("verify", lambda jobs: jobs.verify(studies or ()), data, config, json=json)


@app.command("tier")
def tier(studies: Studies, to: ToTier, data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Have studies moved to a tier, whatever the rules say, by the server that runs or by the next one."""
    _ask("tier", lambda jobs: jobs.tier(studies, to), data, config, json=json)


@app.command("export")
def export(studies: Studies, data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Have studies written into a ZIP archive in `export.directory`, which is there for `export.keep_hours`."""
    _ask("export", lambda jobs: jobs.export(studies), data, config, json=json)


def _ask(
    command: str, ask: "Callable[[StudyJobs], Task]", data: Path | None, config: Path | None, *, json: bool
) -> None:
    with _archive(f"jobs {command}", data, config) as archive:
        job = archive.jobs.service.get(int(ask(archive.studies.jobs).id, 16))
    if json:
        print_json(_plain(job))
    else:
        say(f"job {job.id}: {job.title}")


def _one_or_lane(number: int | None, kind: str, destination: str) -> "int | Lane":
    from archimage.ports.jobs import Lane

    if (number is None) != bool(kind) or (destination and not kind):
        raise ConfigError("give the number of a job, or --kind and --for")
    return Lane(kind, destination) if number is None else number


def _turn(command: str, what: "int | Lane", data: Path | None, config: Path | None, *, json: bool) -> None:
    with _jobs(f"jobs {command}", data, config) as jobs:
        if not isinstance(what, int):
            return _turn_lane(jobs, command, what, json=json)
        do: Callable[[int], Job] = getattr(jobs, command)
        job = do(what)
    if json:
        return print_json(_plain(job))
    return say(f"job {job.id} is {job.state}")


def _turn_lane(jobs: "JobService", command: str, lane: "Lane", *, json: bool) -> None:
    from dataclasses import asdict

    (jobs.pause_lane if command == "pause" else jobs.resume_lane)(lane)
    if json:
        print_json(asdict(lane))
    else:
        say(f"jobs of kind {lane.kind} for {lane.destination or 'nobody'} {_NOW[command]}")


def _plain(job: "Job") -> dict[str, object]:
    from dataclasses import asdict

    found = asdict(job)
    origin = found.pop("origin")
    return {**found, "owner": job.origin.owner, "traceparent": origin["traceparent"]}


def _row(job: "Job") -> dict[str, object]:
    return {
        "number": job.id,
        "kind": job.kind,
        "for": job.destination,
        "title": job.title,
        "state": job.state.value,
        "progress": f"{job.done} of {job.total}" if job.total else "",
        "tries": job.attempts,
        "error": job.error,
    }


@contextmanager
def _jobs(command: str, data: Path | None, config: Path | None) -> "Iterator[JobService]":
    with _archive(command, data, config) as archive:
        yield archive.jobs.service


@contextmanager
def _archive(command: str, data: Path | None, config: Path | None) -> "Iterator[App]":
    """Open the archive of a data directory, for whoever runs the command."""
    from archimage.cli.audit import this_user
    from archimage.cli.import_ import opened
    from archimage.model.callers import DoneFor

    with DoneFor(this_user(command)), opened(data, config) as archive:
        yield archive
