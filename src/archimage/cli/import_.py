"""`archimage import`: files, folders, zip archives and DICOMDIRs into an archive's data directory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import ExitCode, Stage, print_counts, print_json, print_problems, progress, rate, say
from archimage.cli.serve import load

if TYPE_CHECKING:
    from archimage.app import App
    from archimage.services.importing import ImportCounts, Imported

Paths = Annotated[
    list[Path], typer.Argument(help="Files, folders, zip archives, DICOMDIRs.", metavar="PATH...", exists=True)
]


def import_files(
    paths: Paths,
    data: Data = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge the files, store nothing.")] = False,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Import files into the archive on this machine."""
    from archimage.cli.audit import this_user
    from archimage.model.callers import DoneFor
    from archimage.services.importing import ImportService
    from archimage.services.sources import sources

    with DoneFor(this_user("import")), opened(data, config) as app:
        service = ImportService(app.services.store, app.index)
        counts = watch(service.run(sources(paths), dry_run=dry_run), Stage("Importing"))
    report(counts, as_json=json, dry_run=dry_run)
    if counts.failed:
        raise typer.Exit(ExitCode.FAILED)


@contextmanager
def opened(data: Path | None, config: Path | None, *, alone: bool = False) -> "Iterator[App]":
    """Open the archive of a data directory, beside others or alone, and close it after the block."""
    from archimage.app import build
    from archimage.config_observing import LogConfig
    from archimage.observe import logs

    settings = load({"storage": {"directory": data}}, config)
    logs.configure(LogConfig(level="error", format=settings.log.format))  # what is refused stands in the summary
    app = build(settings, alone=alone)
    try:
        yield app
    finally:
        app.close()


def watch(results: "Iterator[Imported]", stage: Stage) -> "ImportCounts":
    """Count results while a bar shows how far they are, and say what failed."""
    from archimage.services.importing import ImportCounts

    counts = ImportCounts()
    with progress() as bars:
        task = bars.add_task(stage.title, total=stage.total, rate="")
        for imported in results:
            counts.add(imported)
            bars.update(task, advance=1, rate=rate(counts.files, counts.size_bytes, counts.elapsed_s))
    return counts


def report(counts: "ImportCounts", *, as_json: bool, dry_run: bool = False) -> None:
    """Print the sum of an import."""
    summary: dict[str, object] = {
        "stored": counts.stored,
        "replaced": counts.replaced,
        "duplicate": counts.duplicate,
        "failed": counts.failed,
        "skipped": counts.skipped,
    }
    if as_json:
        problems = [{"file": problem.name, "reason": problem.reason} for problem in counts.problems]
        more = {"size_bytes": counts.size_bytes, "elapsed_s": round(counts.elapsed_s, 3), "dry_run": dry_run}
        print_json(summary | more | {"problems": problems})
        return
    print_problems([(problem.name, problem.reason) for problem in counts.problems])
    say(rate(counts.files, counts.size_bytes, counts.elapsed_s) + (" (dry run: nothing was stored)" if dry_run else ""))
    print_counts(summary)
