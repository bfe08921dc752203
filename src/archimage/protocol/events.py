"""What a peer did, as the owner of an association learns it."""

from dataclasses import dataclass, field

from archimage.protocol.command import Command
from archimage.protocol.pdu import AssociateAccept, AssociateRequest


@dataclass(frozen=True, slots=True)
class AssociationRequested:
    """The peer asks for an association: accept or reject it."""

    request: AssociateRequest


@dataclass(frozen=True, slots=True)
class AssociationAccepted:
    """The peer accepted; `Association.contexts` says what can be used."""

    accept: AssociateAccept


@dataclass(frozen=True, slots=True)
class AssociationRejected:
    """The peer refused us, or the protocol core refused the peer. Ref: PS3.8 Table 9-21."""

    result: int
    source: int
    reason: int


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A command set is complete; a data set follows as DataReceived where has_dataset says so.

    duplicate: its message id is that of a request which is still unanswered.
    """

    context_id: int
    command: Command
    has_dataset: bool
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class DataReceived:
    """A piece of the data set. The view points into what was passed to receive_data; the last one may be empty."""

    context_id: int
    data: memoryview
    last: bool


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """The peer wants to end: answer with accept_release.

    In the acceptor of a release collision it comes once the peer's own answer is there, since only then may it be
    answered.
    """


@dataclass(frozen=True, slots=True)
class ReleaseConfirmed:
    """The peer agreed to end."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """The association is gone: aborted by the peer, or by us because of what the peer sent.

    detail says what was wrong, in words for a log.
    """

    source: int
    reason: int
    by_peer: bool
    detail: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The transport connection closed in the middle of an association."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The peer let a deadline pass."""


Event = (
    AssociationRequested
    | AssociationAccepted
    | AssociationRejected
    | CommandReceived
    | DataReceived
    | ReleaseRequested
    | ReleaseConfirmed
    | Aborted
    | ConnectionLost
    | TimedOut
)
