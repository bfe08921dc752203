"""Tests of storage.remote.reach, with a clock that the tests move."""

import pytest

from archimage.errors import UnavailableError
from archimage.storage.remote.reach import Reach


class Clock:
    """Seconds as they are set."""

    now_s = 100.0

    def __call__(self) -> float:
        """Return them."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


def _fail(reach: Reach) -> None:
    with pytest.raises(UnavailableError, match="no answer"), reach.asking():
        raise UnavailableError("no answer")


def test_whoever_asks_after_a_failure_is_told_at_once_until_one_may_try(clock: Clock) -> None:
    reach = Reach(clock)
    _fail(reach)
    assert reach.failure is not None
    with pytest.raises(UnavailableError, match="out of reach: no answer"), reach.asking():
        pytest.fail("it was let through")
    clock.now_s += 1.1
    with reach.asking(), pytest.raises(UnavailableError, match="out of reach"), reach.asking():
        pytest.fail("a second one was let through")
    assert reach.failure is None
    with reach.asking(), reach.asking():
        pass


def test_a_try_that_fails_keeps_the_others_away_for_another_second(clock: Clock) -> None:
    reach = Reach(clock)
    _fail(reach)
    clock.now_s += 1.1
    _fail(reach)
    clock.now_s += 0.9
    with pytest.raises(UnavailableError, match="out of reach"), reach.asking():
        pytest.fail("it was let through")


def test_what_is_no_silence_of_the_store_changes_nothing(clock: Clock) -> None:
    reach = Reach(clock)
    with pytest.raises(KeyError), reach.asking():
        raise KeyError
    assert reach.failure is None
