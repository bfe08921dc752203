"""`archimage access`: the rules of who may do what, written to begin with, checked and explained."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import print_json, print_table, say
from archimage.cli.serve import load
from archimage.errors import ConfigError

if TYPE_CHECKING:
    from archimage.model.access import Rights
    from archimage.storage.policy import PolicyFile

app = typer.Typer(help="Write, check or explain the rules of who may do what.", no_args_is_help=True)

Several = list[str] | None


@app.command("init")
def init(data: Data = None, config: ConfigFile = None) -> None:
    """Write the rules that hold from the first user on as a file, to be changed; a file that is there stays."""
    from archimage.services.policy import STARTER

    path, file = _policy(data, config)
    if file.read() is not None:
        raise ConfigError(f"there is an access policy already, {path}: change it with an editor")
    path.parent.mkdir(parents=True, exist_ok=True)
    file.write(STARTER)
    say(f"wrote {path}; a running archive takes it over by itself, and so it does what you change in it")


@app.command("check")
def check(data: Data = None, config: ConfigFile = None) -> None:
    """Read the rules; what is wrong with them is told, with exit code 2."""
    from archimage.services.policy import parse

    path, file = _policy(data, config)
    text = file.read()
    if text is None:
        say(f"there is no access policy {path}; `archimage access init` writes one")
        return
    say(f"{path}: {len(parse(text))} rules, nothing wrong")


@app.command("explain")
def explain(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    data: Data = None,
    address: Annotated[str, typer.Option(help="IP address.")] = "",
    ae_title: Annotated[str, typer.Option("--ae-title", help="Calling AE title.")] = "",
    certificate: Annotated[Several, typer.Option(help="Name in a certificate; may be repeated.")] = None,
    user: Annotated[str, typer.Option(help="Name of a user.")] = "",
    role: Annotated[Several, typer.Option(help="Role of the user; may be repeated.")] = None,
    token: Annotated[str, typer.Option(help="Name of a token.")] = "",
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Tell what somebody may do by the rules of the file, or by those that users bring."""
    from archimage.model.access import Principal
    from archimage.model.nodes import Node
    from archimage.services.access import AccessService

    settings = load({"storage": {"directory": data}}, config)
    nodes = {title: Node(title, node.host, node.port) for title, node in settings.nodes.items()}
    access = AccessService(_policy(data, config)[1], lambda: True, nodes.get)
    names = frozenset(name.lower() for name in certificate or ())
    somebody = Principal(address, ae_title, names, user, frozenset(role or ()), token)
    _show(access.rights(somebody), as_json=json)


def _policy(data: Path | None, config: Path | None) -> "tuple[Path, PolicyFile]":
    from archimage.storage.policy import PolicyFile

    settings = load({"storage": {"directory": data}}, config)
    path = settings.storage.directory / settings.access.policy
    return path, PolicyFile(path)


def _show(rights: "Rights", *, as_json: bool) -> None:
    from archimage.services.policy import table_of

    rows = [
        {
            "operation": grant.operation,
            "of": [table_of(scope) for extent in grant.within for scope in extent] or "all",
            "to": "anywhere" if grant.destinations is None else sorted(grant.destinations),
        }
        for grant in rights
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(("operation", "of", "to"), rows)
    else:
        say("by these rules that somebody may do nothing")
