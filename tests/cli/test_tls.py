"""`archimage tls`, and what `archimage doctor` says of certificates."""

import json
import ssl
from pathlib import Path

from archimage.tls.authority import Issued, issue
from tests.cli.conftest import Invoke


def test_an_authority_its_server_and_its_peers(archimage: Invoke, tmp_path: Path) -> None:
    made = archimage("tls", "init", "pacs.example", "127.0.0.1", "--data", tmp_path)
    assert made.code == 0
    directory = tmp_path / "tls"
    assert 'certificate = "tls/server.pem"' in made.out
    assert archimage("tls", "issue", "ct1.example", "--data", tmp_path, "--days", "10").code == 0
    assert {file.name for file in directory.iterdir()} == {
        *("authority.pem", "authority.key", "server.pem", "server.key", "revoked.pem"),
        *("ct1.example.pem", "ct1.example.key"),
    }
    assert {oct(file.stat().st_mode & 0o777) for file in directory.glob("*.key")} == {"0o600"}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(directory / "authority.pem")
    context.load_cert_chain(directory / "ct1.example.pem", directory / "ct1.example.key")
    shown = json.loads(archimage("tls", "show", "--data", tmp_path, "--json").out)
    assert {Path(row["file"]).name: row["days"] for row in shown} == {
        "authority.pem": "3649",
        "ct1.example.pem": "9",
        "server.pem": "396",
    }


def test_what_is_there_is_overwritten_only_when_it_is_told_to(archimage: Invoke, tmp_path: Path) -> None:
    assert archimage("tls", "init", "--data", tmp_path).code == 0
    key = (tmp_path / "tls" / "authority.key").read_bytes()
    refused = archimage("tls", "init", "--data", tmp_path)
    assert (refused.code, "--force" in refused.err) == (2, True)
    assert (tmp_path / "tls" / "authority.key").read_bytes() == key
    assert archimage("tls", "init", "--data", tmp_path, "--force").code == 0
    assert (tmp_path / "tls" / "authority.key").read_bytes() != key


def test_wrong_names_and_absent_authorities_are_told(archimage: Invoke, tmp_path: Path) -> None:
    absent = archimage("tls", "issue", "ct1", "--data", tmp_path)
    assert (absent.code, "`archimage tls init` makes an authority" in absent.err) == (2, True)
    assert archimage("tls", "init", "--data", tmp_path).code == 0
    for name in ("../ct1", "", "a b", "x" * 65):
        wrong = archimage("tls", "issue", name, "--data", tmp_path)
        assert (wrong.code, "names no file" in wrong.err) == (2, True)
    gone = archimage("tls", "revoke", "nobody", "--data", tmp_path)
    assert gone.code != 0
    assert "is not there" in gone.err


def test_doctor_looks_at_the_certificate(archimage: Invoke, tmp_path: Path) -> None:
    assert archimage("tls", "init", "--data", tmp_path).code == 0
    (tmp_path / "archimage.toml").write_text(
        '[dicom]\nport = 0\n[http]\nport = 0\n[tls]\ncertificate = "tls/server.pem"\nkey = "tls/server.key"\n'
    )
    directory = tmp_path / "tls"
    authority = Issued.read(directory / "authority.pem", directory / "authority.key")
    for days, state in ((100, "ok"), (20, "warning"), (-1, "failed")):
        issue(authority, ["localhost"], days=days).write(directory / "server.pem", directory / "server.key")
        found = json.loads(archimage("doctor", "--data", tmp_path, "--json").out)["findings"]
        assert [one["state"] for one in found if one["check"] == "certificate"] == [state]
