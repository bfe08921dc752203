"""C-FIND against an index of 100,000 studies, and against one of 1,000,000 instances in them.

Timed from the request's first byte to the final response on an open association, so that the figures are upper bounds
of the time in the server.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from bench import filled, peers, queries, wire
from bench.figures import OURS, Sample, Target
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
STUDIES = 100_000
LISTING = "C-FIND listing 1,000 matches, 12 keys returned"


def find(bench: Bench) -> None:
    """Query by each kind of key, then list 1,000 matches."""
    repeat = 20 if bench.quick else 200
    studies = STUDIES // 10 if bench.quick else STUDIES
    for size, instances, factor in ((f"{studies:,} studies", 1, 1), (f"{studies * 10:,} instances", 10, 2)):
        bench.expect(targets(size, factor))
        index = filled.prepare(bench.out / "data", studies, instances)
        bench.alternate(f"C-FIND in {size}", {OURS: partial(_queries, bench, size, index, repeat)}, rounds=1)
    bench.expect((Target(LISTING, 10_000),))
    bench.alternate(LISTING, {OURS: partial(_listing, bench, index)})


def targets(size: str, factor: int) -> list[Target]:
    """Return what is wanted of an index of a size."""
    return [Target(f"{_case(size, kind)}, p95", factor * limit, at_most=True) for kind, (limit, _) in KINDS.items()]


def ask(channel: wire.Channel, size: str, studies: Sequence[Study], subject: str = OURS) -> Iterator[Sample]:
    """Query by each kind of key for each of some studies."""
    for kind, (_, key) in KINDS.items():
        yield from _percentiles(channel, _case(size, kind), [key(study) for study in studies], subject)


def list_thousand(channel: wire.Channel, case: str, key: Key, subject: str = OURS) -> Iterator[Sample]:
    """List 1,000 matches of a key, again and again."""
    query = queries.identifier("STUDY", _with(key))
    for _ in range(5):
        listed = queries.find(channel, query)
        yield Sample(case, subject, listed.count / listed.seconds, "responses/s")


def _case(size: str, kind: str) -> str:
    return f"C-FIND in {size} by {kind}"


@contextmanager
def _asking(bench: Bench, index: filled.FilledIndex) -> Iterator[wire.Channel]:
    """Open an association with an archive that has the index."""
    with (
        peers.archimage(bench.work, prepare=index.install) as server,
        wire.Channel.open(server.port, server.ae_title, (queries.find_context(),)) as channel,
    ):
        yield channel


def _queries(bench: Bench, size: str, index: filled.FilledIndex, repeat: int) -> Iterator[Sample]:
    with _asking(bench, index) as channel:
        yield from ask(channel, size, index.pick(repeat))


def _listing(bench: Bench, index: filled.FilledIndex) -> Iterator[Sample]:
    with _asking(bench, index) as channel:
        yield from list_thousand(channel, LISTING, index.thousand())


def _percentiles(channel: wire.Channel, case: str, keys: Sequence[Key], subject: str) -> Iterator[Sample]:
    """Measure one kind of key; the first query of a kind is left out, as it warms the statement."""
    answers = [queries.find(channel, queries.identifier("STUDY", _with(key))) for key in (keys[0], *keys)][1:]
    if not all(answer.count for answer in answers):
        raise wire.WireError(f"{case}: a query of something that is there found nothing")
    times = sorted(1000 * answer.seconds for answer in answers)
    yield Sample(f"{case}, p50", subject, statistics.median(times), "ms")
    yield Sample(f"{case}, p95", subject, times[int(0.95 * (len(times) - 1))], "ms")


def _with(key: Key) -> list[Key]:
    return [*(returned for returned in RETURNED if returned[:2] != key[:2]), key]
