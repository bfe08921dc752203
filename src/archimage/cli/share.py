"""`archimage share`: links by which anybody sees one study, in an archive on this machine, whether it runs or not."""

import sys
from typing import Annotated

import typer

from archimage.cli.audit import this_user
from archimage.cli.import_ import opened
from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import print_json, print_table, say
from archimage.cli.token import Id
from archimage.cli.user import identity, moment

app = typer.Typer(help="Make, list and revoke links to single studies.", no_args_is_help=True)


@app.command("create")
def create(
    owner: Annotated[str, typer.Argument(help="User as far as whose rights the study is seen.", metavar="USER")],
    study: Annotated[str, typer.Argument(help="Study Instance UID.", metavar="STUDY")],
    days: Annotated[float, typer.Option(min=0.001, max=366, help="For how many days.")] = 7.0,
    data: Data = None,
    config: ConfigFile = None,
) -> None:
    """Make a link to a study, and print its path on the archive's web side: it is not shown again."""
    from archimage.model.callers import DoneFor
    from archimage.services.proofs import principal_of

    with DoneFor(this_user("share create")), opened(data, config) as archive:
        archive.services.catalogue.study(study)  # a link to nothing helps nobody
        maker = principal_of(archive.identity.users.get(owner))
        issued = archive.identity.shares.make(study, days * 86_400, maker)
    sys.stdout.write(f"/share/{issued.secret}\n")
    sys.stdout.flush()
    say(f"whoever has this link sees the study until {moment(issued.kept.expires_at)} UTC. It is {issued.kept.id}")


@app.command("list")
def list_(data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """List every link that is valid."""
    with identity("share list", data, config) as service:
        rows = [
            {"id": one.id, "owner": one.owner, "study": one.study_instance_uid, "expires": moment(one.expires_at)}
            for one in service.shares.all()
        ]
    if json:
        print_json(rows)
    else:
        print_table(("id", "owner", "study", "expires"), rows)


@app.command("revoke")
def revoke(share_id: Id, data: Data = None, config: ConfigFile = None) -> None:
    """Revoke a link."""
    with identity("share revoke", data, config) as service:
        service.shares.revoke(share_id)
    say(f"{share_id} was revoked")
