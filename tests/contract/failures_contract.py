"""What every adapter of `ports.identity.Failures` does."""

from archimage.model.users import Lockout
from archimage.ports.identity import Failures

LIMITS = {"user ann": Lockout(3, 10.0, 60.0), "address 192.0.2.1": Lockout(5, 10.0, 60.0)}


class FailuresContract:
    """The tests."""

    def test_the_wait_begins_at_the_limit_and_grows_up_to_the_most(self, failures: Failures) -> None:
        limits, now = {"user ann": Lockout(3, 10.0, 60.0)}, 1000.0
        waits: list[float] = []
        for _ in range(7):
            assert failures.begin(limits, now) == 0.0
            wait = failures.begin(limits, now) if len(waits) >= 2 else 0.0
            waits.append(wait)
            now += wait
        assert waits == [0.0, 0.0, 10.0, 20.0, 40.0, 60.0, 60.0]

    def test_who_is_locked_out_is_not_counted(self, failures: Failures) -> None:
        for _ in range(3):
            failures.begin(LIMITS, 1000.0)
        for _ in range(9):
            assert failures.begin(LIMITS, 1004.0) == 6.0
        assert failures.begin({"address 192.0.2.1": LIMITS["address 192.0.2.1"]}, 1004.0) == 0.0

    def test_an_address_is_locked_out_whoever_is_tried_from_it(self, failures: Failures) -> None:
        address = {"address 192.0.2.1": Lockout(5, 10.0, 60.0)}
        for number in range(5):
            assert failures.begin({f"user {number}": Lockout(3, 10.0, 60.0), **address}, 1000.0) == 0.0
        assert failures.begin({"user 9": Lockout(3, 10.0, 60.0), **address}, 1000.0) == 10.0

    def test_what_went_well_clears_the_user_and_takes_back_one_of_the_address(self, failures: Failures) -> None:
        for _ in range(4):
            for number in range(2):
                failures.begin({f"user {number}": Lockout(3, 10.0, 60.0), "address a": Lockout(6, 10.0, 60.0)}, 1000.0)
                failures.passed(f"user {number}", ["address a"])
        address = {"address a": Lockout(6, 10.0, 60.0)}
        assert [failures.begin(address, 1000.0) for _ in range(7)] == [0.0] * 6 + [10.0]

    def test_an_hour_after_the_last_failure_they_are_forgotten(self, failures: Failures) -> None:
        limits = {"user ann": Lockout(2, 10.0, 60.0)}
        assert failures.begin(limits, 1000.0) == 0.0
        assert failures.begin(limits, 1000.0 + 3601.0) == 0.0
        assert failures.begin(limits, 1000.0 + 3601.0) == 0.0
        assert failures.begin(limits, 1000.0 + 3601.0) == 10.0
