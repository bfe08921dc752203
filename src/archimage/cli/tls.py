"""`archimage tls`: a private authority and its certificates, to try TLS with or for a department of its own."""

import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import print_json, print_table, say
from archimage.cli.serve import load
from archimage.errors import ConfigError, InvalidFileError

if TYPE_CHECKING:
    from archimage.tls.authority import Issued

app = typer.Typer(help="Make, revoke and show certificates for TLS.", no_args_is_help=True)

DIRECTORY: Final = "tls"
_AUTHORITY: Final = "authority"
_SERVER: Final = "server"
_REVOKED: Final = "revoked.pem"
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SETTINGS: Final = """\
Made {directory}. Put this into the settings, and start the archive anew:

[tls]
certificate = "{name}/server.pem"
key = "{name}/server.key"
authorities = "{name}/authority.pem"
revoked = "{name}/revoked.pem"

Peers trust it with {directory}/authority.pem; `archimage tls issue NAME` makes a certificate for one of them.
authority.key is what issues certificates: keep it, and keep it from others."""

Names = Annotated[list[str] | None, typer.Argument(help="Host names and addresses that others call the archive by.")]
PeerNames = Annotated[list[str], typer.Argument(help="Names of the peer; the first names its files.")]
Days = Annotated[int, typer.Option(min=1, max=3_650, help="For how many days it holds.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]


@dataclass(frozen=True, slots=True)
class _Files:
    """A certificate and its key in a directory."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, directory: Path, name: str) -> "_Files":
        """Name the files; ConfigError when name makes no good one."""
        if not _FILE_NAME.fullmatch(name):
            raise ConfigError(f"{name!r} names no file: use letters, digits, dots and hyphens, at most 64")
        return cls(directory / f"{name}.pem", directory / f"{name}.key")

    def check_free(self, *, force: bool) -> None:
        """Raise ConfigError where something is there that is not to be overwritten."""
        for file in (self.certificate, self.key):
            if file.exists() and not force:
                raise ConfigError(f"{file} is there; --force overwrites it, and what it has issued is worth nothing")


@app.command("init")
def init(names: Names = None, data: Data = None, force: Force = False, config: ConfigFile = None) -> None:
    """Make an authority, and a certificate for this archive."""
    from archimage.tls import authority

    directory = _directory(data, config)
    ours, server = _Files.of(directory, _AUTHORITY), _Files.of(directory, _SERVER)
    for files in (ours, server):
        files.check_free(force=force)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = authority.make_authority(f"archimage authority of {socket.gethostname()}")
    made.write(ours.certificate, ours.key)
    known = names or list(dict.fromkeys([socket.gethostname(), "localhost", "127.0.0.1", "::1"]))
    authority.issue(made, known).write(server.certificate, server.key)
    (directory / _REVOKED).write_bytes(authority.revocations(made, []))
    typer.echo(_SETTINGS.format(directory=directory, name=DIRECTORY))


@app.command("issue")
def issue(
    names: PeerNames, data: Data = None, days: Days = 397, force: Force = False, config: ConfigFile = None
) -> None:
    """Issue a certificate for a peer."""
    from archimage.tls import authority

    directory = _directory(data, config)
    files = _Files.of(directory, names[0])
    files.check_free(force=force)
    authority.issue(_authority(directory), names, days=days).write(files.certificate, files.key)
    say(f"made {files.certificate} and {files.key}; give both to the peer, and the peer {directory}/authority.pem")


@app.command("revoke")
def revoke(name: str, data: Data = None, config: ConfigFile = None) -> None:
    """Revoke the certificate that was issued for a name; a running archive hears of it at SIGHUP."""
    from archimage.tls import authority

    directory = _directory(data, config)
    certificate, revoked = _Files.of(directory, name).certificate, directory / _REVOKED
    try:
        renewed = authority.revoke(_authority(directory), revoked.read_bytes(), certificate.read_bytes())
    except FileNotFoundError as error:
        step = "`archimage tls show` lists those that are."
        raise InvalidFileError(f"{error.filename} is not there", next_step=step) from None
    revoked.write_bytes(renewed)
    say(f"revoked {certificate}; send the archive SIGHUP")


@app.command("show")
def show(data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Show every certificate that was made here, and until when it holds."""
    from archimage.tls.certificates import days_left, valid_until

    rows = [
        {"file": str(file), "until": f"{until:%Y-%m-%d}", "days": str(days_left(until))}
        for file in sorted(_directory(data, config).glob("*.pem"))
        if file.name != _REVOKED
        for until in [valid_until(file)]
    ]
    if json:
        print_json(rows)
    else:
        print_table(("file", "until", "days"), rows)


def _directory(data: Path | None, config: Path | None) -> Path:
    return load({"storage": {"directory": data}}, config).storage.directory / DIRECTORY


def _authority(directory: Path) -> "Issued":
    from archimage.tls.authority import Issued

    files = _Files.of(directory, _AUTHORITY)
    try:
        return Issued.read(files.certificate, files.key)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{files.key}: {error}; `archimage tls init` makes an authority") from error
