"""Storage commitment that others ask of this archive.

A request is kept, with the delivery of its result, before it is answered. What it is about is then looked at in a few
threads, and the result is told on the association that asked, as long as that waits, or else by the delivery, which
tries for a day. So whatever ends a process, another one, or the next, finds what is still to be done.
Ref: PS3.4 Annex J.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from functools import partial
from typing import Final

from archimage.config_commitment import CommitmentConfig
from archimage.errors import (
    ArchimageError,
    DeliveryRefusedError,
    NotAuthorisedError,
    NotFoundError,
    OperationFailedError,
    PeerFailedError,
    RefusedOperationError,
    UnavailableError,
)
from archimage.model import callers
from archimage.model.commitments import Commitment, CommitmentState, Direction, Outcome, Reference
from archimage.model.deliveries import Delivery
from archimage.model.jobs import Priority
from archimage.model.nodes import Node
from archimage.ports.commitment import CommitmentPeers, Commitments
from archimage.ports.index import Finding
from archimage.protocol.status import Status
from archimage.services.commitment_checks import Verification
from archimage.services.commitment_messages import too_many
from archimage.services.deliveries import DeliveryService
from archimage.threads import ContextThreads

KIND: Final = "commitment"
"""Of deliveries."""
THREADS: Final = 4
MAX_WAITING: Final = 1_000_000
"""Objects that an AE title may have asked about without having been told of them."""
REPORT_S: Final = 60.0
"""How long a peer may take to answer a report on its association."""
_PATIENCE_S: Final = 1.0
_FORGET_EVERY_S: Final = 3_600.0
_DAY_S: Final = 86_400.0
_NO_NODE: Final = "Enter the node with its address, and it is told."


@dataclass(frozen=True, slots=True)
class CommitmentTools:
    """What the service works with; visible is the index as far as the asker may see it."""

    table: Commitments
    visible: Finding
    verification: Verification
    deliveries: DeliveryService
    peers: CommitmentPeers
    node: Callable[[str], Node | None]
    now: Callable[[], float] = time.time


class CommitmentService:
    """Takes requests, looks at what they are about, and tells the results; safe from any thread. `close` it."""

    def __init__(self, tools: CommitmentTools, ae_title: str, settings: CommitmentConfig) -> None:
        """Commit under our AE title."""
        self.same_association_s = settings.same_association_s
        self._settings = settings
        self._forgotten_at = 0.0
        self._tools = tools
        self._ae_title = ae_title
        self._closing = False
        self._lock = threading.RLock()  # a transaction may be done before its callback is set
        self._running: dict[str, Future[Outcome]] = {}
        self.threads = ContextThreads(THREADS, "commit")
        """Look at objects, one transaction each."""
        tools.deliveries.register(KIND, self._deliver)

    def resume(self) -> None:
        """Tell now what nobody waits for on an association any more; for a process that is alone."""
        self._tools.deliveries.hasten(KIND)

    def close(self) -> None:
        """End; what was not told is told after the next start."""
        self._closing = True
        self.threads.shutdown(cancel_futures=True)

    def take(self, ae_title: str, transaction_uid: str, references: Sequence[Reference]) -> None:
        """Keep a request; durable when this returns, and its result will be told to that AE title.

        Raises:
            RefusedOperationError: its UID was used before, or too much waits for that AE title already.
        """
        table, now = self._tools.table, self._tools.now()
        self._forget_old(now)
        if table.waiting(ae_title) + len(references) > MAX_WAITING:
            raise too_many(f"over {MAX_WAITING} objects wait for their results")
        seen = self._seen(references)
        of_us, state = Direction.ASKED_OF_US, CommitmentState.VERIFYING
        kept = Commitment(transaction_uid, of_us, ae_title, state, len(seen), now)
        if not table.add(kept, seen, self._delivery(kept, now + self.same_association_s + REPORT_S)):
            raise RefusedOperationError("this transaction UID was used before", status=Status.DUPLICATE_TRANSACTION_UID)

    def _forget_old(self, now: float) -> None:
        """Forget now and then what was over long ago."""
        if now - self._forgotten_at > _FORGET_EVERY_S:
            self._forgotten_at = now
            self._tools.table.forget(now - self._settings.keep_days * _DAY_S)

    def _seen(self, references: Sequence[Reference]) -> Sequence[Reference]:
        """Mark what is not within what the asker was granted: to him it is not there."""
        if not callers.granted().within:
            return references
        return [
            Reference(one.sop_class_uid, one.sop_instance_uid, withheld=not self._is_visible(one.sop_instance_uid))
            for one in references
        ]

    def _is_visible(self, sop_instance_uid: str) -> bool:
        try:
            return self._tools.visible.lookup(sop_instance_uid) is not None
        except NotAuthorisedError:
            return False

    def _delivery(self, kept: Commitment, due_at: float) -> Delivery:
        uid = kept.transaction_uid
        lane = f"{KIND} {uid}"
        return Delivery(KIND, kept.ae_title, uid, "", lane, self._tools.now(), due_at, priority=Priority.HIGH)

    def verify(self, transaction_uid: str) -> Future[Outcome]:
        """Begin to look at what a transaction is about, unless that has begun here; the result is kept by then."""
        with self._lock:
            if transaction_uid not in self._running:
                future = self._begun(transaction_uid)
                self._running[transaction_uid] = future
                future.add_done_callback(partial(self._verified, transaction_uid))
                return future
            return self._running[transaction_uid]

    def _begun(self, transaction_uid: str) -> Future[Outcome]:
        try:
            return self.threads.submit(self._verify, transaction_uid)
        except RuntimeError as error:
            raise UnavailableError("the archive closes") from error

    def _verified(self, transaction_uid: str, _future: Future[Outcome]) -> None:
        with self._lock:
            self._running.pop(transaction_uid, None)

    def _verify(self, transaction_uid: str) -> Outcome:
        table = self._tools.table
        kept = self._get(transaction_uid)
        if kept.state is CommitmentState.VERIFYING:
            references = table.references(kept.id)
            failures = self._tools.verification.failures(references, lambda: self._closing)
            outcome = Outcome(failures, self._ae_title)
            if table.conclude(kept.id, CommitmentState.VERIFIED, outcome, self._tools.now()):
                return outcome
        return Outcome(table.failures(kept.id), kept.retrieve_ae_title or self._ae_title)

    def _get(self, transaction_uid: str) -> Commitment:
        found = self._tools.table.get(Direction.ASKED_OF_US, transaction_uid)
        if found is None:
            raise NotFoundError("no transaction of this UID is kept")
        return found

    def let_go(self, transaction_uid: str, *, heard: bool = False) -> None:
        """Have the result told on another association, unless the asker has heard it; then that is kept."""
        if heard:
            self._heard(transaction_uid)
        self._tools.deliveries.hasten(KIND, transaction_uid)

    def _heard(self, transaction_uid: str) -> None:
        self._tools.table.end(self._get(transaction_uid).id, CommitmentState.REPORTED, self._tools.now())

    def report_again(self, kept: Commitment) -> None:
        """Tell the result of what was asked of us anew, whatever became of it before."""
        state = CommitmentState.VERIFYING if kept.verified_at is None else CommitmentState.VERIFIED
        self._tools.table.advance(kept.id, kept.state, state)
        self._tools.deliveries.add_all([self._delivery(kept, self._tools.now())])

    def _deliver(self, delivery: Delivery) -> None:
        """Tell a result to the node of the AE title that asked, and to nobody else."""
        kept = self._tools.table.get(Direction.ASKED_OF_US, delivery.about)
        if kept is None or kept.state is CommitmentState.REPORTED:
            return
        try:
            self._report(kept)
        except ArchimageError as error:
            self._tools.table.note(kept.id, f"{error}. {error.next_step}".rstrip(". ") + ".")
            raise
        self._heard(kept.transaction_uid)

    def _report(self, kept: Commitment) -> None:
        outcome = self._outcome(kept.transaction_uid)
        node = self._tools.node(kept.ae_title)
        if node is None:
            raise PeerFailedError(f"{kept.ae_title!r} has left, and no node of this name is known", next_step=_NO_NODE)
        references = self._tools.table.references(kept.id)
        try:
            self._tools.peers.report(node, kept.transaction_uid, references, outcome)
        except OperationFailedError as error:
            raise DeliveryRefusedError(str(error), next_step=error.next_step) from error

    def _outcome(self, transaction_uid: str) -> Outcome:
        """Return what was found out; threads of deliveries do not wait long for that."""
        verifying = self.verify(transaction_uid)
        try:
            return verifying.result(_PATIENCE_S)
        except NotYet:
            verifying.add_done_callback(lambda _: self.let_go(transaction_uid))
            raise UnavailableError("the objects are still being looked at") from None
