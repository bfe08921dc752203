"""`archimage viewer`: install OHIF, the full viewer, beside an archive; tell whether it is there; take it away."""

from pathlib import Path
from typing import Annotated

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import ExitCode, print_counts, print_json, progress, say
from archimage.cli.serve import load

app = typer.Typer(help="Install the full viewer, OHIF, or remove it.", no_args_is_help=True)

Tarball = Annotated[
    Path | None, typer.Option(help="The package, fetched elsewhere by `npm pack`.", metavar="FILE", dir_okay=False)
]
_MIB = 1 << 20


@app.command("install")
def install(tarball: Tarball = None, data: Data = None, config: ConfigFile = None) -> None:
    """Install OHIF, or install it anew; npm fetches it unless its package is given.

    A running archive serves it at once.
    """
    from archimage.web.ohif import installing

    directory = _directory(data, config)
    with progress() as bars:
        task = bars.add_task("OHIF", total=None, rate="")

        def watch(doing: str, done: int, total: int) -> None:
            bars.update(task, total=total or None, completed=done, description=doing)

        viewer = installing.install(directory, watch, tarball)
    say(f"OHIF {viewer.version} is installed in {directory} ({viewer.size_bytes / _MIB:.0f} MiB) and served at /ohif/")


@app.command("status")
def status(data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Tell whether OHIF is installed, and in which version; exit code 1 when it is not."""
    from archimage.web.ohif.installed import Installation
    from archimage.web.ohif.package import OHIF

    installation = Installation(_directory(data, config))
    viewer = installation.viewer()
    told: dict[str, object] = {
        "installed": viewer.version if viewer else None if json else "no",
        "known": OHIF.version,
        "file": str(installation.file),
        "size_bytes": viewer.size_bytes if viewer else 0,
    }
    (print_json if json else print_counts)(told)
    if viewer is None:
        raise typer.Exit(ExitCode.FAILED)


@app.command("remove")
def remove(data: Data = None, config: ConfigFile = None) -> None:
    """Remove OHIF; the built-in viewer takes its place."""
    from archimage.web.ohif import installing

    directory = _directory(data, config)
    say(
        f"OHIF is removed from {directory}" if installing.remove(directory) else f"OHIF is not installed in {directory}"
    )


def _directory(data: Path | None, config: Path | None) -> Path:
    return load({"storage": {"directory": data}}, config).viewer_directory
