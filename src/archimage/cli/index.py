"""`archimage index`: compare the index with the files, or make it anew from them."""

from contextlib import ExitStack, closing
from dataclasses import asdict
from typing import Annotated

import typer

from archimage.cli.import_ import opened
from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import ExitCode, print_counts, print_json, progress, say
from archimage.cli.serve import load

app = typer.Typer(help="Check the archive's index, or rebuild it.", no_args_is_help=True)

Digests = Annotated[bool, typer.Option("--digests", help="Read every file and compare its digest too.")]


@app.command("verify")
def verify(data: Data = None, digests: Digests = False, json: Json = False, config: ConfigFile = None) -> None:
    """Compare every row with its file and every file with its row; exit code 1 when they differ, or a tier is away."""
    from archimage.services import consistency

    findings = consistency.Findings()
    with opened(data, config) as archive, progress() as bars:
        task = bars.add_task("Verifying", total=None, rate="")
        for findings in consistency.verify(archive.index, archive.blobs, digests=digests):
            bars.update(task, completed=findings.instances)
    lists = {"missing": findings.missing, "damaged": findings.damaged, "orphans": findings.orphans}
    counts = {"instances": findings.instances, "unread": findings.unread}
    if json:
        print_json(counts | lists | {"away": {name: asdict(one) for name, one in findings.away.items()}})
    else:
        for name, one in findings.away.items():
            say(f"tier {name}: {one.unread} objects left out: {one.reason}")
        for kind, paths in lists.items():
            for path in paths:
                say(f"{kind}: {path}")
        print_counts(counts | {kind: len(paths) for kind, paths in lists.items()})
    if findings.away or not findings.consistent:
        raise typer.Exit(ExitCode.FAILED)


@app.command("copy")
def copy(data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Copy the index in the archive's directory, on SQLite, into the database of `index.url`, which must be empty."""
    from archimage.errors import ConfigError
    from archimage.index.copying import Copied
    from archimage.index.copying import copy as copied
    from archimage.index.opening import FILE, open_file, open_index
    from archimage.storage.lanes import Occupancy

    settings = load({"storage": {"directory": data}}, config)
    if not settings.index.url:
        raise ConfigError("index.url names no database to copy into")
    if not (settings.storage.directory / FILE).exists():
        raise ConfigError(f"there is no index in {settings.storage.directory} to copy")
    told = Copied(0, 0, "")
    with ExitStack() as held, progress() as bars:
        held.enter_context(closing(Occupancy(settings.storage.directory, alone=True)))
        source = held.enter_context(closing(open_file(settings.storage.directory)))
        target = held.enter_context(closing(open_index(settings)))
        task = bars.add_task("Copying", total=None, rate="")
        for told in copied(source, target):
            bars.update(task, completed=told.rows, total=told.of)
    if json:
        print_json({"rows": told.rows})
    else:
        print_counts({"rows copied": told.rows})


@app.command("rebuild")
def rebuild(data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Index every file anew and forget rows without a file; the archive must not be running."""
    from archimage.services import consistency

    rebuilt = consistency.Rebuilt()
    with opened(data, config, alone=True) as archive, progress() as bars:
        task = bars.add_task("Indexing", total=None, rate="")
        for rebuilt in consistency.rebuild(archive.index, archive.blobs):
            bars.update(task, completed=rebuilt.indexed)
        archive.derived.forget_all()
    for path, reason in rebuilt.unreadable:
        say(f"unreadable: {path}: {reason}")
    if json:
        unreadable = [{"file": path, "reason": reason} for path, reason in rebuilt.unreadable]
        print_json({"indexed": rebuilt.indexed, "dropped": rebuilt.dropped, "unreadable": unreadable})
    else:
        print_counts({"indexed": rebuilt.indexed, "dropped": rebuilt.dropped, "unreadable": len(rebuilt.unreadable)})
    if rebuilt.unreadable:
        raise typer.Exit(ExitCode.FAILED)
