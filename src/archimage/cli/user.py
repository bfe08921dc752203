"""`archimage user`: who may log in, in an archive on this machine, whether it runs or not."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from archimage.cli.audit import this_user
from archimage.cli.import_ import opened
from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import print_json, print_table, say
from archimage.errors import ConfigError

if TYPE_CHECKING:
    from archimage.model.users import User
    from archimage.services.identity import IdentityService

app = typer.Typer(help="Enter, change and remove users.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the user: a-z, 0-9, dot, underscore, hyphen, @.", metavar="NAME")]
Role = Annotated[list[str] | None, typer.Option("--role", help="A role; may be repeated.", metavar="ROLE")]
Description = Annotated[str | None, typer.Option("--description", help="Who it is.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="File with the password; `-`: standard input.", allow_dash=True),
]
_STDIN: Final = Path("-")
_MOST_BYTES: Final = 8_192


@contextmanager
def identity(command: str, data: Path | None, config: Path | None) -> "Iterator[IdentityService]":
    """Open the archive of a data directory, and name in its audit trail whoever runs the command."""
    from archimage.model.callers import DoneFor

    with DoneFor(this_user(command)), opened(data, config) as archive:
        yield archive.identity


def moment(seconds: float | None) -> str:
    """Write a time, empty where there is none."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


@app.command("add")
def add(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    name: Name,
    role: Role = None,
    description: Description = None,
    password_file: PasswordFile = None,
    no_password: Annotated[bool, typer.Option("--no-password", help="He comes by API tokens alone.")] = False,
    by_name: Annotated[
        bool, typer.Option("--by-name", help="Believe who names him on a DICOM association, without any proof.")
    ] = False,
    data: Data = None,
    config: ConfigFile = None,
) -> None:
    """Enter a user; his password is asked for, or read from a file."""
    from archimage.services.accounts import UserChange

    if password_file is not None and (no_password or by_name):
        raise ConfigError("--password-file does not go with --no-password or --by-name")
    password = None if no_password or by_name else _password(name, password_file)
    wanted = UserChange(password, tuple(role or ()), description, by_name=by_name)
    with identity("user add", data, config) as service:
        _say(service.users.add(name, wanted), "was entered")


@app.command("list")
def list_(data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """List every user."""
    with identity("user list", data, config) as service:
        rows = [_row(user) for user in service.users.all()]
    if json:
        print_json(rows)
    else:
        columns = ("name", "roles", "proof", "disabled", "changed", "description")
        print_table(columns, [{**row, "disabled": "yes" if row["disabled"] else ""} for row in rows])


@app.command("change")
def change(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    name: Name,
    role: Role = None,
    no_roles: Annotated[bool, typer.Option("--no-roles", help="Take all roles away.")] = False,
    description: Description = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for another password.")] = False,
    password_file: PasswordFile = None,
    no_password: Annotated[bool, typer.Option("--no-password", help="Take the password away.")] = False,
    by_name: Annotated[
        bool | None,
        typer.Option("--by-name/--not-by-name", help="Whether who names him on an association is believed."),
    ] = None,
    disabled: Annotated[bool | None, typer.Option("--disable/--enable", help="Whether he may come at all.")] = None,
    data: Data = None,
    config: ConfigFile = None,
) -> None:
    """Change a user; roles that are given take the place of those he has."""
    from archimage.services.accounts import UserChange

    fresh: str | None = None
    if no_password:
        fresh = ""
    elif password or password_file is not None:
        fresh = _password(name, password_file)
    roles = () if no_roles else role
    with identity("user change", data, config) as service:
        _say(service.users.change(name, UserChange(fresh, roles, description, disabled, by_name)), "was changed")


@app.command("remove")
def remove(
    name: Name,
    even_last: Annotated[bool, typer.Option("--even-last", help="Leave an archive without users.")] = False,
    data: Data = None,
    config: ConfigFile = None,
) -> None:
    """Remove a user, with his sessions, API tokens and shares."""
    with identity("user remove", data, config) as service:
        service.users.remove(name, even_last=even_last)
    say(f"{name} was removed")


def _password(name: str, file: Path | None) -> str:
    """Return a password, from a file, from a terminal twice and unseen, or from standard input."""
    if file is not None and file != _STDIN:
        try:
            return _line(file.read_bytes()[:_MOST_BYTES])
        except OSError as error:
            raise ConfigError(f"--password-file {file}: {error.strerror}") from None
    if file == _STDIN or not sys.stdin.isatty():
        return _line(sys.stdin.buffer.read(_MOST_BYTES))
    import getpass

    password = getpass.getpass(f"Password of {name}: ")
    if getpass.getpass("Once more: ") != password:
        raise ConfigError("the two passwords differ; nothing was changed")
    return password


def _line(data: bytes) -> str:
    """Return the first line of a file."""
    try:
        password = data.split(b"\n")[0].rstrip(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError("the password is no UTF-8") from None
    if not password:
        raise ConfigError("the password is empty")
    return password


def _say(user: "User", what: str) -> None:
    roles = ", ".join(sorted(user.roles)) or "none"
    say(f"{user.name} {what}; roles: {roles}{'; disabled' if user.disabled else ''}")


def _row(user: "User") -> dict[str, object]:
    proof = "password" if user.has_password else "name alone" if user.by_name else "tokens"
    return {
        "name": user.name,
        "roles": sorted(user.roles),
        "proof": proof,
        "disabled": user.disabled,
        "changed": moment(user.changed_at),
        "description": user.description,
    }
