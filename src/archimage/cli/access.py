"""`archimage access`: the rules of who may do what, written to begin with, checked and explained."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import print_json, print_table, say
from archimage.cli.serve import load
from archimage.errors import ConfigError

if TYPE_CHECKING:
    from archimage.config import Config
    from archimage.model.access import Rights
    from archimage.services.access import PolicyText

app = typer.Typer(help="Write, check or explain the rules of who may do what.", no_args_is_help=True)

Several = list[str] | None


@app.command("init")
def init(data: Data = None, config: ConfigFile = None) -> None:
    """Write the rules that hold from the first user on as a file, to be changed; a file that is there stays."""
    from archimage.services.policy import STARTER

    settings = load({"storage": {"directory": data}}, config)
    with _policy(settings) as (where, policy):
        if policy.read() is not None:
            by = "on the page Access" if settings.index.url else "with an editor"
            raise ConfigError(f"there is an access policy already, {where}: change it {by}")
        if not settings.index.url:
            (settings.storage.directory / settings.access.policy).parent.mkdir(parents=True, exist_ok=True)
        policy.write(STARTER)
    say(f"wrote {where}; a running archive takes it over by itself, and so it does what you change in it")


@app.command("check")
def check(data: Data = None, config: ConfigFile = None) -> None:
    """Read the rules; what is wrong with them is told, with exit code 2."""
    from archimage.services.policy import parse

    with _policy(load({"storage": {"directory": data}}, config)) as (where, policy):
        text = policy.read()
    if text is None:
        say(f"there is no access policy {where}; `archimage access init` writes one")
        return
    say(f"{where}: {len(parse(text))} rules, nothing wrong")


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
    names = frozenset(name.lower() for name in certificate or ())
    somebody = Principal(address, ae_title, names, user, frozenset(role or ()), token)
    with _policy(settings) as (_, policy):
        rights = AccessService(policy, lambda: True, nodes.get).rights(somebody)
    _show(rights, as_json=json)


@contextmanager
def _policy(settings: "Config") -> "Iterator[tuple[str, PolicyText]]":
    """Open where the policy is kept, and say where that is."""
    path = settings.storage.directory / settings.access.policy
    if not settings.index.url:
        from archimage.storage.policy import PolicyFile

        yield str(path), PolicyFile(path)
        return
    from archimage.automation.sharing import policy_of
    from archimage.index.opening import open_index

    with closing(open_index(settings)) as index:
        yield settings.index.url, policy_of(settings, index)


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
