"""Signatures of what is stored are checked over the web, and what is exported is signed (PS3.15 Annex C)."""

import io
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from archimage.config_trust import SignaturesConfig
from archimage.dicom import signatures
from archimage.dicom.codecs.syntaxes import EXPLICIT_LITTLE_ENDIAN
from archimage.dicom.encode import Element
from archimage.dicom.part10 import decode_file_meta
from archimage.dicom.reencode import reencode
from archimage.errors import ConfigError
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.datasets import dataset
from tests.dicom.test_signatures import certificate, certified, key
from tests.web.serving import Client, config, serving
from tests.web.stowing import STUDY, part10, store
from tests.web.wadoing import SERIES

PLAIN: Final = "1.2.826.0.1.3680043.8.497.1"
SIGNED: Final = "1.2.826.0.1.3680043.8.497.2"
CHANGED: Final = "1.2.826.0.1.3680043.8.497.3"
IMPLICIT: Final = "1.2.826.0.1.3680043.8.497.4"


#: What makes a picture of the pixels: the page of the study shows them.
_DESCRIBED: Final[tuple[Element, ...]] = (
    (0x00280002, "US", struct.pack("<H", 1)),
    (0x00280004, "CS", b"MONOCHROME2 "),
    (0x00280101, "US", struct.pack("<H", 16)),
    (0x00280102, "US", struct.pack("<H", 15)),
    (0x00280103, "US", struct.pack("<H", 0)),
)


def image(uid: str) -> bytes:
    """A small image that can be shown."""
    return dataset(uid, more=_DESCRIBED)


def signed(uid: str) -> bytes:
    return signatures.sign(image(uid), EXPLICIT_VR_LITTLE_ENDIAN, key(), certificate())


def files() -> list[bytes]:
    """One that is not signed, one that is, one that was changed since, one that must be transcoded to be signed."""
    changed = bytearray(signed(CHANGED))
    changed[changed.index(b"\xe0\x7f\x10\x00") + 40] ^= 1
    implicit = reencode(image(IMPLICIT), EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
    found = [part10(data, uid) for data, uid in ((image(PLAIN), PLAIN), (signed(SIGNED), SIGNED))]
    return [*found, part10(bytes(changed), CHANGED), part10(implicit, IMPLICIT, IMPLICIT_VR_LITTLE_ENDIAN)]


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of PEM files: the signer's key and certificate."""
    folder = tmp_path_factory.mktemp("pem")
    (folder / "key.pem").write_bytes(key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "certificate.pem").write_bytes(certificate().public_bytes(Encoding.PEM))

    return folder


@pytest.fixture(scope="module")
def client(pem: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server that trusts the signer and may sign in his name."""
    trusted, own = str(pem / "certificate.pem"), str(pem / "key.pem")
    settings = SignaturesConfig(authorities=trusted, certificate=trusted, key=own)
    base = config(tmp_path_factory.mktemp("signatures"))
    with serving(base.model_copy(update={"signatures": settings})) as found:
        assert len(store(found.port, files()).stored()) == 4
        yield found


@pytest.fixture(scope="module")
def trusting_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server without settings for signatures."""
    with serving(config(tmp_path_factory.mktemp("nobody"))) as found:
        assert len(store(found.port, files()).stored()) == 4
        yield found


def of(client: Client, uid: str) -> list[Any]:
    answer = client.ask(f"/api/v1/instances/{uid}/signatures")
    assert answer.status == 200, answer.json
    assert answer.json["sop_instance_uid"] == uid
    found: list[Any] = answer.json["signatures"]
    return found


def test_a_signature_is_told_with_all_that_is_known_of_it(client: Client) -> None:
    (found,) = of(client, SIGNED)
    assert found["uid"].startswith("2.25.")
    assert len(found["signed_at"]) == len("20240101120000.123456+0000")
    assert {name: found[name] for name in ("signer", "issuer", "purpose", "profile", "algorithm")} == {
        "signer": "CN=Demo Signer",
        "issuer": "CN=Demo Signer",
        "purpose": "",
        "profile": "creator-rsa",
        "algorithm": "SHA256",
    }
    assert (found["result"], found["reason"]) == ("valid", "")
    assert found["elements"] > 10


def test_what_was_changed_after_it_was_signed_is_told(client: Client) -> None:
    (found,) = of(client, CHANGED)
    assert (found["result"], found["reason"]) == ("changed", "what was signed has changed")


def test_what_has_no_signature_has_none(client: Client) -> None:
    assert of(client, PLAIN) == []


def test_a_signer_whom_nobody_certified_is_not_trusted(trusting_nobody: Client) -> None:
    (found,) = of(trusting_nobody, SIGNED)
    assert found["result"] == "untrusted"
    assert "signatures.authorities names nobody" in found["reason"]


def test_a_study_lists_the_instances_that_are_signed_and_no_others(client: Client) -> None:
    page = client.ask(f"/api/v1/studies/{STUDY}/signatures").json
    assert page["total"] == 2
    found = {one["sop_instance_uid"]: [each["result"] for each in one["signatures"]] for one in page["items"]}
    assert found == {SIGNED: ["valid"], CHANGED: ["changed"]}
    assert {one["series_instance_uid"] for one in page["items"]} == {SERIES}
    second = client.ask(f"/api/v1/studies/{STUDY}/signatures?limit=1&offset=1").json
    assert second["items"] == page["items"][1:]


def test_a_file_that_is_gone_is_a_problem_of_that_instance_alone(tmp_path: Path) -> None:
    with serving(config(tmp_path)) as client:
        assert len(store(client.port, files()).stored()) == 4
        (file,) = tmp_path.rglob(f"{SIGNED}.dcm")
        assert client.ask(f"/api/v1/studies/{STUDY}/signatures").json["total"] == 2  # remembers the metadata
        file.unlink()
        items = client.ask(f"/api/v1/studies/{STUDY}/signatures").json["items"]
    assert {one["sop_instance_uid"]: bool(one["problem"]) for one in items} == {SIGNED: True, CHANGED: False}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/instances/1.2.3/signatures", 404),
        ("/api/v1/instances/x/signatures", 400),
        ("/api/v1/studies/1.2.3/signatures", 404),
        (f"/api/v1/studies/{STUDY}/signatures?limit=101", 400),
    ],
)
def test_what_cannot_be_asked_for_is_told(client: Client, path: str, status: int) -> None:
    answer = client.ask(path)
    assert answer.status == status
    assert answer.json["next"]


def exported(client: Client, level: str) -> dict[str, bytes]:
    answer = client.ask(f"/dicom-web/{level}?accept=application/zip&sign=true")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/zip")
    assert "etag" not in answer.headers
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        return {name.removesuffix(".dcm"): archive.read(name) for name in archive.namelist()}


def verdicts(file: bytes) -> list[tuple[str, bool]]:
    meta, offset = decode_file_meta(file)
    found = signatures.verify(file[offset:], meta.transfer_syntax_uid, [certificate()])
    return [(one.verdict, one.is_trusted) for one in found]


def test_what_is_exported_is_signed_unless_it_is_already(client: Client) -> None:
    found = exported(client, f"studies/{STUDY}")
    assert {uid: verdicts(file) for uid, file in found.items()} == {
        PLAIN: [("intact", True)],
        SIGNED: [("intact", True)],
        CHANGED: [("broken", True)],
        IMPLICIT: [("intact", True)],
    }
    assert found[SIGNED].endswith(signed_as_stored(client, SIGNED))
    assert decode_file_meta(found[IMPLICIT])[0].transfer_syntax_uid == EXPLICIT_LITTLE_ENDIAN


def signed_as_stored(client: Client, uid: str) -> bytes:
    path = f"/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{uid}"
    return client.ask(path, Accept="application/dicom; transfer-syntax=*").body


def test_series_and_instances_are_signed_likewise_and_what_is_kept_stays(client: Client) -> None:
    series = f"studies/{STUDY}/series/{SERIES}"
    assert verdicts(exported(client, f"{series}/instances/{PLAIN}")[PLAIN]) == [("intact", True)]
    assert len(exported(client, series)) == 4
    assert of(client, PLAIN) == []


@pytest.mark.parametrize("query", ["sign=true", "sign=yes&accept=application/zip"])
def test_only_archives_are_signed(client: Client, query: str) -> None:
    answer = client.ask(f"/dicom-web/studies/{STUDY}?{query}")
    assert answer.status == 400
    assert "sign" in answer.json["error"]


def test_without_a_key_nothing_is_signed(trusting_nobody: Client) -> None:
    answer = trusting_nobody.ask(f"/dicom-web/studies/{STUDY}?accept=application/zip&sign=true")
    assert answer.status == 400
    assert "signatures.key is not set" in answer.json["error"]
    assert "Download signed" not in trusting_nobody.ask(f"/studies/{STUDY}").body.decode()


def test_the_page_of_a_study_offers_it_where_there_is_a_key(client: Client) -> None:
    assert "Download signed" in client.ask(f"/studies/{STUDY}").body.decode()


def test_a_certificate_of_another_key_ends_the_start(pem: Path, tmp_path: Path) -> None:
    stranger = certified(rsa.generate_private_key(65_537, 2_048))
    (tmp_path / "stranger.pem").write_bytes(stranger.public_bytes(Encoding.PEM))
    settings = SignaturesConfig(certificate=str(tmp_path / "stranger.pem"), key=str(pem / "key.pem"))
    broken = config(tmp_path / "data").model_copy(update={"signatures": settings})
    with pytest.raises(ConfigError, match="is not the certificate of the key"), serving(broken):
        pass


def test_a_key_alone_is_no_setting() -> None:
    with pytest.raises(ValueError, match="set together"):
        SignaturesConfig(key="key.pem")
