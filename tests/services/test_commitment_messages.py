"""Results of storage commitment as others write them."""

import pytest

from archimage.model.commitments import Reason
from archimage.services.commitment_messages import FAILURES_EXIST, parse_result
from archimage.services.datasets import Model

_CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.mark.parametrize(
    ("told", "reason", "why"),
    [
        ({"00081197": {"vr": "US", "Value": [0x0112]}}, Reason.ABSENT, "it is not there"),
        ({"00081197": {"vr": "US", "Value": [0xC000]}}, 0xC000, "reason 0xc000"),
        ({"00081197": {"vr": "US"}}, Reason.UNTOLD, "the other side did not tell"),
        ({}, Reason.UNTOLD, "the other side did not tell"),
    ],
)
def test_a_reason_is_what_the_other_side_told_and_nothing_that_it_did_not(told: Model, reason: int, why: str) -> None:
    failed = {"00081150": {"vr": "UI", "Value": [_CT]}, "00081155": {"vr": "UI", "Value": ["1.2.3"]}, **told}
    result = parse_result(
        FAILURES_EXIST,
        {"00081195": {"vr": "UI", "Value": ["1.2"]}, "00081198": {"vr": "SQ", "Value": [failed]}},
    )
    (failure,) = result.outcome.failures
    assert (failure.reason, failure.why) == (reason, why)
