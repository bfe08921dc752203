"""`archimage scrub`: read every stored object again, compare it with what came, and mend it of a second copy."""

import time
from pathlib import Path
from typing import Annotated

import typer

from archimage.cli.import_ import opened
from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import ExitCode, print_counts, print_json, print_problems, progress, rate

RepairFrom = Annotated[
    Path | None,
    typer.Option(
        "--repair-from",
        help="Directory of backups, or of another archive, to mend of; else `scrub.repair_from`.",
        metavar="TARGET",
        file_okay=False,
        exists=True,
    ),
]


def scrub(data: Data = None, repair_from: RepairFrom = None, json: Json = False, config: ConfigFile = None) -> None:
    """Read every stored object again, and mend what is damaged; exit code 1 when damage remains, or a tier is away."""
    from archimage.cli.audit import this_user
    from archimage.model.callers import DoneFor
    from archimage.services.scrub import Scrubbed

    began, seen = time.monotonic(), Scrubbed()
    with DoneFor(this_user("scrub")), opened(data, config) as archive, progress() as bars:
        bar = bars.add_task("Scrubbing", total=archive.index.counts().instances, rate="")
        for seen in archive.scrubbing.run_once(repair_from):
            speed = rate(seen.objects, seen.size_bytes, time.monotonic() - began)
            bars.update(bar, completed=seen.objects, rate=speed)
        left = archive.scrubbing.damaged()
        remaining = archive.scrubbing.table.count()
    counts = {"objects": seen.objects, "size_bytes": seen.size_bytes, "damaged": seen.damaged, "mended": seen.mended}
    counts["unread"] = seen.unread
    if json:
        problems = [{"path": one.path, "sop_instance_uid": one.sop_instance_uid, "fault": one.fault} for one in left]
        found = [{"path": path, "fault": fault} for path, fault in seen.faults]
        print_json(counts | {"remaining": remaining, "found": found, "problems": problems, "away": seen.away})
    else:
        away = [(f"tier {name}", why) for name, why in seen.away.items()]
        print_problems(away + [(one.path, one.fault) for one in left])
        print_counts(counts | {"remaining": remaining})
    if remaining or seen.unread:
        raise typer.Exit(ExitCode.FAILED)
