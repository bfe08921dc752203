"""Storage commitment that this archive asks of other nodes, and the results that come, on whichever association.

Ref: PS3.4 Annex J.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final
from uuid import uuid4

from archimage.errors import (
    ArchimageError,
    DeliveryRefusedError,
    NotFoundError,
    OperationFailedError,
    RefusedOperationError,
)
from archimage.model.commitments import (
    Commitment,
    CommitmentState,
    Direction,
    Failure,
    Outcome,
    Reason,
    Reference,
    Result,
)
from archimage.model.deliveries import Delivery
from archimage.ports.commitment import CommitmentPeers, Commitments, Waiting
from archimage.protocol.status import Status
from archimage.services.commitment_messages import MAX_REFERENCES, too_many
from archimage.services.deliveries import DeliveryService
from archimage.services.nodes import NodeService

KIND: Final = "commitment-request"
"""Of deliveries."""
_BY_US: Final = Direction.ASKED_BY_US


class CommitmentRequestService:
    """Asks, and hears what comes of it; all of it blocks."""

    def __init__(
        self,
        table: Commitments,
        deliveries: DeliveryService,
        peers: CommitmentPeers,
        nodes: NodeService,
        *,
        wait_s: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Wait for results on the association that asks for wait_s."""
        self._table = table
        self._peers = peers
        self._nodes = nodes
        self._wait_s = wait_s
        self._now = now
        self._deliveries = deliveries
        deliveries.register(KIND, lambda delivery: self.ask_now(delivery.about))

    def ask(self, ae_title: str, references: Sequence[Reference], after_s: float = 0.0) -> Commitment:
        """Have a node asked, in the background, after some seconds; tried for a day.

        Raises:
            NotFoundError: there is no such node.
            RefusedOperationError: there are too many objects for one transaction.
        """
        node = self._nodes.get(ae_title)
        wanted = list(dict.fromkeys(references))
        if not wanted:
            raise NotFoundError("there is nothing to ask about")
        if len(wanted) >= MAX_REFERENCES:
            raise too_many(f"{len(wanted)} objects; ask about fewer than {MAX_REFERENCES} at once")
        now, uid = self._now(), f"2.25.{uuid4().int}"
        kept = Commitment(uid, _BY_US, node.ae_title, CommitmentState.WAITING, len(wanted), now)
        self._table.add(kept, wanted, Delivery(KIND, node.ae_title, uid, "", f"{KIND} {uid}", now, now + after_s))
        self._deliveries.wake()
        return self.get(uid)

    def get(self, transaction_uid: str) -> Commitment:
        """Return one; NotFoundError where it is not kept."""
        found = self._table.get(_BY_US, transaction_uid)
        if found is None:
            raise NotFoundError("no transaction of this UID was asked from here")
        return found

    def ask_now(self, transaction_uid: str) -> None:
        """Ask, and wait for the result for a while; what was asked or is not kept is left alone.

        Raises:
            PeerFailedError: the node could not be asked.
            DeliveryRefusedError: it does not want to be.
        """
        kept = self._table.get(_BY_US, transaction_uid)
        if kept is None or kept.state is not CommitmentState.WAITING:
            return
        references = self._table.references(kept.id)
        try:
            node = self._nodes.get(kept.ae_title)
            waiting = Waiting(self._wait_s, partial(self.hear, kept.ae_title))
            self._peers.ask(node, transaction_uid, references, waiting)
        except OperationFailedError as error:
            if error.status != Status.DUPLICATE_TRANSACTION_UID:
                self._table.end(kept.id, CommitmentState.REFUSED, self._now(), str(error))
                raise DeliveryRefusedError(str(error), next_step=error.next_step) from error
            # else it was asked by a process that could not note that any more
        except ArchimageError as error:
            self._table.note(kept.id, f"{error}. {error.next_step}".strip())
            raise
        self._table.advance(kept.id, CommitmentState.WAITING, CommitmentState.ASKED)

    def hear(self, ae_title: str, result: Result) -> None:
        """Keep a result that a node reports by itself.

        Raises:
            RefusedOperationError: nothing of the kind was asked of that AE title.
        """
        kept = self._table.get(_BY_US, result.transaction_uid)
        if kept is None or kept.ae_title != ae_title:
            raise RefusedOperationError("no such transaction was asked", status=Status.NO_SUCH_SOP_INSTANCE)
        outcome = _whole(self._table.references(kept.id), result)
        self._table.conclude(kept.id, CommitmentState.ANSWERED, outcome, self._now())  # what was told before stays


def _whole(references: Sequence[Reference], result: Result) -> Outcome:
    """Return the outcome of a result; everything that was asked about and is not named is not committed to."""
    failures = {one.sop_instance_uid: one for one in result.outcome.failures}
    committed = {one.sop_instance_uid for one in result.committed}
    found = [
        failures.get(one.sop_instance_uid) or Failure(one.sop_class_uid, one.sop_instance_uid, Reason.UNTOLD)
        for one in references
        if one.sop_instance_uid in failures or one.sop_instance_uid not in committed
    ]
    return Outcome(found, result.outcome.retrieve_ae_title)
