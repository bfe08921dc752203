"""What is told of digital signatures in stored objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SignatureResult = Literal["valid", "changed", "untrusted", "unknown"]
"""valid: as it was signed, by somebody whom a trusted authority certified; changed: not as it was signed; untrusted: as
it was signed, by nobody knows whom; unknown: it cannot be checked."""


@dataclass(frozen=True, slots=True)
class CheckedSignature:
    """A signature and what came of checking it.

    signed_at is as the object tells it (YYYYMMDDHHMMSS.FFFFFF&ZZXX), elements how many it covers, profile `base-rsa`,
    `creator-rsa` or empty, purpose empty where it tells none; reason says why result is not `valid`.
    """

    uid: str
    signer: str
    issuer: str
    signed_at: str
    purpose: str
    profile: str
    algorithm: str
    elements: int
    result: SignatureResult
    reason: str


@dataclass(frozen=True, slots=True)
class SignedInstance:
    """The signatures of an instance; problem says why they could not be looked at, empty where they could."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    signatures: Sequence[CheckedSignature]
    problem: str = ""
