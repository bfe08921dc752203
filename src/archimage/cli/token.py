"""`archimage token`: API tokens of programs, in an archive on this machine, whether it runs or not."""

import sys
from typing import Annotated

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import print_json, print_table, say
from archimage.cli.user import identity, moment
from archimage.errors import ConfigError

app = typer.Typer(help="Issue, list and revoke API tokens.", no_args_is_help=True)

Owner = Annotated[str, typer.Argument(help="User whose rights it has, or a part of them.", metavar="USER")]
Operations = Annotated[
    list[str] | None,
    typer.Option("--operation", help="What it may do, of what its owner may; may be repeated; none: all."),
]
Patients = Annotated[list[str] | None, typer.Option("--patient", help="Patient ID that it is limited to.")]
Studies = Annotated[list[str] | None, typer.Option("--study", help="Study Instance UID that it is limited to.")]
Labels = Annotated[list[str] | None, typer.Option("--label", help="Label of studies that it is limited to.")]
Modalities = Annotated[list[str] | None, typer.Option("--modality", help="Modality that it is limited to.")]
Id = Annotated[str, typer.Argument(help="What `list` calls it.", metavar="ID")]


@app.command("create")
def create(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    owner: Owner,
    name: Annotated[str, typer.Argument(help="What it is for.", metavar="NAME")],
    operation: Operations = None,
    patient: Patients = None,
    study: Studies = None,
    label: Labels = None,
    modality: Modalities = None,
    days: Annotated[float | None, typer.Option(min=0.001, max=366, help="For how many days; none: for ever.")] = None,
    data: Data = None,
    config: ConfigFile = None,
) -> None:
    """Issue an API token and print it: it is not shown again."""
    from archimage.model.access import Operation, Restriction, Scope

    try:
        operations = None if operation is None else frozenset(map(Operation, operation))
    except ValueError as error:
        raise ConfigError(f"--operation: {error}; {', '.join(Operation)} are allowed") from None
    scope = Scope(*(frozenset(values or ()) for values in (patient, study, label, modality)))
    with identity("token create", data, config) as service:
        lasting_s = None if days is None else days * 86_400
        issued = service.tokens.issue(owner, name, Restriction(operations, scope), lasting_s)
    sys.stdout.write(f"{issued.secret}\n")
    sys.stdout.flush()
    say(f"keep it safe: it is not shown again. It is called {issued.kept.id}; send it as `Authorization: Bearer`")


@app.command("list")
def list_(data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """List every API token."""
    with identity("token list", data, config) as service:
        tokens = service.tokens.all()
    rows: list[dict[str, object]] = []
    for one in tokens:
        operations, scope = one.restriction.operations, one.restriction.scope
        limits = {
            "patients": sorted(scope.patients),
            "studies": sorted(scope.studies),
            "labels": sorted(scope.labels),
            "modalities": sorted(scope.modalities),
        }
        row = {"id": one.id, "owner": one.owner, "name": one.name, "expires": moment(one.expires_at)}
        rows.append({**row, "operations": ["all"] if operations is None else sorted(operations), **limits})
    if json:
        print_json(rows)
    else:
        print_table(("id", "owner", "name", "operations", "expires"), rows)


@app.command("revoke")
def revoke(token_id: Id, data: Data = None, config: ConfigFile = None) -> None:
    """Revoke an API token."""
    with identity("token revoke", data, config) as service:
        service.tokens.revoke(token_id)
    say(f"{token_id} was revoked")
