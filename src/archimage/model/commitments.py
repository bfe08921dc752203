"""Storage commitment: which objects somebody wants to rely on another's keeping, and what came of asking.

Ref: PS3.4 Annex J.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Direction(StrEnum):
    """Who asked whom."""

    ASKED_OF_US = "asked of us"
    ASKED_BY_US = "asked by us"


class CommitmentState(StrEnum):
    """Where a commitment stands; the first three are of those asked of us, the others of those that we ask.

    waiting is what the other side has not taken yet, asked what it has not told the result of.
    """

    VERIFYING = "verifying"
    VERIFIED = "verified"
    REPORTED = "reported"
    WAITING = "waiting"
    ASKED = "asked"
    ANSWERED = "answered"
    REFUSED = "refused"


class Reason(IntEnum):
    """Why an object is not committed to; untold is no code of the standard's. Ref: PS3.3 §C.14.1.1."""

    UNTOLD = 0x0000
    DAMAGED = 0x0110
    ABSENT = 0x0112
    CLASS_MISMATCH = 0x0119


REASONS: Mapping[int, str] = {
    Reason.UNTOLD: "the other side did not tell",
    Reason.DAMAGED: "it cannot be read whole",
    Reason.ABSENT: "it is not there",
    Reason.CLASS_MISMATCH: "it is of another SOP class",
    0x0122: "its SOP class is not supported",
    0x0131: "the transaction UID was used before",
    0x0213: "there is no room for it",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that is asked about; withheld from one who was granted a part of the archive that it is not in."""

    sop_class_uid: str
    sop_instance_uid: str
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """An object that is not committed to; reason is a code of PS3.3 §C.14.1.1."""

    sop_class_uid: str
    sop_instance_uid: str
    reason: int

    @property
    def why(self) -> str:
        """The reason in words."""
        return REASONS.get(self.reason, f"reason {self.reason:#06x}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found out: what is not committed to, everything else is; and where that can be retrieved, if told."""

    failures: Sequence[Failure] = ()
    retrieve_ae_title: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """An outcome as another node tells it, with what it commits to."""

    transaction_uid: str
    committed: Sequence[Reference]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Commitment:
    """One transaction, without its references.

    ae_title is who asked us, or whom we asked. Times are seconds since 1970, UTC: ended_at is when the result was told
    to the other side, or came from it. count is how many objects it is about, failed how many are not committed to.
    note says why it is not further yet, and what to do; empty where nothing is wrong.
    """

    transaction_uid: str
    direction: Direction
    ae_title: str
    state: CommitmentState
    count: int
    created_at: float
    failed: int = 0
    verified_at: float | None = None
    ended_at: float | None = None
    retrieve_ae_title: str = ""
    note: str = ""
    id: int = 0
