"""`archimage print`: print images on a DICOM printer."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from archimage.cli.options import (
    CALLED,
    CALLING,
    Called,
    Calling,
    Host,
    Json,
    JwtFile,
    Login,
    PasscodeFile,
    Port,
    Tls,
    User,
)
from archimage.cli.output import ExitCode, print_json, say
from archimage.errors import ArchimageError, InvalidRequestError

if TYPE_CHECKING:
    from archimage.net.filming import Filming, Order, Outcome, Picture

Files = Annotated[list[Path], typer.Argument(help="DICOM images, or folders of them.", metavar="FILE...", exists=True)]
Layout = Annotated[str, typer.Option("--layout", help="Columns and rows of images on a film.", metavar="C,R")]
FilmSize = Annotated[str, typer.Option("--film-size", help="Size of the films, such as 8INX10IN, 14INX17IN or A4.")]
Landscape = Annotated[bool, typer.Option("--landscape", help="Films that lie on their long side.")]
Magnification = Annotated[str, typer.Option("--magnification", help="REPLICATE, BILINEAR, CUBIC or NONE.")]
Copies = Annotated[int, typer.Option("--copies", min=1, max=99, help="Copies of each film.")]
Label = Annotated[str, typer.Option("--label", help="Label of the film session.")]
Colour = Annotated[bool, typer.Option("--color", help="Print in colours; grey otherwise.")]
Wait = Annotated[float, typer.Option("--wait", min=0, max=3_600, help="Seconds to wait for news of the print jobs.")]
_WAIT_S: Final = 30.0
MAX_FILES: Final = 500
_MOST_A_SIDE: Final = 100


def print_(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    files: Files,
    layout: Layout = "1,1",
    film_size: FilmSize = "8INX10IN",
    landscape: Landscape = False,
    magnification: Magnification = "CUBIC",
    copies: Copies = 1,
    label: Label = "",
    colour: Colour = False,
    wait: Wait = _WAIT_S,
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
    user: User = None,
    passcode_file: PasscodeFile = None,
    jwt_file: JwtFile = None,
    json: Json = False,
) -> None:
    """Print the first frame of images on a DICOM printer, as they are to be looked at."""
    from archimage.cli import peer
    from archimage.net.filming import Filming, Order, contexts

    columns, rows = _sides(layout)
    orientation = "LANDSCAPE" if landscape else "PORTRAIT"
    order = Order(columns, rows, film_size, orientation, magnification, copies, label, colour)
    node = peer.node(called, host, port, tls=tls, login=Login(user, passcode_file, jwt_file))
    pictures = list(_pictures(files, colour=colour))
    if not pictures:
        raise InvalidRequestError("none of the files is a DICOM image")

    async def ask() -> "Filming":
        async with await peer.associate(node, calling, contexts(order)) as association:
            filming = Filming(association, order)
            try:
                await filming.print(pictures)
            except ArchimageError:
                if filming.outcome.films:
                    say(f"films that the printer had taken before it failed: {filming.outcome.films}")
                raise
            if wait:
                await filming.follow(wait)
            return filming

    _report(peer.run(ask()).outcome, order, as_json=json)


def _sides(layout: str) -> tuple[int, int]:
    columns, comma, rows = layout.partition(",")
    if not (comma and columns.isdecimal() and rows.isdecimal() and 0 < int(columns) * int(rows) <= _MOST_A_SIDE):
        raise InvalidRequestError(f"--layout {layout!r}: two numbers with a comma, of {_MOST_A_SIDE} images at most")
    return int(columns), int(rows)


def _pictures(files: list[Path], *, colour: bool) -> "Iterator[Picture]":
    """Render the files, one after the other, in worker processes."""
    from archimage.cli.workbench import Workbench
    from archimage.dicom.render.options import RenderOptions
    from archimage.net.filming import Picture
    from archimage.services.rendering import RenderingService
    from archimage.services.sources import HEAD_BYTES, identify, read_pieces, sources

    with Workbench(1) as bench:
        rendering = RenderingService(bench.frames, bench.pool)
        for number, source in enumerate(sources(files)):
            if number >= MAX_FILES:
                raise InvalidRequestError(f"more than {MAX_FILES} files; print fewer at once")
            with source.open() as file:
                identity = identify(next(read_pieces(file, HEAD_BYTES), b""))
            if identity is None:
                continue
            with bench.copied(source, identity) as instance:
                png = rendering.frame(instance, 1, RenderOptions(), "image/png")
            told, pixels = bench.pool.submit("film_pixels", {"colour": colour}, [png]).result()
            yield Picture(told["rows"], told["columns"], pixels)


def _report(outcome: "Outcome", order: "Order", *, as_json: bool) -> None:
    """Tell what came of it; exit code 1 if a job failed."""
    from archimage.protocol.status import Service, describe

    if as_json:
        print_json({"films": outcome.films, "jobs": outcome.jobs, "warnings": outcome.warnings})
    else:
        for status in dict.fromkeys(outcome.warnings):
            say(f"the printer warns: {describe(status, Service.PRINT)}, status {status:#06x}")
        for uid, state in outcome.jobs.items():
            say(f"{state}: print job {uid}")
        counted = "1 film" if outcome.films == 1 else f"{outcome.films} films"
        say(f"{counted} of {order.film_size} printed")
    if "failed" in outcome.jobs.values():
        raise typer.Exit(ExitCode.FAILED)
