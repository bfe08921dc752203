"""What is gathered for one message, and when it is told."""

import pytest

from archimage.services.audit_gathering import AGE_S, LINGER_S, MAX_GATHERED, QUIET_S, Gathered, Gathering, Key, Step
from archimage.services.audit_messages import person


class Told:
    """Hears of beginnings and ends; its clock goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.begun: list[Key] = []
        self.ended: list[tuple[Key, Gathered]] = []
        self.gathering = Gathering(
            lambda key, _: self.begun.append(key),
            lambda key, one: self.ended.append((key, one)),
            most_named=2,
            monotonic=lambda: self.now,
        )

    def add(self, key: Key, step: Step) -> None:
        """Add a step."""
        self.gathering.add(key, step, lambda: Gathered(person(None)))


_KEY = Key("stored", "1-1", "1.2.3")
_STEP = Step("1.2.840.10008.5.1.4.1.1.2", counted=1)


@pytest.fixture
def told() -> Told:
    """Nothing is gathered yet."""
    return Told()


def test_steps_of_one_study_are_told_once_when_the_association_is_over(told: Told) -> None:
    for _ in range(3):
        told.add(_KEY, _STEP)
    assert told.begun == [_KEY]
    told.gathering.end("1-2")
    told.gathering.end("1-1")
    told.now = LINGER_S / 2
    told.gathering.settle()
    assert not told.ended
    told.add(_KEY, _STEP)
    told.now = LINGER_S
    told.gathering.settle()
    told.gathering.settle()
    ((key, found),) = told.ended
    assert key == _KEY
    assert found.sop_classes == {_STEP.sop_class_uid: 4}


def test_what_has_been_quiet_for_a_while_is_told(told: Told) -> None:
    told.add(_KEY, _STEP)
    told.now = QUIET_S - 1
    told.gathering.settle()
    assert not told.ended
    told.now = QUIET_S
    told.gathering.settle()
    assert len(told.ended) == 1


def test_what_goes_on_is_told_in_time(told: Told) -> None:
    while told.now < AGE_S:
        told.add(_KEY, _STEP)
        told.gathering.settle()
        told.now += QUIET_S / 2
    told.gathering.settle()
    assert len(told.ended) == 1


def test_failures_are_named_up_to_a_bound_and_all_counted(told: Told) -> None:
    for number in range(5):
        told.add(_KEY, Step(failed_uid=f"1.{number}", reason=f"reason {number}"))
    told.gathering.close()
    found = told.ended[0][1]
    assert (found.failed, found.failed_uids, found.reason) == (5, ["1.0", "1.1"], "reason 0")


def test_only_so_much_is_gathered(told: Told) -> None:
    for number in range(MAX_GATHERED + 5):
        told.add(Key("stored", "1-1", f"1.{number}"), _STEP)
    assert [key.study_instance_uid for key, _ in told.ended] == [f"1.{number}" for number in range(5)]
