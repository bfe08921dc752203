"""What every count of arrivals does; subclasses give fixtures `index` and `arrivals`, both empty."""

from collections.abc import Sequence
from dataclasses import replace

from archimage.model.records import Arrived
from archimage.ports.index import Arrivals, Index
from tests.contract.index_contract import record

_MOMENTS: Sequence[int] = (100, 200, 200, 300, 400)


class ArrivalsContract:
    """The suite."""

    def _fill(self, index: Index) -> None:
        for number, moment in enumerate(_MOMENTS, 1):
            index.add([replace(record("P", 1, 1, number), received_at=float(moment), size_bytes=number)])

    def test_nothing_came_into_what_is_empty(self, arrivals: Arrivals) -> None:
        assert arrivals.since(0) == Arrived(0, 0)

    def test_what_came_since_any_moment_is_counted(self, index: Index, arrivals: Arrivals) -> None:
        self._fill(index)
        for moment in (0, 100, 101, 200, 201, 300, 400, 401):
            came = [number for number, at in enumerate(_MOMENTS, 1) if at >= moment]
            assert arrivals.since(moment) == Arrived(len(came), sum(came)), moment

    def test_what_is_removed_does_not_count(self, index: Index, arrivals: Arrivals) -> None:
        self._fill(index)
        index.remove([record("P", 1, 1, number).values["sop_instance_uid"] for number in (2, 5)])
        assert arrivals.since(200) == Arrived(2, 7)
        assert arrivals.since(400) == Arrived(0, 0)
