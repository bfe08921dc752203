"""How often each may ask: so often over a while, some at once, and nobody at the expense of another."""

import re

import pytest

from archimage.model.access import Principal
from archimage.ports.meter import LimitedDoor, Meter
from archimage.services.rates import BURST_S, REMEMBERED, Rates, limited_as


class _Counting(Meter):
    def __init__(self) -> None:
        self.limited: list[LimitedDoor] = []

    def request_limited(self, door: LimitedDoor) -> None:
        self.limited.append(door)


class _Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    """A clock that stands."""
    return _Clock()


def test_nobody_is_limited_without_a_rate(clock: _Clock) -> None:
    rates = Rates("dicom", 0, clock=clock)
    assert {rates.take("A") for _ in range(1_000)} == {0.0}


@pytest.mark.parametrize("per_s", [0.01, 0.5, 3.0, 100.0])
def test_a_while_s_worth_may_come_at_once_and_then_as_many_as_the_rate_has(clock: _Clock, per_s: float) -> None:
    rates, burst = Rates("dicom", per_s, clock=clock), max(1, int(BURST_S * per_s))
    assert [rates.take("A") for _ in range(burst)] == [0.0] * burst
    wait_s = rates.take("A")
    assert wait_s == pytest.approx(1 / per_s, rel=1e-6)
    clock.now += 0.99 * wait_s
    assert rates.take("A") > 0
    clock.now += 0.02 * wait_s
    assert rates.take("A") == 0.0
    assert rates.take("A") > 0
    passed = 0
    for _ in range(1_000):
        clock.now += 0.1 / per_s
        passed += rates.take("A") == 0.0
    assert passed == pytest.approx(100, abs=1)


def test_what_is_refused_costs_nothing_more(clock: _Clock) -> None:
    rates = Rates("dicom", 1.0, clock=clock)
    while not rates.take("A"):
        pass
    waits = {rates.take("A") for _ in range(100)}
    assert len(waits) == 1


def test_each_has_a_bucket_of_his_own_and_the_oldest_are_forgotten(clock: _Clock) -> None:
    rates = Rates("http", 0.1, clock=clock)
    assert (rates.take("A"), rates.take("B")) == (0.0, 0.0)
    assert rates.take("A") > 0
    for number in range(REMEMBERED):
        assert rates.take(str(number)) == 0.0
    assert rates.take(str(REMEMBERED - 1)) > 0
    assert rates.take("A") == 0.0


def test_refusals_are_counted_and_told_once_a_while(
    clock: _Clock, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    meter = _Counting()
    rates = Rates("dicom", 0.1, meter, clock)
    for _ in range(6):
        rates.take("A")
    assert meter.limited == ["dicom"] * 5
    clock.now += 61
    for _ in range(20):
        rates.take("A")
    printed = capsys.readouterr().out + caplog.text  # a server in this process may have begun a log before
    told = [line for line in printed.splitlines() if "requests beyond their rate" in line]
    assert len(told) == 2
    assert re.search(r"last_of\W+A\b", told[0])
    assert re.search(r"count\W+1\b", told[0])


def test_nobody_uses_up_what_somebody_else_has() -> None:
    address, other = "127.0.0.1", "127.0.0.2"
    names = [
        limited_as(Principal(address)),
        limited_as(Principal(address, "CT")),
        limited_as(Principal(other, "CT")),
        limited_as(Principal(other, "CT", user="CT")),
    ]
    assert len(set(names)) == 4
    assert limited_as(Principal(address, "MR", user="ada")) == limited_as(Principal(other, "CT", user="ada"))
