"""`archimage audit`: check the audit trail of an archive, look into it, and take a copy of it."""

import os
import pwd
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import ExitCode, print_json, print_table, say
from archimage.cli.serve import load
from archimage.model.access import Principal
from archimage.model.callers import Caller

if TYPE_CHECKING:
    from archimage.config import Config
    from archimage.model.audit_search import AuditSearch

app = typer.Typer(help="Check the audit trail, look into it, or take a copy.", no_args_is_help=True)

PublicKey = Annotated[
    Path | None,
    typer.Option(
        "--public-key", help="PEM file of the key; without it that of the archive.", dir_okay=False, exists=True
    ),
]
Since = Annotated[str, typer.Option("--since", help="First moment, UTC: 2024-05-01T12:00:00, or a beginning of that.")]
Until = Annotated[str, typer.Option("--until", help="Last moment, in the same way.")]
Event = Annotated[str, typer.Option("--event", help="Code of an event, 110104, or a part of what it is called.")]
Outcome = Annotated[str, typer.Option("--outcome", help="0 success; 4, 8 and 12 failures.")]
User = Annotated[str, typer.Option("--user", help="Somebody who had a part: AE title, address or name.")]
Patient = Annotated[str, typer.Option("--patient", help="Patient ID.")]
Study = Annotated[str, typer.Option("--study", help="Study Instance UID.")]
Text = Annotated[str, typer.Option("--text", help="What stands anywhere in the message.")]


def this_user(command: str) -> Caller:
    """Return whoever runs a command."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return Caller("command", f"{command} {os.getpid()}", Principal(user=name))


@app.command("verify")
def verify(data: Data = None, public_key: PublicKey = None, json: Json = False, config: ConfigFile = None) -> None:
    """Read all journals; name the first record of each that is not as it was written, with exit code 1."""
    from archimage.auditing import HEADS, JOURNALS
    from archimage.observe.audit import verify as verifying
    from archimage.observe.audit.keys import NAME, read_public

    root, heads = (_directory(data, config) / name for name in (JOURNALS, HEADS))
    journals = list(verifying.journals(root, heads))
    if not journals:
        say(f"there is no audit trail in {root}")
        raise typer.Exit(ExitCode.FAILED)
    key = read_public(public_key or root / NAME)
    found = {path.name: verifying.verify(path, key, heads / f"{path.name}.head") for path in journals}
    if json:
        print_json({name: asdict(one) for name, one in found.items()})
    else:
        columns = ("journal", "records", "files", "unsigned", "torn_bytes")
        print_table(columns, [{"journal": name, **asdict(one)} for name, one in found.items()])
    for name, one in found.items():
        if one.bad is not None:
            say(f"journal {name}, {one.bad.file}: record {one.bad.number} is bad: {one.bad.reason}")
    if any(one.bad for one in found.values()):
        raise typer.Exit(ExitCode.FAILED)


@app.command("key")
def key(data: Data = None, config: ConfigFile = None) -> None:
    """Print the public key, PEM: keep it elsewhere, and check the trail with it."""
    from archimage.auditing import JOURNALS
    from archimage.observe.audit.keys import NAME, public_pem, read_public

    sys.stdout.write(public_pem(read_public(_directory(data, config) / JOURNALS / NAME)).decode("ascii"))


@app.command("search")
def search(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    since: Since = "",
    until: Until = "",
    event: Event = "",
    outcome: Outcome = "",
    user: User = "",
    patient: Patient = "",
    study: Study = "",
    text: Text = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, the newest first.")] = 100,
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """List messages, the newest first. That somebody looked is told in the trail."""
    from archimage.auditing import JOURNALS, tell_used
    from archimage.model.audit_search import AuditSearch
    from archimage.observe.audit.search import newest

    wanted = AuditSearch(since, until, event, outcome, user, patient, study, text)
    settings = _settings(data, config)
    found, total = newest(settings.storage.directory / JOURNALS, wanted, limit, 0)
    tell_used(settings, this_user("audit"), "search", _told(wanted))
    if json:
        print_json({"total": total, "entries": [asdict(entry) for entry in found]})
        return
    columns = ("time", "meaning", "outcome", "users", "patient_ids", "description")
    rows = [{name: _cell(value) for name, value in asdict(entry).items()} for entry in found]
    print_table(columns, rows)
    say(f"{len(found)} of {total}")


@app.command("export")
def export(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    since: Since = "",
    until: Until = "",
    event: Event = "",
    outcome: Outcome = "",
    user: User = "",
    patient: Patient = "",
    study: Study = "",
    text: Text = "",
    data: Data = None,
    config: ConfigFile = None,
) -> None:
    """Print messages as XML, one a line, the oldest first. That somebody took them is told in the trail."""
    from archimage.auditing import JOURNALS, tell_used
    from archimage.model.audit_search import AuditSearch
    from archimage.observe.audit import search as searching

    wanted = AuditSearch(since, until, event, outcome, user, patient, study, text)
    settings = _settings(data, config)
    tell_used(settings, this_user("audit"), "export", _told(wanted))
    for entry in searching.search(settings.storage.directory / JOURNALS, wanted):
        sys.stdout.write(entry.xml + "\n")
    sys.stdout.flush()


def _settings(data: Path | None, config: Path | None) -> "Config":
    return load({"storage": {"directory": data}}, config)


def _directory(data: Path | None, config: Path | None) -> Path:
    return _settings(data, config).storage.directory


def _cell(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


def _told(wanted: "AuditSearch") -> str:
    return " ".join(f"{name}={value}" for name, value in asdict(wanted).items() if value)
