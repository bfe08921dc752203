"""C-FIND against an index of 100,000 studies, and against one of 1,000,000 instances in them.

Timed from the request's first byte to the final response on an open association, so that the figures are upper bounds
of the time in the server.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from bench import filled, peers, queries, wire
from bench.figures import Sample, Target
from bench.filled import Study
from bench.harness import Bench
from bench.queries import Key

RETURNED: Sequence[Key] = tuple(
    (group, number, "")
    for group, number in (
        (0x0008, 0x0020), (0x0008, 0x0030), (0x0008, 0x0050), (0x0008, 0x0061), (0x0008, 0x0090), (0x0008, 0x1030),
        (0x0010, 0x0010), (0x0010, 0x0020), (0x0010, 0x0030), (0x0010, 0x0040), (0x0020, 0x000D), (0x0020, 0x1208),
    )
)  # fmt: skip
KINDS: Mapping[str, tuple[float, Callable[[Study], Key]]] = {
    "Patient ID": (5, lambda study: (0x0010, 0x0020, study.patient_id)),
    "Accession Number": (5, lambda study: (0x0008, 0x0050, study.accession_number)),
    "Study Instance UID": (5, lambda study: (0x0020, 0x000D, study.study_instance_uid)),
    "name prefix": (20, lambda study: (0x0010, 0x0010, study.name_prefix)),
    "date range": (20, lambda study: (0x0008, 0x0020, study.date_range)),
}
SIZES = {"100,000 studies": (100_000, 1), "1,000,000 instances": (100_000, 10)}
LISTING = "C-FIND listing 1,000 matches, 12 keys returned"


def find(bench: Bench) -> None:
    """Query by each kind of key, then list 1,000 matches."""
    repeat = 20 if bench.quick else 200
    for size, (studies, instances) in SIZES.items():
        factor = 1 if instances == 1 else 2
        for kind, (limit, _) in KINDS.items():
            bench.expect((Target(f"{_case(size, kind)}, p95", factor * limit, at_most=True),))
        if instances > 1:
            bench.expect((Target(LISTING, 10_000),))
        index = filled.prepare(bench.out / "data", studies // (10 if bench.quick else 1), instances)
        bench.alternate(f"C-FIND in {size}", {"archimage": partial(_measure, bench, size, index, repeat)}, rounds=1)


def _case(size: str, kind: str) -> str:
    return f"C-FIND in {size} by {kind}"


def _measure(bench: Bench, size: str, index: filled.FilledIndex, repeat: int) -> Iterator[Sample]:
    with (
        peers.archimage(bench.work, prepare=index.install) as server,
        wire.Channel.open(server.port, server.ae_title, (queries.find_context(),)) as channel,
    ):
        studies = index.pick(repeat)
        for kind, (_, key) in KINDS.items():
            yield from _percentiles(channel, _case(size, kind), [key(study) for study in studies])
        if size == "1,000,000 instances":
            for _ in range(bench.rounds * 5):
                listed = queries.find(channel, queries.identifier("STUDY", _with(index.thousand())))
                yield Sample(LISTING, server.name, listed.count / listed.seconds, "responses/s")


def _percentiles(channel: wire.Channel, case: str, keys: Sequence[Key]) -> Iterator[Sample]:
    """Measure one kind of key; the first query of a kind is left out, as it warms the statement."""
    answers = [queries.find(channel, queries.identifier("STUDY", _with(key))) for key in (keys[0], *keys)][1:]
    if not all(answer.count for answer in answers):
        raise wire.WireError(f"{case}: a query of something that is there found nothing")
    times = sorted(1000 * answer.seconds for answer in answers)
    yield Sample(f"{case}, p50", "archimage", statistics.median(times), "ms")
    yield Sample(f"{case}, p95", "archimage", times[int(0.95 * (len(times) - 1))], "ms")


def _with(key: Key) -> list[Key]:
    return [*(returned for returned in RETURNED if returned[:2] != key[:2]), key]
