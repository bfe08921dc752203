"""The trail of a process: nobody waits for it, what waits is bounded, and what is lost is told."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archimage.errors import UnavailableError
from archimage.model import audit
from archimage.model.audit import AuditEvent
from archimage.observe.audit import trail as trails
from archimage.observe.audit.trail import GROUP, HEAD_EVERY_S, MAX_WAITING, Messages, Trail
from archimage.observe.audit.xml import encode
from archimage.ports.meter import Meter
from archimage.services import audit_messages
from tests.attacks.server import wait_until
from tests.audit.journals import Place

_WITHIN_S = 20.0
_MADE = audit_messages.Messages("ARCHIVE", "1", "archive.example")


def _alert(text: str) -> AuditEvent:
    return _MADE.alert(audit.RECORDING_STOPPED, _MADE.here(), text)


class Counting(Meter):
    """Counts messages."""

    def __init__(self) -> None:
        self.written = self.lost = 0

    def audit_written(self, count: int) -> None:
        """Count written ones."""
        self.written += count

    def audit_lost(self, count: int = 1) -> None:
        """Count lost ones."""
        self.lost += count


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty place."""
    return Place(tmp_path)


_MESSAGES = Messages(
    lambda event: encode(event, "ARCHIVE"),
    lambda count: _alert(f"{count} were lost"),
    lambda reason: _alert(f"one could not be made: {reason}"),
)


@pytest.fixture
def trail(place: Place) -> Iterator[Trail]:
    """A trail that is required."""
    trail = Trail(place.open(), _MESSAGES, required=True)
    trail.meter = Counting()
    yield trail
    trail.close()


def _text(place: Place) -> str:
    return b"".join(place.lines()).decode()


def test_messages_are_written_in_the_order_in_which_they_were_told(place: Place, trail: Trail) -> None:
    for number in range(600):
        trail.record(lambda number=number: [_alert(f"message {number};")])  # type: ignore[misc]
    trail.close()
    text = _text(place)
    places = [text.index(f"message {number};") for number in range(600)]
    assert places == sorted(places)
    assert place.verify().bad is None
    assert place.verify().unsigned == 0


def test_a_head_signs_what_there_is_after_a_minute_and_not_before(place: Place) -> None:
    now = [1_000.0]
    with closing(Trail(place.open(), _MESSAGES, required=False, clock=lambda: now[0])) as trail:
        looked = [0]

        def settle() -> None:
            looked[0] += 1

        def looks(times: int) -> None:
            before = looked[0]
            assert wait_until(lambda: looked[0] >= before + times, _WITHIN_S)

        trail.settle = settle
        trail.record(lambda: [_alert("the first")])
        assert wait_until(lambda: "the first" in _text(place), _WITHIN_S)
        now[0] += HEAD_EVERY_S - 1
        looks(2)
        assert place.verify().unsigned == 1
        now[0] += 1
        looks(2)
        assert place.verify().unsigned == 0
        trail.record(lambda: [_alert("the second")])
        assert wait_until(lambda: "the second" in _text(place), _WITHIN_S)
        looks(2)
        assert place.verify().unsigned == 1


@pytest.fixture
def gathering(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> Trail:
    """A trail that has begun to gather, for longer than a test takes."""
    monkeypatch.setattr(trails, "GATHERED_S", 10 * _WITHIN_S)
    begun = threading.Event()

    def told() -> Iterable[AuditEvent]:
        begun.set()
        return [_alert("the first")]

    trail.record(told, at_once=False)
    assert begun.wait(_WITHIN_S)
    return trail


def test_what_may_be_gone_soon_is_made_at_once_behind_what_came_before(place: Place, gathering: Trail) -> None:
    made: list[str] = []
    both = threading.Event()

    def looked_up() -> Iterable[AuditEvent]:
        made.append("looked up")
        both.set()
        return [_alert("the third")]

    def known() -> Iterable[AuditEvent]:
        made.append("known")
        return [_alert("the second")]

    gathering.record(known, at_once=False)
    gathering.record(looked_up)
    assert both.wait(_WITHIN_S)
    assert made == ["known", "looked up"]
    gathering.close()
    text = _text(place)
    assert 0 < text.index("the first") < text.index("the second") < text.index("the third")


def test_a_group_that_is_full_is_written_at_once(place: Place, gathering: Trail) -> None:
    for number in range(1, GROUP):
        gathering.record(lambda number=number: [_alert(f"message {number};")], at_once=False)  # type: ignore[misc]
    assert wait_until(lambda: f"message {GROUP - 1};" in _text(place), _WITHIN_S)


def test_what_comes_when_nothing_more_can_wait_is_lost_counted_and_told(place: Place, trail: Trail) -> None:
    held, going = threading.Event(), threading.Event()

    def told() -> Iterable[AuditEvent]:
        going.set()
        assert held.wait(_WITHIN_S)
        return [_alert("the first")]

    trail.record(told)
    assert going.wait(_WITHIN_S)
    for _ in range(MAX_WAITING // 2):
        trail.record(lambda: ())
    trail.check()
    trail.record(lambda: ())
    with pytest.raises(UnavailableError):
        trail.check()
    for _ in range(MAX_WAITING // 2 + 9):
        trail.record(lambda: ())
    assert trail.is_failing
    held.set()
    assert wait_until(lambda: not trail.is_failing, _WITHIN_S)
    trail.check()
    assert "10 were lost" in _text(place)
    assert isinstance(trail.meter, Counting)
    assert trail.meter.lost == 10


def test_a_message_that_cannot_be_made_is_told_by_another(place: Place, trail: Trail) -> None:
    def told() -> Iterable[AuditEvent]:
        raise LookupError("the index is away")

    trail.record(told)
    trail.record(lambda: [_alert("the next")])
    trail.close()
    assert "one could not be made: LookupError" in _text(place)
    assert "the next" in _text(place)


def test_what_is_told_after_the_end_is_counted_as_lost(trail: Trail) -> None:
    trail.close()
    trail.record(lambda: [_alert("too late")])
    assert isinstance(trail.meter, Counting)
    assert trail.meter.lost == 1
