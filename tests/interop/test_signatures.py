"""DCMTK verifies what we sign, we verify what it signs, and what is stored stays as it was signed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from archimage.dicom import signatures
from archimage.dicom.demo import demo_files
from archimage.dicom.part10 import FileMeta, open_part10
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.server import Server, running
from tests.browser.conftest import upload
from tests.dicom.test_signatures import certificate, key
from tests.interop.peers import Sample, run
from tests.web.stowing import store
from tests.web.wadoing import get, parts

JPEG_AND_RLE: Final = ("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5")
AS_STORED: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@dataclass(frozen=True)
class Signer:
    """Files of a key and its certificate."""

    key: Path
    certificate: Path

    def sign(self, source: Path, target: Path, *options: str) -> bool:
        """Have DCMTK sign a file; False where it cannot."""
        return run("dcmsign", "+s", self.key, self.certificate, *options, source, target).returncode == 0

    def dcmtk_verifies(self, file: Path) -> bool:
        """Tell what DCMTK says."""
        return run("dcmsign", "--verify", "+rg", "+cf", self.certificate, file).returncode == 0


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    folder = tmp_path_factory.mktemp("signer")
    found = Signer(folder / "key.pem", folder / "certificate.pem")
    found.key.write_bytes(key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    found.certificate.write_bytes(certificate().public_bytes(Encoding.PEM))
    return found


def verified(file: Path) -> list[str]:
    """Tell what we say of each signature."""
    meta, offset, size = open_part10(file)
    data = file.read_bytes()[offset : offset + size]
    return [found.verdict for found in signatures.verify(data, meta.transfer_syntax_uid, [certificate()])]


@pytest.mark.parametrize("option", ["+mr", "+ms", "+mm", "+m2", "+m3", "+m5"])
def test_every_mac_algorithm_of_dcmtk(signer: Signer, tmp_path: Path, option: str) -> None:
    source, target = tmp_path / "source.dcm", tmp_path / "signed.dcm"
    source.write_bytes(next(iter(demo_files(slices=1))))
    assert signer.sign(source, target, option)
    assert verified(target) == ["intact"]


def test_what_dcmtk_signs_of_real_files(signer: Signer, samples: list[Sample], tmp_path: Path) -> None:
    wrong, count = [], 0
    for number, sample in enumerate(samples):
        target = tmp_path / f"{number}.dcm"
        if len(sample.dataset) < 1 << 20 and signer.sign(sample.path, target, "+m2"):
            count += 1
            if verified(target) != ["intact"]:
                wrong.append(str(sample.path))
            target.unlink()
    assert count > 50
    assert wrong == []


def test_what_we_sign_of_real_files(signer: Signer, samples: list[Sample], tmp_path: Path) -> None:
    count = 0
    for number, sample in enumerate(samples):
        if sample.meta.transfer_syntax_uid != EXPLICIT_VR_LITTLE_ENDIAN or len(sample.dataset) > 1 << 20:
            continue
        made = signatures.sign(sample.dataset, sample.meta.transfer_syntax_uid, key(), certificate())
        content = sample.path.read_bytes()
        target = tmp_path / f"{number}.dcm"
        target.write_bytes(content[: len(content) - len(sample.dataset)] + made)
        assert verified(target) == ["intact"]
        count += signer.dcmtk_verifies(target)
        target.unlink()
    assert count > 10


def _meta(file: Path) -> FileMeta:
    return open_part10(file).meta


def _c_store(server: Server, files: list[Path]) -> None:
    assert run("dcmsend", "-dn", "-aec", "PACS_SCP", *_peer(server), *files).returncode == 0


def _stow(server: Server, files: list[Path]) -> None:
    assert len(store(server.http_port, [file.read_bytes() for file in files]).stored()) == len(files)


def _upload(server: Server, files: list[Path]) -> None:
    for file in files:
        upload(server.http_port, file.read_bytes())


def _peer(server: Server) -> tuple[str | int, ...]:
    return "127.0.0.1", server.port


@pytest.mark.parametrize("put", [_c_store, _stow, _upload])
def test_what_is_stored_and_given_back_is_as_it_was_signed(
    signer: Signer, tmp_path: Path, put: Callable[[Server, list[Path]], None]
) -> None:
    sent, got = tmp_path / "sent", tmp_path / "got"
    sent.mkdir()
    got.mkdir()
    for number, data in enumerate(demo_files(slices=2)):
        (tmp_path / "plain.dcm").write_bytes(data)
        assert signer.sign(tmp_path / "plain.dcm", sent / f"{number}.dcm")
    with running(tmp_path / "archive" / "data") as server:
        put(server, list(sent.iterdir()))
        _check_what_is_given_back(server, signer, sent, got)


def _check_what_is_given_back(server: Server, signer: Signer, sent: Path, got: Path) -> None:
    peer = ("-aec", "PACS_SCP", *_peer(server))
    studies = {row.path.split("/")[0] for row in server.rows()}
    for study in studies:
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")
        assert run("getscu", "-S", "+B", "-od", got, *keys, *peer).returncode == 0
        for number, part in enumerate(parts(get(server.http_port, f"/studies/{study}", AS_STORED))):
            (got / f"{study}.{number}").write_bytes(part.body)
    sent_in = {found.media_storage_sop_instance_uid: found.transfer_syntax_uid for found in map(_meta, sent.iterdir())}
    files = list(got.iterdir())
    assert len(files) == 2 * len(sent_in)
    for file in files:
        as_stored = _meta(file).transfer_syntax_uid == sent_in[_meta(file).media_storage_sop_instance_uid]
        assert (
            signer.dcmtk_verifies(file) is as_stored
        )  # getscu takes no JPEG here: what was transcoded is another object
        assert verified(file) == ["intact" if as_stored else "broken"]
    changed = next(file for file in files if verified(file) == ["intact"])
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    assert not signer.dcmtk_verifies(changed)
    assert verified(changed) == ["broken"]


def test_dcmtk_verifies_what_we_sign_of_compressed_images(
    signer: Signer, samples: list[Sample], tmp_path: Path
) -> None:
    seen = set()
    for sample in samples:
        syntax = sample.meta.transfer_syntax_uid
        if syntax in seen or not syntax.startswith(JPEG_AND_RLE) or len(sample.dataset) > 1 << 20:
            continue
        if b"\xe0\x7f\x10\x00OB" not in sample.dataset:
            continue  # PS3.5 A.4 wants OB, and DCMTK signs nothing else
        seen.add(syntax)
        content = sample.path.read_bytes()
        made = signatures.sign(sample.dataset, syntax, key(), certificate())
        target = tmp_path / f"{syntax}.dcm"
        target.write_bytes(content[: len(content) - len(sample.dataset)] + made)
        assert verified(target) == ["intact"]
        assert signer.dcmtk_verifies(target), syntax
    assert len(seen) > 4
