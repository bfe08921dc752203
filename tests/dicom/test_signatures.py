"""Signatures are verified wherever they stand, and whatever was signed may not change by a bit (PS3.15 Annex C)."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from archimage.dicom import signatures
from archimage.dicom.demo import demo_files
from archimage.dicom.encode import encode_elements
from archimage.dicom.part10 import decode_file_meta
from archimage.dicom.reencode import reencode
from archimage.errors import ConflictError, DicomError, InvalidDatasetError
from archimage.protocol.uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.datasets import dataset

UID: Final = "1.2.826.0.1.3680043.8.498.5"


def certified(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *, days: int = 10) -> x509.Certificate:
    """Return a certificate that a key has issued to itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Demo Signer")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=30))
    return builder.not_valid_after(now + timedelta(days=days)).sign(key, hashes.SHA256())


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2_048)


@cache
def certificate() -> x509.Certificate:
    return certified(key())


@cache
def signed(data: bytes = dataset(UID)) -> bytes:
    return signatures.sign(data, EXPLICIT_VR_LITTLE_ENDIAN, key(), certificate())


def only(data: bytes, syntax: str = EXPLICIT_VR_LITTLE_ENDIAN, trusted: bool = True) -> signatures.Signature:
    (found,) = signatures.verify(data, syntax, [certificate()] if trusted else [])
    return found


def test_what_is_signed_is_intact_and_everything_else_stays() -> None:
    before = dataset(UID)
    found = only(signed())
    assert (found.verdict, found.is_trusted, found.signer, found.algorithm) == (
        "intact",
        True,
        "CN=Demo Signer",
        "SHA256",
    )
    assert 0x00100020 in found.signed
    assert 0x7FE00010 in found.signed
    assert len(before) < len(signed())
    pixels = before.index(b"\xe0\x7f\x10\x00")
    assert signed().startswith(before[:pixels])
    assert before[pixels:] in signed()
    assert signatures.verify(before, EXPLICIT_VR_LITTLE_ENDIAN) == []


@pytest.mark.parametrize("data", list(demo_files(slices=1)), ids=lambda data: str(len(data)))
def test_every_demo_object_in_every_encoding(data: bytes) -> None:
    meta, offset = decode_file_meta(data)
    if meta.transfer_syntax_uid != EXPLICIT_VR_LITTLE_ENDIAN:
        with pytest.raises(InvalidDatasetError):
            signatures.sign(data[offset:], IMPLICIT_VR_LITTLE_ENDIAN, key(), certificate())
        return
    made = signatures.sign(data[offset:], EXPLICIT_VR_LITTLE_ENDIAN, key(), certificate())
    assert only(made).verdict == "intact"
    syntaxes = [EXPLICIT_VR_BIG_ENDIAN]
    if b"\xe0\x7f\x10\x00OB" not in made:  # without a VR pixels are OW (PS3.5 §A.1), and the VR is signed too
        syntaxes.append(IMPLICIT_VR_LITTLE_ENDIAN)
    for syntax in syntaxes:
        assert only(reencode(made, EXPLICIT_VR_LITTLE_ENDIAN, syntax), syntax).verdict == "intact"


@given(st.integers(0, 8 * len(dataset(UID)) - 1))
@settings(max_examples=400, deadline=None)
def test_a_bit_that_was_flipped_is_found(bit: int) -> None:
    """Nothing of what was signed may change: then the signature is broken, or there is no data set any more."""
    before = dataset(UID)
    pixels = before.index(b"\xe0\x7f\x10\x00")
    place = bit // 8
    place += 0 if place < pixels else len(signed()) - len(before) - _tail()
    changed = bytearray(signed())
    changed[place] ^= 1 << bit % 8
    try:
        found = signatures.verify(bytes(changed), EXPLICIT_VR_LITTLE_ENDIAN, [certificate()])
    except DicomError:
        return
    assert [one.verdict for one in found] != ["intact"]


@cache
def _tail() -> int:
    """Return how many bytes stand behind Pixel Data: the signature itself."""
    return len(signed()) - signed().index(b"\xfa\xff\xfa\xff")


def test_an_element_that_is_gone_is_told() -> None:
    without = reencode(signed(), EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, replaced={0x00100020: b""})
    found = only(without)
    assert (found.verdict, found.reason) == ("broken", "1 of the elements that were signed are gone")


def test_an_element_that_was_not_signed_may_change() -> None:
    more = encode_elements([(0xFFFCFFFC, "OB", bytes(8))], EXPLICIT_VR_LITTLE_ENDIAN)
    assert only(signed() + more).verdict == "intact"


def test_a_signature_by_somebody_else_is_intact_and_not_trusted() -> None:
    assert not only(signed(), trusted=False).is_trusted
    other = rsa.generate_private_key(65_537, 2_048)
    made = signatures.sign(dataset(UID), EXPLICIT_VR_LITTLE_ENDIAN, other, certified(other))
    assert (only(made).verdict, only(made).is_trusted) == ("intact", False)
    expired = certified(key(), days=-1)
    made = signatures.sign(dataset(UID), EXPLICIT_VR_LITTLE_ENDIAN, key(), expired)
    (found,) = signatures.verify(made, EXPLICIT_VR_LITTLE_ENDIAN, [expired])
    assert (found.verdict, found.is_trusted) == ("intact", False)


def test_a_certificate_of_another_key_breaks_it() -> None:
    other = rsa.generate_private_key(65_537, 2_048)
    made = signatures.sign(dataset(UID), EXPLICIT_VR_LITTLE_ENDIAN, key(), certified(other))
    assert only(made).verdict == "broken"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (b"X509_1993_SIG", b"X509_1993_SIX", "type that is not known"),
        (b"SHA256", b"SHA999", "MAC algorithm is not known"),
    ],
)
def test_what_cannot_be_judged_is_told_as_such(before: bytes, after: bytes, reason: str) -> None:
    found = only(signed().replace(before, after))
    assert found.verdict == "unknown"
    assert reason in found.reason


def test_a_second_signature_and_other_encodings_are_refused() -> None:
    with pytest.raises(ConflictError):
        signatures.sign(signed(), EXPLICIT_VR_LITTLE_ENDIAN, key(), certificate())
    with pytest.raises(InvalidDatasetError):
        signatures.sign(dataset(UID), IMPLICIT_VR_LITTLE_ENDIAN, key(), certificate())


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_rubbish_is_refused_or_has_no_signature(data: bytes) -> None:
    with suppress(DicomError):
        assert all(one.verdict != "intact" for one in signatures.verify(data, EXPLICIT_VR_LITTLE_ENDIAN))


@given(st.integers(0, 4_000), st.binary(min_size=1, max_size=40))
@settings(max_examples=300, deadline=None)
def test_a_signature_that_was_tampered_with_ends_in_no_surprise(place: int, rubbish: bytes) -> None:
    data = signed()
    place %= len(data)
    with suppress(DicomError):
        changed = data[:place] + rubbish + data[place + len(rubbish) :]
        signatures.verify(changed, EXPLICIT_VR_LITTLE_ENDIAN, [certificate()])
