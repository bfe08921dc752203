"""The associations that are open in this process: who has them, what they do; and their end, when somebody wants it."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from archimage.errors import NotFoundError
from archimage.model.associations import AssociationState, OpenAssociation
from archimage.model.events import AssociationClosed, AssociationOpened, AssociationRefused
from archimage.net.session import Session
from archimage.protocol.command import CommandField
from archimage.protocol.machine import State

Publish = Callable[[AssociationOpened | AssociationClosed | AssociationRefused], None]


@dataclass(frozen=True, slots=True)
class _Opened:
    """An association that was accepted; opened_s by the monotonic clock."""

    session: Session
    loop: asyncio.AbstractEventLoop
    since: float
    opened_s: float


class AssociationTable:
    """Implements `peer_ports.Associations`; sessions are entered and taken out on their loop.

    Sessions count for themselves what they do, so that keeping this costs their requests nothing.
    """

    def __init__(self, publish: Publish = lambda _: None) -> None:
        self._publish = publish
        self._numbers = count(1)
        self._opened: dict[str, _Opened] = {}
        self._ids: dict[Session, str] = {}

    def opened(self, session: Session) -> None:
        """Enter an association that was accepted."""
        association_id = self._ids[session] = f"{os.getpid()}-{next(self._numbers)}"
        loop = asyncio.get_running_loop()
        self._opened[association_id] = _Opened(session, loop, time.time(), time.monotonic())
        titles = session.calling_ae_title, session.called_ae_title
        self._publish(AssociationOpened(association_id, *titles, session.connection.peer_address[0]))

    def refused(self, session: Session, reason: str) -> None:
        """Tell that an association was rejected."""
        titles = session.calling_ae_title, session.called_ae_title
        self._publish(AssociationRefused(*titles, session.connection.peer_address[0], reason))

    def ended(self, session: Session) -> None:
        """Take a session out; one that had no association is passed over."""
        association_id = self._ids.pop(session, None)
        if association_id is not None:
            del self._opened[association_id]
            self._publish(AssociationClosed(association_id, session.calling_ae_title, session.ending))

    def all(self) -> Sequence[OpenAssociation]:
        """Return the open associations of this process, the oldest first; safe from any thread."""
        return [_described(*found) for found in list(self._opened.items())]

    def abort(self, association_id: str) -> None:
        """Send A-ABORT; safe from any thread.

        Raises:
            NotFoundError: none of this id is open.
        """
        found = self._opened.get(association_id)
        if found is None:
            raise NotFoundError(
                "no association of this id is open here", next_step="GET /api/v1/associations lists those that are."
            )
        with suppress(RuntimeError):  # the loop has ended, and with it the association
            found.loop.call_soon_threadsafe(found.session.abort)


def _described(association_id: str, found: _Opened) -> OpenAssociation:
    session = found.session
    connection, association = session.connection, session.association
    running = len(association.outstanding)
    return OpenAssociation(
        id=association_id,
        calling_ae_title=session.calling_ae_title,
        called_ae_title=session.called_ae_title,
        address=connection.peer_address[0],
        since=found.since,
        age_s=time.monotonic() - found.opened_s,
        received_bytes=connection.received_bytes,
        sent_bytes=connection.sent_bytes,
        last_operation=_operation(session.last_request),
        operations=max(0, session.requests - running),
        running=running,
        state=AssociationState.OPEN if association.state is State.ESTABLISHED else AssociationState.CLOSING,
    )


def _operation(field: int) -> str:
    """Name a request as the standard does."""
    if not field:
        return ""
    try:
        return CommandField(field).name.replace("_", "-")
    except ValueError:
        return f"{field:#06x}"
