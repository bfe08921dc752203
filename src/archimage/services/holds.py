"""Legal holds: placed and released by people, with a reason; what they forbid stands in the index, below every door.

A hold is in force once it was answered: its transaction comes before or after any other that changes the study, and is
flushed together with everything that came before it.
"""

import time
from collections.abc import Callable
from typing import Final

from archimage.errors import HeldError, InvalidRequestError, NotFoundError
from archimage.model.callers import current
from archimage.model.events import HoldChanged
from archimage.model.holds import Hold
from archimage.model.ids import check_uid
from archimage.model.listings import Page
from archimage.ports.hold import Holds
from archimage.services.events import EventHub

REASON_LENGTH: Final = 500
"""Characters."""


class HoldService:
    """Places and releases holds; all of it blocks. clock gives seconds since 1970, UTC."""

    def __init__(self, holds: Holds, events: EventHub, clock: Callable[[], float] = time.time) -> None:
        self._holds = holds
        self._events = events
        self._clock = clock
        self.told: Callable[[str, str], None] = lambda _study, _what: None
        """Hears of every hold that is placed or released: the study, and what was done and why."""

    def get(self, study_instance_uid: str) -> Hold | None:
        """Return the hold of a study, None where there is none."""
        return self._holds.get(check_uid(study_instance_uid))

    def list(self, limit: int, offset: int) -> Page[Hold]:
        """Return a part of the holds, the newest first."""
        found, total = self._holds.list(limit, offset)
        return Page(found, total, limit, offset)

    def place(self, study_instance_uid: str, reason: str) -> Hold:
        """Place a study on hold; of one that is on hold already the reason becomes this one.

        Raises:
            InvalidRequestError: there is no reason, or it is too long.
            NotFoundError: no such study is kept.
        """
        check_uid(study_instance_uid)
        wanted = Hold(study_instance_uid, _name(), _checked(reason), self._clock())
        placed = self._holds.place(wanted)
        if placed is None:
            raise NotFoundError(f"no study {study_instance_uid} is kept")
        self._tell(study_instance_uid, f"legal hold placed: {placed.reason}", held=True)
        return placed

    def release(self, study_instance_uid: str, reason: str) -> Hold:
        """Release a study; return the hold that it was under.

        Raises:
            InvalidRequestError: there is no reason, or it is too long.
            NotFoundError: it is under none.
        """
        check_uid(study_instance_uid)
        reason = _checked(reason)
        before = self._holds.release(study_instance_uid)
        if before is None:
            raise NotFoundError(f"study {study_instance_uid} is under no legal hold")
        self._tell(study_instance_uid, f"legal hold released: {reason}; it was: {before.reason}", held=False)
        return before

    def check(self, study_instance_uid: str) -> None:
        """Raise HeldError where a study is on hold: for who plans something that the index would refuse in the end."""
        if self._holds.get(study_instance_uid) is not None:
            raise HeldError(f"study {study_instance_uid} is on legal hold: nothing of it may change")

    def _tell(self, study_instance_uid: str, what: str, *, held: bool) -> None:
        self.told(study_instance_uid, what)
        self._events.publish(HoldChanged(study_instance_uid, held))


def _name() -> str:
    """Return whoever asks, as people name him."""
    caller = current()
    return "" if caller is None else caller.principal.user or caller.principal.name


def _checked(reason: str) -> str:
    reason = " ".join(reason.split())
    if not 0 < len(reason) <= REASON_LENGTH or not reason.isprintable():
        raise InvalidRequestError(f"a reason is 1 to {REASON_LENGTH} printable characters")
    return reason
