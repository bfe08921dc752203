"""The associations of this process, open and ended lately: who has them, what they do, where their time goes; and
their end, when somebody wants it."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from typing import Final

from archimage.errors import NotFoundError
from archimage.logger import logger
from archimage.model.associations import AssociationState, EndedAssociation, OpenAssociation
from archimage.model.events import AssociationClosed, AssociationOpened, AssociationRefused
from archimage.net.session import Session
from archimage.ports.meter import Meter, Rejection
from archimage.protocol.command import command_name
from archimage.protocol.machine import State
from archimage.spans import Tracer

ENDED: Final = 100
"""Ended associations that are remembered."""
_log = logger("association")

Publish = Callable[[AssociationOpened | AssociationClosed | AssociationRefused], None]


@dataclass(frozen=True, slots=True)
class _Opened:
    """An association that was accepted; since is seconds since 1970, UTC; metered is what its end is counted under."""

    session: Session
    loop: asyncio.AbstractEventLoop
    since: float
    metered: str


class AssociationTable:
    """Implements `ports.peer.Associations`; sessions are entered and taken out on their loop.

    Sessions count for themselves what they do, so that keeping this costs their requests nothing.
    """

    def __init__(
        self, publish: Publish = lambda _: None, meter: Meter | None = None, tracer: Tracer | None = None
    ) -> None:
        self.meter = meter or Meter()
        """Hears of associations and of what they do."""
        self._tracer = tracer or Tracer()
        self._publish = publish
        self._numbers = count(1)
        self._opened: dict[str, _Opened] = {}
        self._ended: deque[EndedAssociation] = deque(maxlen=ENDED)

    def new_id(self) -> str:
        """Return a name for a connection that no other one has, of whichever process."""
        return f"{os.getpid()}-{next(self._numbers)}"

    def opened(self, session: Session, user: str = "") -> None:
        """Enter an association that was accepted; user is who its peer has proved to be."""
        session.watch.accepted()
        session.spans.begin(self._tracer.begin("association", {"association.id": session.id}, "server"))
        metered = self.meter.association_opened(session.calling_ae_title)
        self._opened[session.id] = _Opened(session, asyncio.get_running_loop(), time.time(), metered)
        titles = session.calling_ae_title, session.called_ae_title
        self._publish(AssociationOpened(session.id, *titles, session.connection.peer_address[0], user))

    def refused(self, session: Session, why: Rejection, reason: str) -> None:
        """Tell that an association was rejected; reason says it in words."""
        self.meter.association_rejected(why)
        titles = session.calling_ae_title, session.called_ae_title
        self._publish(AssociationRefused(*titles, session.connection.peer_address[0], reason))

    def ended(self, session: Session) -> None:
        """Take a session out; one that had no association is only counted, where it was more than a peer that left."""
        found = self._opened.pop(session.id, None)
        if found is None:
            if session.ended_as not in {"lost", "released"}:
                self.meter.connection_failed(session.ended_as)
            return
        ended = _ended(found)
        _end_spans(session, ended)
        self._ended.appendleft(ended)
        self.meter.association_ended(
            found.metered, session.ended_as, ended.duration_s, ended.received_bytes, ended.sent_bytes
        )
        _tell(ended)
        self._publish(AssociationClosed(session.id, session.calling_ae_title, session.ending))

    def ended_lately(self) -> Sequence[EndedAssociation]:
        """Return the associations of this process that ended last, the newest first; safe from any thread."""
        return list(self._ended)

    def all(self) -> Sequence[OpenAssociation]:
        """Return the open associations of this process, the oldest first; safe from any thread."""
        return [_described(found) for found in list(self._opened.values())]

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


def _described(found: _Opened) -> OpenAssociation:
    session = found.session
    connection, association = session.connection, session.association
    running = len(association.outstanding)
    return OpenAssociation(
        id=session.id,
        calling_ae_title=session.calling_ae_title,
        called_ae_title=session.called_ae_title,
        address=connection.peer_address[0],
        since=found.since,
        age_s=session.watch.age_s,
        received_bytes=connection.received_bytes,
        sent_bytes=connection.sent_bytes,
        last_operation=_operation(session.last_request),
        operations=max(0, session.requests - running),
        running=running,
        state=AssociationState.OPEN if association.state is State.ESTABLISHED else AssociationState.CLOSING,
        timing=session.watch.read(),
    )


def _ended(found: _Opened) -> EndedAssociation:
    session = found.session
    connection = session.connection
    return EndedAssociation(
        id=session.id,
        calling_ae_title=session.calling_ae_title,
        called_ae_title=session.called_ae_title,
        address=connection.peer_address[0],
        since=found.since,
        duration_s=round(session.watch.age_s, 6),
        received_bytes=connection.received_bytes,
        sent_bytes=connection.sent_bytes,
        last_operation=_operation(session.last_request),
        operations=session.requests,
        reason=session.ending,
        timing=session.watch.read(),
    )


def _tell(ended: EndedAssociation) -> None:
    """Log all of an association in one line."""
    timing = {key: value for key, value in asdict(ended.timing).items() if value is not None}
    _log.info(
        "association closed",
        association=ended.id,
        calling=ended.calling_ae_title,
        called=ended.called_ae_title,
        address=ended.address,
        operations=ended.operations,
        received_bytes=ended.received_bytes,
        sent_bytes=ended.sent_bytes,
        reason=ended.reason or "released",
        duration_s=ended.duration_s,
        **timing,
    )


def _end_spans(session: Session, ended: EndedAssociation) -> None:
    """Tell the span of an association what the line that closes it tells, but for addresses."""
    timing = {f"association.{key}": value for key, value in asdict(ended.timing).items() if value is not None}
    attributes = {
        "association.calling_ae_title": ended.calling_ae_title,
        "association.called_ae_title": ended.called_ae_title,
        "association.operations": ended.operations,
        "association.received_bytes": ended.received_bytes,
        "association.sent_bytes": ended.sent_bytes,
        **timing,
    }
    session.spans.end(attributes, "" if session.ended_as == "released" else session.ended_as)


def _operation(field: int) -> str:
    """Name a request as the standard does."""
    return command_name(field) if field else ""
