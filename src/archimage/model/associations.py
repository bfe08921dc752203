"""Open associations, as those who look after the archive see them."""

from dataclasses import dataclass
from enum import StrEnum


class AssociationState(StrEnum):
    """Where an association stands."""

    OPEN = "open"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class OpenAssociation:
    """One association that a peer has with this archive.

    since is seconds since 1970, UTC; received_bytes and sent_bytes are those of its connection. last_operation is the
    name of the last request, as C-STORE-RQ, empty before the first; operations counts those that were answered.
    """

    id: str
    calling_ae_title: str
    called_ae_title: str
    address: str
    since: float
    age_s: float
    received_bytes: int
    sent_bytes: int
    last_operation: str
    operations: int
    running: int
    state: AssociationState
