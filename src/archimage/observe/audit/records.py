"""The records of the audit journal: lines of text, each with a digest of itself and of the one before.

    NUMBER TIME KIND PREVIOUS PAYLOAD DIGEST\\n

NUMBER    counts the records of a journal from 1, over all of its files
TIME      when it was written: 2024-05-01T12:00:00.000000Z
KIND      event   PAYLOAD is an audit message, XML in one line
          begin   of a file, its first record; PAYLOAD is JSON (`Beginning`)
          head    PAYLOAD is `KEY SIGNATURE`: the beginning of the key's fingerprint, and the Ed25519 signature, both
                  base64, of `archimage audit head\\n`, the journal's name, a space, and all of the line before PAYLOAD
PREVIOUS  DIGEST of the record before, 64 hexadecimal digits; of the first one zeros
DIGEST    SHA-256 of the line up to the space before it, 64 hexadecimal digits

A head signs everything before it, as PREVIOUS stands for that.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Final, Literal, cast

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from archimage.observe.audit.keys import fingerprint

Kind = Literal["event", "begin", "head"]

NOTHING: Final = "0" * 64
"""PREVIOUS of the first record."""
MAX_LINE_BYTES: Final = 4 << 20
_LINE: Final = re.compile(
    rb"([1-9][0-9]{0,17}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (event|begin|head) ([0-9a-f]{64}) ([^\n]*)"
    rb" ([0-9a-f]{64})\n"
)
_SIGNED: Final = b"archimage audit head\n"


@dataclass(frozen=True, slots=True)
class Record:
    """One record; line is all of it, with its line break."""

    number: int
    time: str
    kind: Kind
    previous: str
    payload: bytes
    digest: str
    line: bytes


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the first record of a file says.

    torn_bytes of the file before are what a crash has left after its last whole record, and torn_sha256 is their
    digest. expected is the number up to which a signed head said that there were records, where fewer were found, else
    0; damaged tells that the end of the file before could not be read.
    """

    journal: str
    file: int
    torn_bytes: int = 0
    torn_sha256: str = ""
    expected: int = 0
    damaged: bool = False

    def encode(self) -> bytes:
        """Write it as a payload."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, payload: bytes) -> "Beginning | None":
        """Read a payload; None where it is none."""
        try:
            fields = cast("Mapping[str, object]", orjson.loads(payload))
            found = cls(**fields)  # type: ignore[arg-type]
        except (orjson.JSONDecodeError, TypeError):
            return None
        return found if found.encode() == payload else None


def encode(number: int, time: str, kind: Kind, previous: str, payload: bytes) -> tuple[bytes, str]:
    """Return the line of a record, and its digest."""
    before = b"%d %b %b %b %b" % (number, time.encode("ascii"), kind.encode("ascii"), previous.encode("ascii"), payload)
    digest = sha256(before).hexdigest()
    return b"%b %b\n" % (before, digest.encode("ascii")), digest


def decode(line: bytes) -> Record | None:
    """Read a line; None where it is no record, or not the one that was written."""
    found = _LINE.fullmatch(line)
    if found is None or sha256(line[:-66]).hexdigest().encode("ascii") != found[6]:
        return None
    number, time, kind, previous, payload, digest = found.groups()
    return Record(
        int(number),
        time.decode("ascii"),
        cast("Kind", kind.decode("ascii")),
        previous.decode("ascii"),
        payload,
        digest.decode("ascii"),
        line,
    )


def sign(key: Ed25519PrivateKey, journal: str, number: int, time: str, previous: str) -> bytes:
    """Return the payload of a head."""
    signature = key.sign(_signed(journal, number, time, previous))
    return f"{fingerprint(key.public_key())} ".encode("ascii") + b64encode(signature)


def is_signed(record: Record, journal: str, key: Ed25519PublicKey) -> bool:
    """Tell whether a head's signature is that of a key."""
    named, _, signature = record.payload.partition(b" ")
    if named.decode("ascii", "replace") != fingerprint(key):
        return False
    try:
        decoded = b64decode(signature, validate=True)
        if b64encode(decoded) != signature:
            return False
        key.verify(decoded, _signed(journal, record.number, record.time, record.previous))
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(journal: str, number: int, time: str, previous: str) -> bytes:
    return _SIGNED + f"{journal} {number} {time} head {previous}".encode("ascii")
