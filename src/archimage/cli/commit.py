"""`archimage commit`: ask nodes for storage commitment, and see what was asked of an archive on this machine."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from archimage.cli.import_ import opened
from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import ExitCode, print_counts, print_json, print_problems, print_table
from archimage.cli.user import moment
from archimage.errors import ArchimageError, InvalidQueryError, NotFoundError
from archimage.model.ids import is_uid

if TYPE_CHECKING:
    from archimage.app import App
    from archimage.model.commitments import Commitment, Reference
    from archimage.model.records import StoredInstance
    from archimage.services.sources import Source

app = typer.Typer(help="Storage commitment: ask for it, and see what was asked.", no_args_is_help=True)

Node = Annotated[str, typer.Argument(help="AE title of a node of the archive.", metavar="NODE")]
Targets = Annotated[
    list[str],
    typer.Argument(
        help="UIDs of studies, series and instances of the archive; files and folders of what was sent otherwise.",
        metavar="WHAT...",
    ),
]
Wait = Annotated[float, typer.Option("--wait", min=0.0, max=86_400.0, help="Seconds to wait for the result at most.")]
Number = Annotated[int, typer.Argument(help="Number that `list` tells.", min=1, metavar="NUMBER")]
_GRACE_S: Final = 120.0
_LOOK_EVERY_S: Final = 0.2


@app.command("request")
def request(
    node: Node,
    targets: Targets,
    wait: Wait = 60.0,
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Ask a node whether it keeps objects for good; exit code 1 unless it commits to all of them.

    The result comes on the association that asks, or later to the listener of the archive, which has to run then.
    """
    with opened(data, config) as archive:
        requests = archive.department.commitment.requests
        kept = requests.ask(node, list(_references(archive, targets)), after_s=wait + _GRACE_S)
        requests.ask_now(kept.transaction_uid)
        kept = _answer(archive, kept.transaction_uid, wait)
        _show(archive, kept.id, as_json=json)
    if kept.failed or kept.ended_at is None:
        raise typer.Exit(ExitCode.FAILED)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="How many at most.")] = 50,
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """List transactions, the newest first: asked of this archive, and by it."""
    with opened(data, config) as archive:
        found = archive.department.commitment.records.list(limit=limit)
    rows = [_row(one) for one in found]
    if json:
        print_json([asdict(one) for one in found])
    else:
        print_table(("number", "when", "direction", "node", "objects", "failed", "state", "note"), rows)


@app.command("show")
def show(number: Number, data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Show a transaction: what it is about, and what is not committed to."""
    with opened(data, config) as archive:
        _show(archive, number, as_json=json)


def _show(archive: "App", number: int, *, as_json: bool) -> None:
    details = archive.department.commitment.records.get(number)
    if as_json:
        print_json(asdict(details))
        return
    kept = details.commitment
    print_counts(_row(kept))
    print_problems([(one.sop_instance_uid, one.why) for one in details.problems])


def _row(one: "Commitment") -> dict[str, object]:
    return {
        "number": one.id,
        "when": moment(one.created_at),
        "direction": one.direction.value,
        "node": one.ae_title,
        "objects": one.count,
        "failed": one.failed,
        "state": one.state.value,
        "note": one.note,
    }


def _answer(archive: "App", transaction_uid: str, wait_s: float) -> "Commitment":
    """Return a transaction once it is over, or the time is."""
    deadline, pause = time.monotonic() + wait_s, threading.Event()
    while (kept := archive.department.commitment.requests.get(transaction_uid)).ended_at is None:
        if time.monotonic() > deadline:
            break
        pause.wait(_LOOK_EVERY_S)
    return kept


def _references(archive: "App", targets: Sequence[str]) -> "Iterator[Reference]":
    from archimage.model.commitments import Reference
    from archimage.services.sources import sources

    paths = [Path(target) for target in targets if not is_uid(target) or Path(target).exists()]
    for path in paths:
        if not path.exists():
            raise InvalidQueryError(f"{path} is neither a file nor a UID")
    for source in sources(paths):
        if (found := _identified(source)) is not None:
            yield found
    for uid in (target for target in targets if Path(target) not in paths):
        for instance in _below(archive, uid):
            yield Reference(instance.sop_class_uid, instance.sop_instance_uid)


def _below(archive: "App", uid: str) -> "Sequence[StoredInstance]":
    """Return what is kept of an instance, a study or a series."""
    from archimage.services.chosen import Chosen, selected

    for chosen in (Chosen(instances=(uid,)), Chosen(studies=(uid,)), Chosen(series=(uid,))):
        with suppress(NotFoundError):
            return selected(archive.services.retrieve, chosen)
    raise NotFoundError(f"nothing is kept here under the UID {uid}")


def _identified(source: "Source") -> "Reference | None":
    from archimage.model.commitments import Reference
    from archimage.services.sources import HEAD_BYTES, identify

    try:
        with source.open() as file:
            identity = identify(file.read(HEAD_BYTES))
    except (ArchimageError, OSError) as error:
        raise InvalidQueryError(f"{source.name}: {error}") from error
    return None if identity is None else Reference(identity.sop_class_uid, identity.sop_instance_uid)
