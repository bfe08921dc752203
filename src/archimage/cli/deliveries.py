"""`archimage deliveries`: what other nodes are to be told by an archive on this machine, whether it runs or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import print_json, print_table, say
from archimage.errors import ConfigError

if TYPE_CHECKING:
    from archimage.services.deliveries import DeliveryService

app = typer.Typer(help="List what others are to be told, and pause it or have it tried again.", no_args_is_help=True)

_PAGE = 1_000
_COLUMNS = ("number", "kind", "to", "about", "state", "tries", "error")

Number = Annotated[int, typer.Argument(help="Number of the delivery.", metavar="NUMBER", min=1)]


@app.command("list")
def list_(
    state: Annotated[str, typer.Option("--state", help="waiting, paused, failed or done.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="What is told: mpps-create, availability, ...")] = "",
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", min=1, max=_PAGE)] = 100,
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """List deliveries, the newest first."""
    from archimage.model.deliveries import DeliveryState

    if state and state not in set(DeliveryState):
        raise ConfigError(f"{state!r} is no state; one of {', '.join(DeliveryState)} is allowed")
    with _deliveries("deliveries list", data, config) as deliveries:
        found = deliveries.find(kind=kind, state=DeliveryState(state) if state else None, limit=limit)
    if json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        {
            "number": one.id,
            "kind": one.kind,
            "to": one.destination,
            "about": one.about,
            "state": one.state.value,
            "tries": one.attempts,
            "error": one.error,
        }
        for one in found
    ]
    print_table(_COLUMNS, rows)


@app.command("retry")
def retry(number: Number, data: Data = None, config: ConfigFile = None) -> None:
    """Have a delivery that failed tried again, by the server that runs or by the next one."""
    with _deliveries("deliveries retry", data, config) as deliveries:
        deliveries.retry(number)
    say(f"{number} is tried again")


@app.command("pause")
def pause(number: Number, data: Data = None, config: ConfigFile = None) -> None:
    """Have a delivery wait until it is resumed, and what is to be told in order after it."""
    with _deliveries("deliveries pause", data, config) as deliveries:
        deliveries.hold(number)
    say(f"{number} is paused")


@app.command("resume")
def resume(number: Number, data: Data = None, config: ConfigFile = None) -> None:
    """Go on with a delivery that was paused, by the server that runs or by the next one."""
    with _deliveries("deliveries resume", data, config) as deliveries:
        deliveries.let_go(number)
    say(f"{number} goes on")


@app.command("remove")
def remove(number: Number, data: Data = None, config: ConfigFile = None) -> None:
    """Forget a delivery; what was not delivered never will be."""
    with _deliveries("deliveries remove", data, config) as deliveries:
        deliveries.remove(number)
    say(f"{number} was removed")


@contextmanager
def _deliveries(command: str, data: Path | None, config: Path | None) -> "Iterator[DeliveryService]":
    """Open the archive of a data directory, for whoever runs the command."""
    from archimage.cli.audit import this_user
    from archimage.cli.import_ import opened
    from archimage.model.callers import DoneFor

    with DoneFor(this_user(command)), opened(data, config) as archive:
        yield archive.department.deliveries
