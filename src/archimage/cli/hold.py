"""`archimage hold`: studies of an archive on this machine on legal hold, whether it runs or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from archimage.cli.audit import this_user
from archimage.cli.import_ import opened
from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import ExitCode, print_json, print_table, say, tell
from archimage.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from archimage.model.holds import Hold
    from archimage.services.holds import HoldService

app = typer.Typer(help="Place studies on legal hold, release them, list them.", no_args_is_help=True)

_PAGE: Final = 1_000

Studies = Annotated[list[str], typer.Argument(help="Study Instance UIDs.", metavar="UID...")]
Reason = Annotated[str, typer.Option("--reason", help="Why; stands in the audit trail for good.")]


@app.command("set")
def set_(studies: Studies, reason: Reason, data: Data = None, config: ConfigFile = None) -> None:
    """Place studies on hold: nothing of them is removed, replaced or corrected until they are released."""
    with _holds("hold set", data, config) as holds:
        _each(studies, lambda uid: holds.place(uid, reason), "is on legal hold")


@app.command("release")
def release(studies: Studies, reason: Reason, data: Data = None, config: ConfigFile = None) -> None:
    """Release studies."""
    with _holds("hold release", data, config) as holds:
        _each(studies, lambda uid: holds.release(uid, reason), "was released")


@app.command("list")
def list_(data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """List the studies on hold, the newest first."""
    from archimage.cli.user import moment

    with _holds("hold list", data, config) as holds:
        found = [asdict(one) for one in _all(holds)]
    if json:
        print_json(found)
        return
    rows = [{**one, "since": moment(one["since"])} for one in found]
    print_table(("study_instance_uid", "since", "placed_by", "reason"), rows)


def _all(holds: "HoldService") -> "Iterator[Hold]":
    offset = 0
    while page := holds.list(_PAGE, offset).items:
        yield from page
        offset += len(page)


def _each(studies: list[str], deed: "Callable[[str], Hold]", done: str) -> None:
    """Do something for each of some studies; exit code 1 where it did not work for all."""
    failed = False
    for uid in studies:
        try:
            deed(uid)
        except ServiceError as error:
            failed = True
            say(tell(error))
        else:
            say(f"study {uid} {done}")
    if failed:
        raise typer.Exit(ExitCode.FAILED)


@contextmanager
def _holds(command: str, data: Path | None, config: Path | None) -> "Iterator[HoldService]":
    """Open the archive of a data directory, and name in its audit trail whoever runs the command."""
    from archimage.model.callers import DoneFor

    with DoneFor(this_user(command)), opened(data, config) as archive:
        yield archive.keeping.holds
