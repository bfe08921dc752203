"""Associations, open and ended, as those who look after the archive see them."""

from dataclasses import dataclass
from enum import StrEnum


class AssociationState(StrEnum):
    """Where an association stands."""

    OPEN = "open"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class AskedAssociation:
    """An association that a peer asks for; abstract_syntaxes are the UIDs that it proposes."""

    calling_ae_title: str
    called_ae_title: str
    address: str
    user: str
    encrypted: bool
    abstract_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssociationTiming:
    """Where the time of an association went, seconds.

    negotiation_s: from the connection to the acceptance. first_byte_s: from there until the first request had come,
    None before that. receive_s: objects of C-STORE requests on their way in, from command to last byte. wait_s, sync_s,
    index_s: the same objects waiting for their group commit, in its flush, and in its index transaction. send_s:
    handing answers and objects of C-GET to the connection. Requests that run beside each other each count in full, so
    that together this may be more than the association lasted.
    """

    negotiation_s: float = 0.0
    first_byte_s: float | None = None
    receive_s: float = 0.0
    wait_s: float = 0.0
    sync_s: float = 0.0
    index_s: float = 0.0
    send_s: float = 0.0


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
    timing: AssociationTiming


@dataclass(frozen=True, slots=True)
class EndedAssociation:
    """One association that has ended; reason says in words why, and is empty where the peer released it."""

    id: str
    calling_ae_title: str
    called_ae_title: str
    address: str
    since: float
    duration_s: float
    received_bytes: int
    sent_bytes: int
    last_operation: str
    operations: int
    reason: str
    timing: AssociationTiming
