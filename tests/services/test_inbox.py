"""The inbox: messages kept, applied once and answered, whatever goes wrong; over a real index."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from archimage.errors import ConflictError, IndexUnavailableError, NotFoundError
from archimage.index.grouped import GroupedDatabase
from archimage.index.messages import MessageTable
from archimage.index.sqlite import SqliteIndex
from archimage.model.messages import Ack, Fault, Hl7Message, MessageState, Outcome
from archimage.services.inbox import Inbox
from tests.attacks.server import wait_until

Apply = Callable[[Hl7Message], Outcome]


def _message(control_id: str, body: str = "PID|1") -> Hl7Message:
    return Hl7Message(f"MSH|{control_id}\r{body}".encode(), "HIS|X", control_id, "ADT^A08", "192.0.2.1", 5.0)


@contextmanager
def _inbox(directory: Path, apply: Apply, now: Callable[[], float] = lambda: 1_000.0) -> Iterator[Inbox]:
    with closing(SqliteIndex(directory / "index.db")) as index:
        grouped = GroupedDatabase(index)
        inbox = Inbox(MessageTable(grouped), grouped, apply, now=now)
        inbox.start()
        with closing(inbox):
            yield inbox


def _submitted(inbox: Inbox, *messages: Hl7Message) -> list[Hl7Message]:
    """Submit messages at once; return what is answered."""
    answers: dict[int, Hl7Message] = {}
    for number, one in enumerate(messages):
        inbox.submit(one, partial(answers.__setitem__, number))
    assert wait_until(lambda: len(answers) == len(messages), 10)
    return [answers[number] for number in range(len(messages))]


def test_each_is_applied_once_in_order_and_answered(tmp_path: Path) -> None:
    applied: list[str] = []

    def apply(message: Hl7Message) -> Outcome:
        applied.append(message.control_id)
        return Outcome(text=f"did {message.control_id}")

    with _inbox(tmp_path, apply) as inbox:
        answers = _submitted(inbox, _message("a"), _message("b"), _message("a"), _message("b", "PID|other"))
        assert applied == ["a", "b"]
        assert [one.outcome.text for one in answers[:3]] == ["did a", "did b", "did a"]
        assert (answers[3].outcome.ack, answers[3].outcome.fault) == (Ack.REJECT, Fault.DUPLICATE_KEY)
        assert inbox.counts() == {MessageState.DONE: 2}


def test_who_wants_to_hears_that_it_is_kept_before_it_is_applied(tmp_path: Path) -> None:
    told: list[str] = []

    def apply(_message: Hl7Message) -> Outcome:
        told.append("applied")
        return Outcome()

    with _inbox(tmp_path, apply) as inbox:
        done = threading.Event()
        inbox.submit(_message("a"), lambda _: done.set(), lambda _: told.append("kept"))
        assert done.wait(10)
    assert told == ["kept", "applied"]


def test_whatever_goes_wrong_is_the_end_of_one_message_alone(tmp_path: Path) -> None:
    def apply(message: Hl7Message) -> Outcome:
        if message.control_id == "bug":
            raise KeyError("x")
        if message.control_id == "index":
            raise IndexUnavailableError("busy")
        return Outcome()

    with _inbox(tmp_path, apply) as inbox:
        bug, index, good = _submitted(inbox, _message("bug"), _message("index"), _message("good"))
    assert (bug.outcome.ack, bug.outcome.text) == (Ack.ERROR, "a bug: KeyError")
    assert (index.outcome.ack, index.outcome.text) == (Ack.ERROR, "busy")
    assert good.outcome.ack is Ack.ACCEPT


def test_what_failed_is_tried_again_or_discarded(tmp_path: Path) -> None:
    outcomes = [Outcome(MessageState.FAILED, Ack.ERROR, "not yet")] * 3 + [Outcome(text="now")]
    with _inbox(tmp_path, lambda _: outcomes.pop(0)) as inbox:
        first, second = _submitted(inbox, _message("a"), _message("b"))
        assert inbox.retry(first.id).state is MessageState.FAILED
        assert inbox.retry(first.id).outcome.text == "now"
        assert inbox.get(first.id).attempts == 3
        assert inbox.discard(second.id).state is MessageState.DISCARDED
        for refused in (inbox.retry, inbox.discard):
            with pytest.raises(ConflictError, match="discarded"):
                refused(second.id)
        with pytest.raises(NotFoundError):
            inbox.retry(99)


def test_what_a_crash_left_is_applied_by_whoever_is_there(tmp_path: Path) -> None:
    with closing(SqliteIndex(tmp_path / "index.db")) as index:
        (left,) = MessageTable(index).keep([_message("a")], 990, 1_005)
    with _inbox(tmp_path, lambda _: Outcome(text="late")) as inbox:
        (again,) = _submitted(inbox, _message("a"))
        assert (again.outcome.ack, again.outcome.fault) == (Ack.ERROR, Fault.LOCKED)
        inbox.release()
        assert wait_until(lambda: inbox.get(left.message.id).state is MessageState.DONE, 10)


def test_nobody_is_answered_before_the_flush(tmp_path: Path) -> None:
    with closing(SqliteIndex(tmp_path / "index.db")) as index:
        flushes: list[int] = []

        class Counted(GroupedDatabase):
            def flush(self) -> None:
                super().flush()
                flushes.append(1)

        grouped = Counted(index)
        inbox = Inbox(MessageTable(grouped), grouped, lambda _: Outcome(), now=lambda: 1_000.0)
        answers: list[int] = []
        for name in "abcdef":
            inbox.submit(_message(name), lambda _: answers.append(len(flushes)))
        inbox.start()
        inbox.close()
    assert answers == [1] * 6
