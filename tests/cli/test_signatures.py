"""`archimage signatures`: what was signed is verified, with exit codes for scripts."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from archimage.dicom.demo import demo_files
from tests.cli.conftest import Invoke
from tests.dicom.test_signatures import certificate, key


@pytest.fixture
def signed(archimage: Invoke, tmp_path: Path) -> Path:
    """A file that was signed, beside its key and certificate."""
    (tmp_path / "one.dcm").write_bytes(next(iter(demo_files(slices=1))))
    (tmp_path / "key.pem").write_bytes(key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "certificate.pem").write_bytes(certificate().public_bytes(Encoding.PEM))
    made = tmp_path / "signed.dcm"
    options = ("--key", tmp_path / "key.pem", "--certificate", tmp_path / "certificate.pem")
    assert archimage("signatures", "sign", tmp_path / "one.dcm", made, *options).code == 0
    again = archimage("signatures", "sign", tmp_path / "one.dcm", made, *options)
    assert (again.code, "is there; name a file that is not" in again.err) == (2, True)
    return made


def test_a_signature_is_told_with_who_made_it(archimage: Invoke, signed: Path) -> None:
    told = archimage("signatures", "verify", signed, "--json", "--authorities", signed.with_name("certificate.pem"))
    assert told.code == 0
    (found,) = json.loads(told.out)
    assert (found["verdict"], found["is_trusted"], found["signer"]) == ("intact", True, "CN=Demo Signer")
    assert "0010,0020" in found["signed"]
    assert "1 files, 1 signatures" in archimage("signatures", "verify", signed).err


def test_a_file_that_changed_ends_with_exit_code_1(archimage: Invoke, signed: Path) -> None:
    content = bytearray(signed.read_bytes())
    content[-9_000] ^= 4
    signed.write_bytes(content)
    told = archimage("signatures", "verify", signed, signed.with_name("one.dcm"))
    assert told.code == 1
    assert "what was signed has changed" in told.out


def test_keys_and_certificates_that_are_none_are_told(archimage: Invoke, signed: Path) -> None:
    wrong = archimage("signatures", "verify", signed, "--authorities", signed)
    assert (wrong.code, "give a PEM file of certificates" in wrong.err) == (2, True)
    options = ("--key", signed.with_name("certificate.pem"), "--certificate", signed.with_name("certificate.pem"))
    wrong = archimage("signatures", "sign", signed.with_name("one.dcm"), signed.with_name("other.dcm"), *options)
    assert (wrong.code, "give a PEM file of an RSA key" in wrong.err) == (2, True)
