"""Orthanc's identifiers: the SHA-1 of what names a patient, study, series or instance and all above it.

5 groups of 8 hexadecimal digits of SHA-1(Patient ID | Study | Series | SOP Instance UID), down to the level, in UTF-8
"""

import re
from dataclasses import dataclass
from hashlib import sha1
from typing import Final

from archimage.model.attributes import Level

_FORM: Final = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{8}){4}", re.ASCII)
_LEVELS: Final = tuple(Level)
COLUMNS: Final = ("patient_id", "study_instance_uid", "series_instance_uid", "sop_instance_uid")
"""What names something of each level, from the top."""


@dataclass(frozen=True, slots=True)
class Named:
    """A patient, study, series or instance, by the values of `COLUMNS` down to its level."""

    names: tuple[str, ...]

    @property
    def level(self) -> Level:
        """Its level."""
        return _LEVELS[len(self.names) - 1]

    @property
    def hashed_id(self) -> str:
        """Its identifier."""
        digits = self._hash().hex()
        return "-".join(digits[start : start + 8] for start in range(0, 40, 8))

    @property
    def key(self) -> int:
        """The beginning of its identifier as a signed number of 64 bits, which several may share."""
        return int.from_bytes(self._hash()[:8], signed=True)

    def above(self, level: Level) -> "Named":
        """Return what it belongs to at a level."""
        return Named(self.names[: level.depth + 1])

    def _hash(self) -> bytes:
        return sha1("|".join(self.names).encode("utf-8", "replace"), usedforsecurity=False).digest()


def is_hashed_id(text: str) -> bool:
    """Tell whether text has the form of an identifier."""
    return _FORM.fullmatch(text) is not None


def key_of(hashed_id: str) -> int:
    """Return `Named.key` of whatever has an identifier."""
    return int.from_bytes(bytes.fromhex(hashed_id.replace("-", "")[:16]), signed=True)
