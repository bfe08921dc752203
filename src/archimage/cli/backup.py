"""`archimage backup` and `archimage restore`: copies of a whole archive that is in use, and archives made of them."""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from archimage.cli.import_ import opened
from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import ExitCode, print_counts, print_json, print_problems, print_table, progress, rate
from archimage.cli.serve import load

if TYPE_CHECKING:
    from archimage.model.backups import Summary, Totals
    from archimage.services.restoring import Restored


class _Commands(TyperGroup):
    """Takes `backup TARGET` for `backup make TARGET`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the command where it was left out."""
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["make", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Commands,
    help="Back up the archive while it is in use: `archimage backup TARGET`; list and verify backups.",
    no_args_is_help=True,
)

Target = Annotated[Path, typer.Argument(help="Directory of the backups.", metavar="TARGET", file_okay=False)]
At = Annotated[
    str, typer.Option("--at", help="Name of the backup, as `list` tells it; else the newest.", metavar="BACKUP")
]


@app.command("make")
def make(target: Target, data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Add a backup to a directory, which need not exist; only what it does not hold yet is copied.

    `make` may be left out. Exit code 1 when stored objects were found damaged or without a file.
    """
    from archimage.automation.backups import backup_service
    from archimage.cli.audit import this_user
    from archimage.model.backups import Totals
    from archimage.model.callers import DoneFor
    from archimage.storage.backups import BackupDirectory

    began, totals = time.monotonic(), Totals()
    with DoneFor(this_user("backup")), opened(data, config) as archive:
        directory = archive.config.storage.directory
        _check_apart(target, directory)
        service = backup_service(archive.index, archive.blobs, directory)
        into = BackupDirectory.make(target)
        with closing(into.begin()) as draft, progress() as bars:
            bar = bars.add_task("Backing up", total=archive.index.counts().instances, rate="")
            for totals in service.run(draft):
                speed = rate(totals.copied, totals.copied_bytes, time.monotonic() - began)
                bars.update(bar, completed=totals.objects, rate=speed)
        archive.auditing.keeping.backed_up(str(target), totals.objects)
    _report(into.open(draft.id).summary, as_json=json)
    if totals.problems:
        raise typer.Exit(ExitCode.FAILED)


@app.command("list")
def list_(target: Target, json: Json = False) -> None:
    """List the backups in a directory, the newest first."""
    from archimage.storage.backups import BackupDirectory

    rows = [_told(backup.summary) for backup in BackupDirectory(target).all()]
    if json:
        print_json(rows)
        return
    shown = ("backup", "began_at", "objects", "files", "size_bytes", "copied_bytes", "damaged", "missing")
    print_table(shown, rows)


@app.command("verify")
def verify(target: Target, at: At = "", json: Json = False) -> None:
    """Read all that backups hold and compare it with its digests; exit code 1 when some of it is damaged or missing."""
    from archimage.services.restoring import Restored
    from archimage.services.restoring import verify as read_all
    from archimage.storage.backups import BackupDirectory

    directory = BackupDirectory(target)
    backups = [directory.open(at)] if at else directory.all()
    done = Restored()
    with progress() as bars:
        bar = bars.add_task("Verifying", total=backups[0].summary.totals.objects if backups else 0, rate="")
        for done in read_all(backups):
            bars.update(bar, completed=done.objects)
    _report_restored(done, {"backups": len(backups)}, as_json=json)


@app.command("prune")
def prune(
    target: Target,
    keep: Annotated[int, typer.Option("--keep", help="How many backups stay, the newest.", min=1)],
    json: Json = False,
) -> None:
    """Remove all but the newest backups, and what only they hold."""
    from archimage.storage.backups import BackupDirectory

    removed = BackupDirectory(target).prune(keep)._asdict()
    if json:
        print_json(removed)
    else:
        print_counts(removed)


def restore(
    target: Target,
    data: Annotated[
        Path, typer.Option("--data", help="Directory of the archive to make: new, or empty.", file_okay=False)
    ],
    at: At = "",
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Make an archive of a backup, in a new directory; exit code 1 when some of the backup is damaged."""
    from archimage.automation.backups import restore_archive
    from archimage.services.restoring import Restored
    from archimage.storage.backups import BackupDirectory

    backup, done = BackupDirectory(target).open(at), Restored()
    with progress() as bars:
        bar = bars.add_task("Restoring", total=backup.summary.totals.objects, rate="")
        for done in restore_archive(backup, load({"storage": {"directory": data}}, config)):
            bars.update(bar, completed=done.objects)
    _report_restored(done, {"backup": backup.summary.id}, as_json=json)


def _check_apart(target: Path, directory: Path) -> None:
    """Raise ConfigError where backups would stand within what they are of."""
    from archimage.errors import ConfigError

    if target.resolve().is_relative_to(directory.resolve()):
        raise ConfigError(f"{target} lies within the archive: choose a directory elsewhere, on another disk")


def _told(summary: "Summary") -> dict[str, object]:
    totals = summary.totals
    return {
        "backup": summary.id,
        "began_at": _time(summary.began_at),
        "ended_at": _time(summary.ended_at),
        "made_by": summary.made_by,
        **_numbers(totals),
        "problems": totals.problems,
    }


def _numbers(totals: "Totals") -> dict[str, int]:
    names = ("objects", "files", "size_bytes", "copied", "copied_bytes", "removed", "missing", "damaged")
    return {name: getattr(totals, name) for name in names}


def _time(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _report(summary: "Summary", *, as_json: bool) -> None:
    if as_json:
        print_json(_told(summary))
        return
    _print_problems(summary.totals.problems)
    print_counts({"backup": summary.id, **_numbers(summary.totals)})


def _report_restored(done: "Restored", about: dict[str, Any], *, as_json: bool) -> None:
    counts = {"objects": done.objects, "files": done.files, "size_bytes": done.size_bytes, "damaged": done.damaged}
    if as_json:
        print_json(about | counts | {"problems": done.problems})
    else:
        _print_problems(done.problems)
        print_counts(about | counts)
    if done.damaged:
        raise typer.Exit(ExitCode.FAILED)


def _print_problems(problems: Sequence[str]) -> None:
    print_problems([(path, fault) for path, _, fault in (one.partition(": ") for one in problems)])
