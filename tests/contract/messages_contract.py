"""What every adapter of `ports.message` does; a test module derives and gives it empty tables."""

from dataclasses import replace

from archimage.model.messages import (
    Ack,
    Fault,
    Hl7Message,
    MessageState,
    Outcome,
    PatientIdentifier,
    PatientLink,
    Report,
)
from archimage.ports.message import Messages, PatientLinks, Reports

_FAILED = Outcome(MessageState.FAILED, Ack.ERROR, "why", Fault.UNKNOWN_KEY, "PID^1^3")
_DONE = Outcome(text="done")


def _message(control_id: str, body: str = "PID|1", *, sender: str = "HIS|X") -> Hl7Message:
    raw = f"MSH|^~\\&|{sender}|{control_id}\r{body}".encode()
    return Hl7Message(raw, sender, control_id, "ADT^A08", "192.0.2.1", 5.0)


def _kept(messages: Messages, one: Hl7Message, now: float = 10, until: float = 20) -> tuple[int, bool]:
    (found,) = messages.keep([one], now, until)
    return found.message.id, found.is_ours


def _end(messages: Messages, number: int, outcome: Outcome, ended_at: float = 30) -> None:
    found = messages.get(number)
    assert found is not None
    messages.settle([replace(found, outcome=outcome, attempts=found.attempts + 1, ended_at=ended_at)])


class MessagesContract:
    """Messages."""

    def test_what_is_kept_is_found_as_it_was_the_newest_first(self, messages: Messages) -> None:
        first, second = (_kept(messages, _message(name))[0] for name in ("a", "b"))
        assert messages.get(first) == replace(_message("a"), id=first)
        assert [one.id for one in messages.find(limit=10)] == [second, first]
        assert [one.id for one in messages.find(limit=10, before=second)] == [first]
        assert messages.find(state=MessageState.DONE, limit=10) == []
        assert messages.get(99) is None

    def test_a_message_that_comes_again_is_kept_once_and_is_whose_it_was(self, messages: Messages) -> None:
        number, ours = _kept(messages, _message("a"))
        assert ours
        assert _kept(messages, _message("a"), now=19) == (number, False)
        assert _kept(messages, _message("a"), now=20, until=30) == (number, True)
        _end(messages, number, _DONE)
        assert _kept(messages, _message("a"), now=99) == (number, False)

    def test_two_of_one_control_id_at_once_are_one(self, messages: Messages) -> None:
        first, second = messages.keep([_message("a"), _message("a")], 10, 20)
        assert (first.message.id, first.is_ours, second.is_ours) == (second.message.id, True, False)

    def test_other_senders_and_messages_without_a_control_id_are_told_apart(self, messages: Messages) -> None:
        sent = (_message("a"), _message("a", sender="RIS|X"), _message(""), _message(""))
        assert len({_kept(messages, one) for one in sent}) == 4

    def test_one_that_failed_is_applied_again_when_it_comes_again_but_not_another(self, messages: Messages) -> None:
        number, _ = _kept(messages, _message("a"))
        _end(messages, number, _FAILED)
        found = messages.get(number)
        assert found is not None
        assert (found.outcome, found.attempts, found.ended_at) == (_FAILED, 1, 30)
        assert _kept(messages, _message("a", "PID|2")) == (number, False)
        assert _kept(messages, _message("a")) == (number, True)

    def test_the_oldest_that_is_nobodys_is_claimed(self, messages: Messages) -> None:
        first, second = (_kept(messages, _message(name))[0] for name in ("a", "b"))
        states = [MessageState.RECEIVED]
        assert messages.claim(states, 19, 40) is None
        claimed = [messages.claim(states, 20, 40) for _ in range(3)]
        assert [one and one.id for one in claimed] == [first, second, None]
        assert messages.claim(states, 50, 60, message_id=second) is not None
        assert messages.claim([MessageState.FAILED], 99, 100, message_id=second) is None

    def test_what_was_anybodys_is_nobodys_after_a_release(self, messages: Messages) -> None:
        number, _ = _kept(messages, _message("a"), until=1_000)
        messages.release()
        found = messages.claim([MessageState.RECEIVED], 11, 20)
        assert found is not None
        assert found.id == number

    def test_what_ended_is_counted_and_forgotten_but_for_what_failed(self, messages: Messages) -> None:
        numbers = [_kept(messages, _message(name))[0] for name in "abc"]
        _end(messages, numbers[0], _DONE, 30)
        _end(messages, numbers[1], _FAILED, 30)
        states = (MessageState.DONE, MessageState.FAILED, MessageState.RECEIVED)
        assert dict(messages.counts()) == dict.fromkeys(states, 1)
        assert messages.forget(30) == 0
        assert messages.forget(31) == 1
        assert [one.id for one in messages.find(limit=10)] == [numbers[2], numbers[1]]


def _report(message_id: int, position: int = 1, *, study: str = "", accession: str = "", patient: str = "P") -> Report:
    return Report(message_id, position, "F1", study, accession, patient, "", "CT", "F", "", "20261201", 5.0, "text")


class ReportsContract:
    """Reports."""

    def test_a_report_is_kept_once(self, reports: Reports) -> None:
        reports.add([_report(1), _report(1, 2)])
        reports.add([_report(1)])
        first, second = reversed(reports.find(limit=10))
        assert (first.position, second.position) == (1, 2)
        assert reports.get(first.id) == first
        assert reports.get(99) is None

    def test_reports_are_found_by_study_or_accession_number_and_by_patient(self, reports: Reports) -> None:
        reports.add([_report(1, study="1.2"), _report(2, accession="A"), _report(3, accession="A", patient="Q")])
        assert [one.message_id for one in reports.find(study_instance_uid="1.2", limit=9)] == [1]
        assert [one.message_id for one in reports.find(study_instance_uid="1.2", accession_number="A", limit=9)] == [
            3,
            2,
            1,
        ]
        assert [one.message_id for one in reports.find(accession_number="A", patient_id="P", limit=9)] == [2]
        assert [one.message_id for one in reports.find(patient_id="Q", limit=9)] == [3]
        assert [one.message_id for one in reports.find(limit=1)] == [3]
        assert reports.find(accession_number="B", limit=9) == []


class PatientLinksContract:
    """Links of patients."""

    def test_a_link_is_kept_once_and_found_from_both_sides(self, links: PatientLinks) -> None:
        one, other, third = PatientIdentifier("A", "X"), PatientIdentifier("B"), PatientIdentifier("A")
        links.add(PatientLink(one, other, 5))
        links.add(PatientLink(other, one, 6))
        links.add(PatientLink(third, other, 7))
        assert links.of(one) == [PatientLink(one, other, 5)]
        assert links.of(other) == [PatientLink(third, other, 7), PatientLink(one, other, 5)]
        assert links.list(1) == [PatientLink(third, other, 7)]
        assert links.remove(other, one)
        assert not links.remove(one, other)
        assert links.of(one) == []
