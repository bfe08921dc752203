"""`archimage demo`: invented studies, into a data directory or to a peer."""

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli import import_, store
from archimage.cli.options import CALLED, CALLING, Called, Calling, ConfigFile, Data, Json
from archimage.cli.output import ExitCode, Stage
from archimage.errors import ConfigError

if TYPE_CHECKING:
    from archimage.services.sources import Source

Slices = Annotated[
    int | None, typer.Option(min=1, max=2000, help="Images of the CT (72); each of the MR's three series has a fifth.")
]


def demo(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Annotated[str | None, typer.Argument(help="Address of a peer to send to.", metavar="HOST")] = None,
    port: Annotated[int | None, typer.Argument(help="Its DICOM port.", metavar="PORT", min=1, max=65535)] = None,
    data: Data = None,
    slices: Slices = None,
    if_empty: Annotated[bool, typer.Option("--if-empty", help="Only into an archive that holds nothing.")] = False,
    calling: Calling = CALLING,
    called: Called = CALLED,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Make four invented studies.

    A CT with its segmentation and report, an MR, a CR and a US go into the archive on this machine, or are sent to
    HOST PORT.
    """
    if host is None:
        _keep(data, config, slices, if_empty=if_empty, json=json)
        return
    if port is None or data is not None or if_empty:
        raise ConfigError("demo takes HOST PORT, or --data and --if-empty, not parts of both")
    sources, making = _making(slices)
    store.send(sources, store.Target(host, port, calling, called), jobs=1, json=json, first=making)


def _keep(data: Path | None, config: Path | None, slices: int | None, *, if_empty: bool, json: bool) -> None:
    from archimage.services.importing import ImportService

    with import_.opened(data, config) as app:
        if if_empty and next(app.index.all_instances(), None):
            return
        sources, making = _making(slices)
        counts = import_.watch(ImportService(app.services.store, app.index).run(sources), making)
    import_.report(counts, as_json=json)
    if counts.failed:
        raise typer.Exit(ExitCode.FAILED)


def _making(slices: int | None) -> "tuple[Iterator[Source], Stage]":
    """Return the sources, made while they are gone through, and what to show meanwhile."""
    from archimage.dicom.demo import SLICES, demo_files, number_of_files
    from archimage.services.sources import Source

    count = slices or SLICES
    made = enumerate(demo_files(count), 1)
    sources = (Source(f"demo/{number}.dcm", len(data), partial(io.BytesIO, data)) for number, data in made)
    return sources, Stage("Making studies", number_of_files(count))
