"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

Host = Annotated[str, typer.Argument(help="Address of the peer.", metavar="HOST")]
Port = Annotated[int, typer.Argument(help="Its DICOM port.", metavar="PORT", min=1, max=65535)]
Calling = Annotated[str, typer.Option("-aet", "--calling", help="AE title to call as.")]
Called = Annotated[str, typer.Option("-aec", "--called", help="AE title of the peer.")]
Tls = Annotated[bool, typer.Option("--tls", help="Call with TLS, by `[tls]` of the settings.")]
User = Annotated[str | None, typer.Option("--user", help="User to call as.", metavar="NAME")]
PasscodeFile = Annotated[
    Path | None,
    typer.Option("--passcode-file", help="File of the user's passcode; only with --tls.", dir_okay=False),
]
JwtFile = Annotated[
    Path | None,
    typer.Option("--jwt-file", help="File of a JSON Web Token, which tells the user.", dir_okay=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "-k", "--key", help="`Keyword=value` or `gggg,eeee=value`; without a value, to be returned.", metavar="KEY"
    ),
]
Level = Annotated[str, typer.Option("-L", "--level", help="PATIENT, STUDY, SERIES or IMAGE.")]
Model = Annotated[
    str,
    typer.Option("--model", help="Information model: `patient` or `study` root; of find also other roots."),
]
Data = Annotated[Path | None, typer.Option("--data", help="Directory of the archive.", file_okay=False)]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file of settings.", dir_okay=False)]

CALLING = "ARCHIMAGE"
CALLED = "PACS_SCP"


class Login(NamedTuple):
    """Which user calls, and the file of what proves it."""

    user: str | None = None
    passcode_file: Path | None = None
    jwt_file: Path | None = None


NO_LOGIN = Login()
