"""The soak would notice: what is lost, late, refused, or grows."""

from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest

from tests.soak.images import KEPT, STUDY_SIZE, Image, Shelf, Study
from tests.soak.load import Outcome, interleaved
from tests.soak.report import Echoes, Report, Whole
from tests.soak.watching import Sample, fifths

_GOOD = Report(
    peaks={"store": 10.0},
    mix=Outcome(1.0, [("store", 0.1)] * 10),
    outcome=Outcome(1.0, [("store", 0.1)] * 8),
    offered=8.0,
    server_cpu_s=1.0,
    echoes=Echoes([0.001] * 99 + [1.0], dropped=0, held=200),
    samples=[Sample(100 << 20, 50)] * 10,
    whole=Whole(8, []),
)


def _growing(by: int) -> list[Sample]:
    return [Sample((100 + number // 2 * by) << 20, 50 + number // 2 * by) for number in range(10)]


def test_a_soak_that_kept_all_limits_says_so() -> None:
    assert replace(_GOOD, echoes=Echoes([0.001] * 100, 0, 200)).broken() == []
    assert _GOOD.figures()["done"] == 8.0


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (replace(_GOOD, whole=Whole(8, ["1.2"])), "1 acknowledged images are lost"),
        (replace(_GOOD, outcome=Outcome(1.0, [], ["get: gone"])), "1 requests failed"),
        (replace(_GOOD, echoes=Echoes([0.001] * 100, 1, 199)), "1 associations did not hold"),
        (_GOOD, "C-ECHO takes 1000 ms"),
        (replace(_GOOD, samples=_growing(2)), "memory grows by 5.9 %"),
        (replace(_GOOD, samples=_growing(1)), "descriptors grow by 3"),
    ],
)
def test_every_limit_that_is_broken_is_named(report: Report, said: str) -> None:
    assert any(broken.startswith(said) for broken in report.broken())


def test_the_second_fifth_and_the_last_are_compared() -> None:
    assert fifths(range(10)) == (range(2, 4), range(8, 10))


def test_kinds_are_mixed_evenly_in_their_shares() -> None:
    kinds = list(islice(interleaved({"store": 1.0, "find": 3.0}), 40))
    assert Counter(kinds) == {"store": 10, "find": 30}
    assert all("store" in kinds[start : start + 4] for start in range(0, 40, 4))


def test_an_image_that_is_missing_cut_or_damaged_is_lost() -> None:
    study = Study(1)
    study.acknowledged = [Image(study, number) for number in range(STUDY_SIZE)]
    parts = [image.head + image.pixels for image in study.acknowledged]
    assert study.not_in(b"--".join(parts)) == []
    assert study.not_in(b"--".join(reversed(parts))) == []
    damaged = parts[1][:-1] + b"\xff"
    assert study.not_in(b"--".join([damaged, *parts[2:-1], parts[-1][:-1]])) == [
        study.acknowledged[number].uid for number in (0, 1, STUDY_SIZE - 1)
    ]
    assert study.not_in(b"") == [image.uid for image in study.acknowledged]


def test_the_oldest_study_goes_when_there_are_too_many_and_nobody_reads_it() -> None:
    shelf = Shelf()
    shelf.put(first := shelf.begin())
    with shelf.lent() as read:
        assert read is first
        for _ in range(KEPT):
            shelf.put(shelf.begin())
        assert shelf.take_oldest() is None
    assert shelf.take_oldest() is first
    assert shelf.take_oldest() is None
    assert len(shelf.take_all()) == KEPT
