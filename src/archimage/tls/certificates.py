"""Certificates: who a peer is by its own, and how long ours holds."""

import hashlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

FINGERPRINT: Final = "sha256:"


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """A certificate that was checked: its SHA-256, hexadecimal, its subject's common name and alternative names."""

    fingerprint: str
    names: frozenset[str]

    @property
    def known_as(self) -> frozenset[str]:
        """What it may be called by: its names, and `sha256:` with its fingerprint."""
        return self.names | {FINGERPRINT + self.fingerprint}

    def is_called(self, wanted: str) -> bool:
        """Tell whether it is the one that is meant: by `sha256:` and fingerprint, or by one of its names."""
        if wanted.lower().startswith(FINGERPRINT):
            return wanted[len(FINGERPRINT) :].replace(":", "").lower() == self.fingerprint
        return wanted.lower() in self.names

    @classmethod
    def of(cls, connection: ssl.SSLObject | None) -> "PeerCertificate | None":
        """Return that of the peer of a connection; None where it has none, or it was not checked."""
        found: dict[str, Any] | None = None if connection is None else connection.getpeercert()
        if not found or connection is None:
            return None
        encoded = connection.getpeercert(binary_form=True) or b""
        names = [value for part in found.get("subject", ()) for key, value in part if key == "commonName"]
        names += [value for _, value in found.get("subjectAltName", ()) if isinstance(value, str)]
        return cls(hashlib.sha256(encoded).hexdigest(), frozenset(name.lower() for name in names))


def valid_until(file: Path) -> datetime:
    """Return until when the first certificate of a PEM file holds, UTC; ValueError or OSError where there is none."""
    from cryptography import x509  # takes a while to import, and is asked for now and then

    return x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc


def days_left(until: datetime) -> int:
    """Return for how many whole days something still holds; negative once it does not."""
    return (until - datetime.now(UTC)).days
