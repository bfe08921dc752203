"""`archimage plugins`: the plugins of an archive on this machine, whether it runs or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import print_json, print_table, say
from archimage.cli.serve import load
from archimage.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from archimage.services.plugins.service import PluginService

app = typer.Typer(help="List plugins, enable and disable them, and try whether one loads.", no_args_is_help=True)

_COLUMNS = ("plugin", "state", "hooks", "calls", "failures", "dropped", "last error")

Name = Annotated[str, typer.Argument(help="Name of the plugin.", metavar="NAME")]


@app.command("list")
def list_(data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """List the plugins that the settings name, and how they fare."""
    with _plugins("plugins list", data, config) as plugins:
        found = [] if plugins is None else plugins.all()
    if json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        {
            "plugin": one.name,
            "state": one.state,
            "hooks": ", ".join(one.hooks),
            "calls": one.calls,
            "failures": one.failures,
            "dropped": one.dropped,
            "last error": one.reason or one.last_error,
        }
        for one in found
    ]
    print_table(_COLUMNS, rows)


@app.command("enable")
def enable(name: Name, data: Data = None, config: ConfigFile = None) -> None:
    """Have a plugin called again, loaded anew: within a second by a server that runs, or by the next one."""
    with _plugins("plugins enable", data, config) as plugins:
        _known(plugins).enable(name)
    say(f"{name} is enabled")


@app.command("disable")
def disable(name: Name, data: Data = None, config: ConfigFile = None) -> None:
    """Have a plugin called no more, until it is enabled again."""
    with _plugins("plugins disable", data, config) as plugins:
        _known(plugins).disable(name)
    say(f"{name} is disabled")


@app.command("check")
def check(
    path: Annotated[Path, typer.Argument(help="NAME.py, or a folder with an __init__.py.", exists=True)],
    config: ConfigFile = None,
) -> None:
    """Load a plugin as a server would, in a process of its own, and tell its hooks, or why it cannot be loaded."""
    from archimage.model.plugins import PluginSource
    from archimage.plugins.process import hooks_of
    from archimage.ports.plugins import PluginFault

    settings = load({}, config).plugins
    target = path / "__init__.py" if path.is_dir() else path
    try:
        hooks = hooks_of(PluginSource(path.stem, "folder", str(target.absolute())), settings)
    except PluginFault as fault:
        raise UnavailableError("\n  ".join((f"{path}: {fault}", *fault.trace))) from None
    say(f"{path.stem} loads: {', '.join(sorted(hooks))}")


def _known(plugins: "PluginService | None") -> "PluginService":
    if plugins is None:
        raise ConfigError("the settings name no plugins: see plugins.directory and plugins.packages")
    return plugins


@contextmanager
def _plugins(command: str, data: Path | None, config: Path | None) -> "Iterator[PluginService | None]":
    """Open the archive of a data directory, for whoever runs the command."""
    from archimage.cli.audit import this_user
    from archimage.cli.import_ import opened
    from archimage.model.callers import DoneFor

    with DoneFor(this_user(command)), opened(data, config) as archive:
        yield archive.plugins.service
