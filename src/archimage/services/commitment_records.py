"""What people see of storage commitment, and do about it: transactions of both directions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archimage.errors import ConflictError, NotFoundError
from archimage.model.commitments import Commitment, CommitmentState, Direction, Failure, Reference
from archimage.ports.commitment import Commitments
from archimage.services.chosen import Chosen, selected
from archimage.services.commitment_requests import CommitmentRequestService
from archimage.services.commitments import CommitmentService
from archimage.services.retrieve import RetrieveService

MAX_SHOWN: Final = 1_000
"""Transactions of a page, and objects of a transaction."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An object that is not committed to, and why."""

    sop_class_uid: str
    sop_instance_uid: str
    reason: int
    why: str


@dataclass(frozen=True, slots=True)
class CommitmentDetails:
    """A transaction; of its objects, and of those not committed to, at most 1,000 each."""

    commitment: Commitment
    sop_instance_uids: Sequence[str]
    problems: Sequence[Problem]


class CommitmentRecords:
    """Lists and shows transactions, asks, and has results told again; all of it blocks."""

    def __init__(
        self,
        table: Commitments,
        commitments: CommitmentService,
        requests: CommitmentRequestService,
        retrieve: RetrieveService,
    ) -> None:
        self._table = table
        self._commitments = commitments
        self._requests = requests
        self._retrieve = retrieve

    def list(
        self,
        *,
        direction: Direction | None = None,
        state: CommitmentState | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Commitment]:
        """Return the newest, of a direction, in a state, and before an id, where these are given."""
        return self._table.find(direction=direction, state=state, before=before, limit=min(limit, MAX_SHOWN))

    def get(self, number: int) -> CommitmentDetails:
        """Return all of one; NotFoundError where it is not kept."""
        kept = self._one(number)
        uids = [one.sop_instance_uid for one in self._table.references(number)[:MAX_SHOWN]]
        return CommitmentDetails(kept, uids, [_problem(one) for one in self._table.failures(number)[:MAX_SHOWN]])

    def ask(self, ae_title: str, chosen: Chosen) -> Commitment:
        """Have a node asked whether it keeps what is chosen of this archive.

        Raises:
            NotFoundError: there is no such node, or something that is chosen is not kept here.
            RefusedOperationError: these are too many objects for one transaction.
        """
        instances = selected(self._retrieve, chosen)
        return self._requests.ask(ae_title, [Reference(one.sop_class_uid, one.sop_instance_uid) for one in instances])

    def report_again(self, number: int) -> Commitment:
        """Have the result of what was asked of us told anew; ConflictError where it was asked by us."""
        kept = self._one(number)
        if kept.direction is not Direction.ASKED_OF_US:
            raise ConflictError("this was asked by us: its result comes from the node")
        self._commitments.report_again(kept)
        return self._one(number)

    def remove(self, number: int) -> None:
        """Forget one, whatever its state; NotFoundError where it is not kept."""
        if not self._table.remove(number):
            raise _absent()

    def _one(self, number: int) -> Commitment:
        kept = self._table.one(number)
        if kept is None:
            raise _absent()
        return kept


def _absent() -> NotFoundError:
    return NotFoundError("no transaction of this number is kept", next_step="GET /api/v1/commitments lists them.")


def _problem(failure: Failure) -> Problem:
    return Problem(failure.sop_class_uid, failure.sop_instance_uid, failure.reason, failure.why)
