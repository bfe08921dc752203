"""Values that stand for others: the same in all objects of a project, and without its secret not to be found out."""

import hmac
import uuid
from hashlib import sha256
from typing import Final

from pydicom.uid import UID

_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_ID_LETTERS: Final = 12
_MOST_DAYS: Final = 3650


class Pseudonyms:
    """Makes pseudonyms under a secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def uid(self, uid: str) -> str:
        """Return the UID that stands for another; what the standard itself defines stands for itself.

        Ref: PS3.5 §B.2.
        """
        if UID(uid).name != uid:
            return uid
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', uid)[:16], version=5).int}"

    def patient_id(self, patient: str) -> str:
        """Return the Patient ID that stands for a patient."""
        return self._letters("patient", patient)

    def patient_name(self, patient: str) -> str:
        """Return the name that stands for a patient's, made of the ID that does."""
        return f"Patient^{self.patient_id(patient)}"

    def days(self, patient: str) -> int:
        """Return by how many days a patient's dates are moved back: 1 to about ten years."""
        return 1 + int.from_bytes(self._digest("days", patient)[:8]) % _MOST_DAYS

    def _letters(self, kind: str, value: str) -> str:
        return "".join(_LETTERS[byte % 32] for byte in self._digest(kind, value)[:_ID_LETTERS])

    def _digest(self, kind: str, value: str) -> bytes:
        return hmac.digest(self._secret, f"{kind}\0{value}".encode("utf-8", "surrogateescape"), sha256)
