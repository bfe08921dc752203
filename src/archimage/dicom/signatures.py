"""Digital signatures in data sets: those that are there are verified, one is made.

Ref: PS3.15 Annex C (profiles); PS3.3 §C.12.1.1.3 (Digital Signatures Macro).
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Literal
from uuid import uuid4

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding

from archimage.dicom.encode import Element, encode_elements, encode_items
from archimage.dicom.inflate import Inflater
from archimage.dicom.layout import DEFLATED_SYNTAXES
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.mac import Placed, elements_of, is_signed_as_it_is, items_of, stream
from archimage.dicom.reencode import plain_syntax, reencode
from archimage.errors import ConflictError, InvalidDatasetError

_EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
_MAC_PARAMETERS: Final = 0x4FFE0001
_SIGNATURES: Final = 0xFFFAFFFA
_MAC_ID: Final = 0x04000005
_SYNTAX: Final = 0x04000010
_ALGORITHM: Final = 0x04000015
_SIGNED: Final = 0x04000020
_UID: Final = 0x04000100
_DATE_TIME: Final = 0x04000105
_TYPE: Final = 0x04000110
_CERTIFICATE: Final = 0x04000115
_SIGNATURE: Final = 0x04000120
_PURPOSE: Final = 0x04000401
_CODE_MEANING: Final = 0x00080104
_UNSIGNED: Final = frozenset({_CERTIFICATE, _SIGNATURE, 0x04000305, 0x04000310})
"""Of a signature itself, what is not signed with the rest: it is made from that."""
_X509: Final = "X509_1993_SIG"
_DIGESTS: Final[Mapping[str, tuple[str, bytes]]] = MappingProxyType(
    {
        "RIPEMD160": ("ripemd160", bytes.fromhex("3021300906052b2403020105000414")),
        "MD5": ("md5", bytes.fromhex("3020300c06082a864886f70d020505000410")),
        "SHA1": ("sha1", bytes.fromhex("3021300906052b0e03021a05000414")),
        "SHA256": ("sha256", bytes.fromhex("3031300d060960864801650304020105000420")),
        "SHA384": ("sha384", bytes.fromhex("3041300d060960864801650304020205000430")),
        "SHA512": ("sha512", bytes.fromhex("3051300d060960864801650304020305000440")),
    }
)
"""MAC algorithms: what hashlib calls them, and what stands before the digest in a signature (RFC 8017 §9.2)."""

_CREATOR: Final = frozenset(
    {
        *(0x00080016, 0x00080018, 0x00080012, 0x00080013, 0x0020000D, 0x0020000E),
        *(0x00080070, 0x00080080, 0x00080081, 0x00081010, 0x00081040, 0x00081090),
        *(0x00181000, 0x00181020, 0x00181050, 0x00181200, 0x00181201),
        *(0x00080008, 0x00080023, 0x00080033, 0x00082111, 0x00200013, 0x00200020, 0x00204000),
        *(0x0040A040, 0x0040A043, 0x0040A050, 0x0040A073, 0x0040A491, 0x0040A493, 0x0040A504, 0x0040A730),
    }
)
"""What the profile of creators wants signed where it is there: identity, equipment, image, report."""
_CREATOR_GROUPS: Final = frozenset({0x0028, 0x0070, 0x5200, 0x5400, 0x7FE0})
"""And whole groups: pixels and what describes them, graphics, functional groups, waveforms."""
_CREATOR_REPEATING: Final = frozenset({0x50, 0x60})
"""And those whose number counts curves and overlays: the upper byte."""

Verdict = Literal["intact", "broken", "unknown"]
"""Whether what is signed is what was signed; unknown where that cannot be told."""
Profile = Literal["", "base-rsa", "creator-rsa"]
"""The narrowest profile that a signature keeps to; who authorizes signs what creators sign (PS3.15 §C.1 to C.3)."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that was looked at.

    signed are the tags of what it covers; signer and issuer are the names in its certificate, and is_trusted tells
    whether one of the authorities that are trusted has issued that, and it held when the signature was made. purpose
    is the meaning of its code, empty where it tells none.
    """

    uid: str
    signed_at: str
    algorithm: str
    signer: str
    issuer: str
    signed: tuple[int, ...]
    purpose: str
    profile: Profile
    verdict: Verdict
    reason: str
    is_trusted: bool


def verify(
    data: bytes | memoryview, transfer_syntax_uid: str, authorities: Sequence[x509.Certificate] = ()
) -> list[Signature]:
    """Verify every signature of a data set, those in items of sequences too.

    Raises:
        InvalidDatasetError: it cannot be parsed.
        ExcessiveDatasetError: a limit is passed.
    """
    plain = _plain(data, transfer_syntax_uid)
    return list(_verified(plain, 0, len(plain), authorities))


def _plain(data: bytes | memoryview, transfer_syntax_uid: str) -> memoryview:
    """Return a data set in Explicit VR Little Endian; encapsulated pixels stay as they are."""
    if transfer_syntax_uid in DEFLATED_SYNTAXES:
        inflater = Inflater(DEFAULT_LIMITS)
        data = b"".join(inflater.feed(data))
        inflater.finish()
    source = plain_syntax(transfer_syntax_uid)
    if source == _EXPLICIT_LITTLE:
        return memoryview(data)
    return memoryview(reencode(data, source, _EXPLICIT_LITTLE))


def _verified(
    data: memoryview, begin: int, end: int, authorities: Sequence[x509.Certificate], depth: int = 0
) -> Iterator[Signature]:
    found = {placed.head.tag: placed for placed in elements_of(data, begin, end, depth)}
    parameters = [_values(data, item) for item in _items(data, found, _MAC_PARAMETERS)]
    for item in _items(data, found, _SIGNATURES):
        yield _examined(data, found, parameters, item, authorities)
    for placed in found.values():
        if placed.head.vr == "SQ" and placed.head.tag not in {_MAC_PARAMETERS, _SIGNATURES}:
            for first, last in items_of(data, placed):
                yield from _verified(data, first, last, authorities, depth + 1)


def _items(data: memoryview, found: Mapping[int, Placed], tag: int) -> Iterator[tuple[int, int]]:
    if tag in found:
        yield from items_of(data, found[tag])


def _values(data: memoryview, item: tuple[int, int]) -> dict[int, bytes]:
    return {placed.head.tag: bytes(data[placed.head.start : placed.end]) for placed in elements_of(data, *item)}


def _text(values: Mapping[int, bytes], tag: int) -> str:
    return values.get(tag, b"").decode("ascii", "replace").strip(" \0")


def _examined(
    data: memoryview,
    found: Mapping[int, Placed],
    parameters: Sequence[Mapping[int, bytes]],
    item: tuple[int, int],
    authorities: Sequence[x509.Certificate],
) -> Signature:
    values = _values(data, item)
    used = next((one for one in parameters if one.get(_MAC_ID) == values.get(_MAC_ID)), {})
    tags = _tags(used.get(_SIGNED, b""))
    pieces = [piece for tag in tags if tag in found for piece in stream(data, found[tag])]
    purpose = ""
    for placed in elements_of(data, *item):
        if placed.head.tag not in _UNSIGNED:
            pieces += stream(data, placed)
        if placed.head.tag == _PURPOSE:
            purpose = next((_text(_values(data, code), _CODE_MEANING) for code in items_of(data, placed)), "")
    algorithm = _text(used, _ALGORITHM)
    certificate, reason = _certificate(values)
    verdict: Verdict = "unknown"
    if certificate is not None:
        verdict, reason = _judged(certificate, values.get(_SIGNATURE, b""), pieces, algorithm)
        absent = [tag for tag in tags if tag not in found]
        if verdict == "broken" and absent:
            reason = f"{len(absent)} of the elements that were signed are gone"
    return Signature(
        uid=_text(values, _UID),
        signed_at=_text(values, _DATE_TIME),
        algorithm=algorithm,
        signer="" if certificate is None else certificate.subject.rfc4514_string(),
        issuer="" if certificate is None else certificate.issuer.rfc4514_string(),
        signed=tags,
        purpose=purpose,
        profile=_profile(certificate, algorithm, found.keys() - set(tags)),
        verdict=verdict,
        reason=reason,
        is_trusted=certificate is not None and _is_trusted(certificate, authorities, _text(values, _DATE_TIME)),
    )


def _profile(certificate: x509.Certificate | None, algorithm: str, unsigned: Iterable[int]) -> Profile:
    """Return the profile of a signature, by what it leaves out."""
    if certificate is None or not isinstance(certificate.public_key(), rsa.RSAPublicKey) or algorithm not in _DIGESTS:
        return ""
    return "base-rsa" if any(map(_is_of_creators, unsigned)) else "creator-rsa"


def _is_of_creators(tag: int) -> bool:
    group = tag >> 16
    return tag in _CREATOR or group in _CREATOR_GROUPS or (group >> 8 in _CREATOR_REPEATING and not group & 1)


def _tags(value: bytes) -> tuple[int, ...]:
    return tuple(group << 16 | element for group, element in struct.iter_unpack("<HH", value[: len(value) & ~3]))


def _certificate(values: Mapping[int, bytes]) -> tuple[x509.Certificate | None, str]:
    if _text(values, _TYPE) != _X509:
        return None, f"its certificate is of a type that is not known: {_text(values, _TYPE)[:16]!r}"
    encoded = values.get(_CERTIFICATE, b"")
    for attempt in (encoded, encoded.removesuffix(b"\0")):  # a certificate of odd length is padded
        try:
            found = x509.load_der_x509_certificate(attempt)
            found.subject, found.issuer, found.public_key()
        except (ValueError, UnsupportedAlgorithm):
            continue
        return found, ""
    return None, "its certificate cannot be read"


def _judged(
    certificate: x509.Certificate, signature: bytes, pieces: Sequence[bytes | memoryview], algorithm: str
) -> tuple[Verdict, str]:
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return "unknown", "its certificate has no RSA key, and no other is in the profiles of the standard"
    if algorithm not in _DIGESTS:
        return "unknown", f"its MAC algorithm is not known: {algorithm[:16]!r}"
    name, prefix = _DIGESTS[algorithm]
    digest = hashlib.new(name, usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
    try:
        signed = key.recover_data_from_signature(signature[: key.key_size // 8], padding.PKCS1v15(), None)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return "broken", "the signature is none that this certificate's key has made"
    if signed != prefix + digest.digest():
        return "broken", "what was signed has changed"
    return "intact", ""


def _is_trusted(certificate: x509.Certificate, authorities: Sequence[x509.Certificate], signed_at: str) -> bool:
    try:
        made = datetime.strptime(signed_at[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    if not certificate.not_valid_before_utc <= made <= certificate.not_valid_after_utc:
        return False
    return any(_has_issued(authority, certificate) for authority in authorities)


def _has_issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def sign(
    data: bytes | memoryview, transfer_syntax_uid: str, key: rsa.RSAPrivateKey, certificate: x509.Certificate
) -> bytes:
    """Return a data set with a signature over all of its elements that may be signed; it stays byte for byte.

    Raises:
        InvalidDatasetError: it is deflated or not little endian with explicit VRs, or cannot be parsed.
        ConflictError: it has a signature, which another would break.
    """
    if not is_signed_as_it_is(transfer_syntax_uid):
        raise InvalidDatasetError("only data sets of little endian with explicit VRs are signed; transcode it first")
    view = memoryview(data)
    placed = list(elements_of(view, 0, len(view)))
    tags = [one.head.tag for one in placed if _is_signable(view, one)]
    if any(one.head.tag in {_MAC_PARAMETERS, _SIGNATURES} for one in placed):
        raise ConflictError("it is signed already, and a second signature would change what the first one covers")
    item = [
        (_MAC_ID, "US", b"\0\0"),
        (_UID, "UI", f"2.25.{uuid4().int}".encode()),
        (_DATE_TIME, "DT", datetime.now(UTC).strftime("%Y%m%d%H%M%S.%f+0000").encode()),
        (_TYPE, "CS", _X509.encode()),
    ]
    digest, signed = hashlib.sha256(), set(tags)
    for one in placed:
        if one.head.tag in signed:
            for piece in stream(view, one):
                digest.update(piece)
    digest.update(encode_elements(item, _EXPLICIT_LITTLE))
    signature = key.sign(digest.digest(), padding.PKCS1v15(), Prehashed(hashes.SHA256()))
    item += [(_CERTIFICATE, "OB", certificate.public_bytes(Encoding.DER)), (_SIGNATURE, "OB", signature)]
    parameters = [
        (_MAC_ID, "US", b"\0\0"),
        (_SYNTAX, "UI", transfer_syntax_uid.encode()),
        (_ALGORITHM, "CS", b"SHA256"),
        (_SIGNED, "AT", b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags)),
    ]
    before = next((one.begin for one in placed if one.head.tag > _MAC_PARAMETERS), len(view))
    after = next((one.begin for one in placed if one.head.tag > _SIGNATURES), len(view))
    added = _sequence(_MAC_PARAMETERS, parameters), _sequence(_SIGNATURES, item)
    return b"".join((view[:before], added[0], view[before:after], added[1], view[after:]))


def _is_signable(data: memoryview, element: Placed, depth: int = 0) -> bool:
    """Tell whether an element may be signed: no length of a group, no padding, nothing that is or holds UN."""
    head = element.head
    if not head.tag & 0xFFFF or head.tag >= _SIGNATURES or head.vr == "UN":
        return False
    if head.vr != "SQ":
        return True
    inside = (one for item in items_of(data, element) for one in elements_of(data, *item, depth + 1))
    return all(_is_signable(data, one, depth + 1) for one in inside)


def _sequence(tag: int, item: Sequence[Element]) -> bytes:
    return encode_elements([(tag, "SQ", encode_items([item], _EXPLICIT_LITTLE))], _EXPLICIT_LITTLE)
