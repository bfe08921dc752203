"""What storage commitment needs from the index and the network, as protocols."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from archimage.model.commitments import Commitment, CommitmentState, Direction, Failure, Outcome, Reference, Result
from archimage.model.deliveries import Delivery
from archimage.model.nodes import Node


class Commitments(Protocol):
    """Keeps transactions, for every process; what returns is durable."""

    def add(self, commitment: Commitment, references: Sequence[Reference], delivery: Delivery) -> bool:
        """Keep a transaction and what is to be done about it, both or nothing; False where its UID is used already."""

    def get(self, direction: Direction, transaction_uid: str) -> Commitment | None:
        """Return one, or None."""

    def one(self, commitment_id: int) -> Commitment | None:
        """Return that of an id, or None."""

    def references(self, commitment_id: int) -> Sequence[Reference]:
        """Return what a transaction is about."""

    def failures(self, commitment_id: int) -> Sequence[Failure]:
        """Return what was not committed to."""

    def find(
        self,
        *,
        direction: Direction | None = None,
        state: CommitmentState | None = None,
        before: int | None,
        limit: int,
    ) -> Sequence[Commitment]:
        """Return the newest, of a direction, in a state, and before an id, where these are given."""

    def waiting(self, ae_title: str) -> int:
        """Count the references that an AE title asked us about and has not been told of."""

    def conclude(self, commitment_id: int, state: CommitmentState, outcome: Outcome, now: float) -> bool:
        """Keep what was found out, unless something is kept already; what is answered is over."""

    def note(self, commitment_id: int, note: str) -> None:
        """Keep why it is not further yet."""

    def end(self, commitment_id: int, state: CommitmentState, now: float, note: str = "") -> None:
        """Keep that it is over."""

    def advance(self, commitment_id: int, before: CommitmentState, state: CommitmentState) -> bool:
        """Keep that it is in a state that is not over, where it was in the other before."""

    def remove(self, commitment_id: int) -> bool:
        """Forget one; False where it is not kept."""

    def forget(self, ended_before: float) -> int:
        """Forget what was over before a time; return how many these were."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long a result is waited for, seconds, and who keeps it; RefusedOperationError where it was not asked for."""

    wait_s: float
    hear: Callable[[Result], None]


class CommitmentPeers(Protocol):
    """Tells and asks other nodes; blocks."""

    def report(self, node: Node, transaction_uid: str, references: Sequence[Reference], outcome: Outcome) -> None:
        """Tell a node a result, on an association of ours.

        Raises:
            PeerFailedError: it did not hear it, for now.
            OperationFailedError: it does not want it.
        """

    def ask(self, node: Node, transaction_uid: str, references: Sequence[Reference], waiting: Waiting) -> None:
        """Ask a node for commitment, and wait a while for what it tells on the same association.

        Raises:
            PeerFailedError: it could not be asked.
            OperationFailedError: it refuses.
        """
