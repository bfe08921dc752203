"""`archimage retention`: what the rules of the settings would do to an archive on this machine, and doing it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli.audit import this_user
from archimage.cli.import_ import opened
from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import ExitCode, print_counts, print_json, print_table, say

if TYPE_CHECKING:
    from archimage.services.retention import RetentionService

app = typer.Typer(help="Look at what the rules of retention would delete or move, and do it.", no_args_is_help=True)

_MOST = 100_000
_RULES = ("rule", "action", "studies", "deleted", "moved", "bytes")
_STUDIES = ("study", "date", "instances", "bytes", "rule", "to", "stays")


@app.command("plan")
def plan(
    limit: Annotated[int, typer.Option("--limit", help="Studies to name at most.", min=0, max=_MOST)] = 20,
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Tell what would be deleted and moved now, by which rule, and how much that is; nothing is done."""
    with _retention("retention plan", data, config) as service:
        found = service.plan(limit)
    if json:
        print_json(asdict(found))
        return
    rules = [
        {
            "rule": one.name,
            "action": f"{one.action}{f' to {one.to}' if one.to else ''}{' when full' if one.when_full else ''}",
            "studies": one.studies,
            "deleted": one.deleted,
            "moved": one.moved,
            "bytes": one.deleted_bytes + one.moved_bytes,
        }
        for one in found.rules
    ]
    print_table(_RULES, rules)
    studies = [
        {
            "study": one.study_instance_uid,
            "date": one.study_date,
            "instances": one.instances,
            "bytes": one.size_bytes,
            "rule": one.rule,
            "to": one.to,
            "stays": one.stays,
        }
        for one in found.studies
    ]
    if studies:
        print_table(_STUDIES, studies)


@app.command("run")
def run(data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Carry the rules out now, beside a server or without one; exit code 1 where a study could not be deleted or moved.

    A run that was interrupted is gone on with.
    """
    with _retention("retention run", data, config) as service:
        done = service.run_here()
    if json:
        print_json(asdict(done))
    else:
        counts = ("looked", "deleted", "deleted_bytes", "moved", "moved_bytes", "held", "spared", "failed")
        print_counts({name: getattr(done, name) for name in counts})
    if done.failed:
        say(f"the last reason: {done.error}")
        raise typer.Exit(ExitCode.FAILED)


@contextmanager
def _retention(command: str, data: Path | None, config: Path | None) -> "Iterator[RetentionService]":
    """Open the archive of a data directory, for whoever runs the command."""
    from archimage.model.callers import DoneFor

    with DoneFor(this_user(command)), opened(data, config) as archive:
        yield archive.keeping.retention
