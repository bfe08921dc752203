"""`archimage sync`: compare the archive on this machine with another, and copy what either lacks."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import ExitCode, print_counts, print_json, print_problems, progress, say

if TYPE_CHECKING:
    from archimage.model.exchange import Comparison, Copied


class Way(StrEnum):
    """Which way is copied."""

    BOTH = "both"
    PUSH = "push"
    PULL = "pull"


def sync(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    node: Annotated[
        str, typer.Argument(help="Another archive: a node, a name of routing.archives, or a DICOMweb address.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare, and copy nothing.")] = False,
    way: Annotated[Way, typer.Option("--direction", help="Copy both ways, push there, or pull here.")] = Way.BOTH,
    days: Annotated[int, typer.Option("--days", help="Studies of the last days alone; 0: all.", min=0)] = 0,
    deep: Annotated[bool, typer.Option("--deep", help="Compare instances where the numbers of them agree.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="File to write all that differs to, as JSON.")] = None,
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Compare with another archive, copy what either lacks, and tell what differed.

    The exit code is 1 where something could not be copied or compared, or differs and --dry-run was given.
    """
    from archimage.cli.audit import this_user
    from archimage.cli.import_ import opened
    from archimage.model.callers import DoneFor

    copied: list[Copied] = []
    with DoneFor(this_user("sync")), opened(data, config) as archive, progress() as bars:
        service, watching = archive.exchange.syncing, _Watching()
        bar = bars.add_task(f"Comparing with {node}", total=None, rate="")
        found = service.compare(node, watching, days=days, deep=deep)
        bars.update(bar, visible=False)
        if not dry_run:
            from archimage.services.syncing import wanted

            studies = wanted(found, way.value)
            bar = bars.add_task("Copying studies", total=len(studies), rate="")
            for one in studies:
                copied.append(service.copy(node, one.study_instance_uid, way.value, watching))
                bars.update(bar, advance=1)
    told = {**asdict(found), "dry_run": dry_run, "copied": [asdict(one) for one in copied]}
    if report is not None:
        _write(report, told)
    _tell(found, copied, told if json else None)
    problems = any(one.problem for one in copied) or found.remark
    if problems or (dry_run and found.studies):
        raise typer.Exit(ExitCode.FAILED)


class _Watching:
    """Lets everything go on. Implements `ports.peer.Progress`."""

    def check(self) -> None:
        """Let it go on."""

    def tell(self, done: int, total: int = 0, message: str = "") -> None:
        """Let it go on."""


def _write(path: Path, told: dict[str, Any]) -> None:
    import orjson

    path.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))


def _tell(found: "Comparison", copied: "list[Copied]", told: dict[str, Any] | None) -> None:
    if told is not None:
        print_json(told)
        return
    for title, studies in (("here", found.only_here), ("there", found.only_there)):
        for one in studies:
            typer.echo(
                f"only {title}  {one.study_instance_uid}  {one.here if title == 'here' else one.there} instances"
            )
    for one in found.differing:
        typer.echo(f"differs    {one.study_instance_uid}  {one.here} here, {one.there} there")
    if found.remark:
        say(found.remark)
    print_problems([(one.study_instance_uid, one.problem) for one in copied if one.problem])
    sent, fetched = sum(one.sent for one in copied), sum(one.fetched for one in copied)
    counts = {"same": found.same, "only here": len(found.only_here), "only there": len(found.only_there)}
    print_counts({**counts, "differing": len(found.differing), "sent": sent, "fetched": fetched})
