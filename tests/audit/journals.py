"""Journals that are written for a test."""

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archimage.observe.audit.files import numbers, path_of
from archimage.observe.audit.journal import Journal
from archimage.observe.audit.verify import Verified, verify


@dataclass
class Place:
    """Where a journal is, and its key."""

    root: Path
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def directory(self) -> Path:
        """Directory of its files."""
        return self.root / "audit" / "0"

    @property
    def kept(self) -> Path:
        """Second place of its last head."""
        return self.root / "audit-heads" / "0.head"

    def open(self, *, file_bytes: int = 1 << 20) -> Journal:
        """Open it."""
        return Journal(self.directory, self.kept, self.key, file_bytes=file_bytes, clock=lambda: 1_700_000_000.0)

    def verify(self) -> Verified:
        """Check it."""
        return verify(self.directory, self.key.public_key(), self.kept)

    def files(self) -> list[Path]:
        """Return its files."""
        return [path_of(self.directory, number) for number in numbers(self.directory)]

    def lines(self) -> list[bytes]:
        """Return its records."""
        return [line for path in self.files() for line in path.read_bytes().splitlines(keepends=True)]
