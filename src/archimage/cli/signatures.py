"""`archimage signatures`: verify the digital signatures in files, and make one (PS3.15 Annex C)."""

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from archimage.cli.options import Json
from archimage.cli.output import ExitCode, print_json, print_table, say
from archimage.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

app = typer.Typer(help="Verify digital signatures in DICOM files, or sign one.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(help="DICOM files.", exists=True, dir_okay=False)]
Source = Annotated[Path, typer.Argument(help="The DICOM file to sign.", exists=True, dir_okay=False)]
Target = Annotated[Path, typer.Argument(help="The file to write.", dir_okay=False)]
Authorities = Annotated[
    Path | None, typer.Option("--authorities", help="PEM file of who is trusted to certify signers.", dir_okay=False)
]
Key = Annotated[Path, typer.Option("--key", help="PEM file of the signer's RSA key, without a password.", exists=True)]
Certificate_ = Annotated[Path, typer.Option("--certificate", help="PEM file of the signer's certificate.", exists=True)]
_STYLES: Final = {"intact": "green", "broken": "bold red", "unknown": "yellow"}


@app.command("verify")
def verify(files: Files, authorities: Authorities = None, json: Json = False) -> None:
    """Verify every signature; exit code 1 where one is broken or cannot be told."""
    found = [row for file in files for row in _examined(file, _trusted(authorities))]
    if json:
        print_json(found)
    else:
        shown = ("file", "verdict", "signer", "signed_at", "is_trusted", "reason")
        print_table(shown, [{name: str(row[name]) for name in shown} for row in found], _STYLES)
        say(f"{len(files)} files, {len(found)} signatures")
    if any(row["verdict"] != "intact" for row in found):
        raise typer.Exit(ExitCode.FAILED)


def _examined(file: Path, authorities: "Sequence[Certificate]") -> Iterator[dict[str, Any]]:
    from archimage.dicom import signatures
    from archimage.dicom.part10 import open_part10

    meta, offset, size = open_part10(file)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        data = mapped[offset : offset + size]
    for found in signatures.verify(data, meta.transfer_syntax_uid, authorities):
        signed = [f"{tag >> 16:04X},{tag & 0xFFFF:04X}" for tag in found.signed]
        yield {"file": str(file), **asdict(found), "signed": signed}


@app.command("sign")
def sign(source: Source, target: Target, key: Key, certificate: Certificate_) -> None:
    """Sign every element of a file; what it holds stays as it is, byte for byte."""
    from archimage.dicom import signatures
    from archimage.dicom.part10 import open_part10
    from archimage.dicom.signers import Signer

    if target.exists():
        raise ConfigError(f"{target} is there; name a file that is not")
    meta, offset, size = open_part10(source)
    signer, content = Signer.read(key, certificate), source.read_bytes()
    signed = signatures.sign(content[offset : offset + size], meta.transfer_syntax_uid, signer.key, signer.certificate)
    target.write_bytes(content[:offset] + signed)
    say(f"signed {target}")


def _trusted(file: Path | None) -> "Sequence[Certificate]":
    from archimage.dicom.signers import read_certificates

    return () if file is None else read_certificates(file)
