"""What is counted with: a metric's series over the cells of this process. None of it raises, or grows without bound."""

from bisect import bisect_left
from collections.abc import Callable
from typing import Generic, TypeVar

from archimage.observe.cells import Cells
from archimage.observe.metric import OTHER, Metric

Instrument = TypeVar("Instrument")


class Counted:
    """A series of one number."""

    __slots__ = ("_lock", "_values", "cell")

    def __init__(self, cells: Cells, cell: int) -> None:
        self._values = cells.values
        self._lock = cells.lock
        self.cell = cell
        """Where it stands, for who changes several at once."""

    def add(self, amount: float = 1.0) -> None:
        """Add to it."""
        with self._lock:
            self._values[self.cell] += amount

    def set(self, value: float) -> None:
        """Make it value."""
        self._values[self.cell] = value


class Spread:
    """A series of a histogram: a number for each bucket, then the sum of what was observed."""

    __slots__ = ("_bounds", "_first", "_lock", "_values", "sum_cell")

    def __init__(self, cells: Cells, first: int, bounds: tuple[float, ...]) -> None:
        self._values = cells.values
        self._lock = cells.lock
        self._bounds = bounds
        self._first = first
        self.sum_cell = first + len(bounds) + 1 if first else 0

    def cell_of(self, value: float) -> int:
        """Return where a value is counted."""
        return self._first + bisect_left(self._bounds, value) if self._first else 0

    def observe(self, *observed: float) -> None:
        """Count values."""
        values, total = self._values, self.sum_cell
        with self._lock:
            for value in observed:
                values[self.cell_of(value)] += 1.0
                values[total] += value


class Family(Generic[Instrument]):
    """The series of a metric by the values of its labels, made when they are first asked for."""

    def __init__(self, metric: Metric, make: Callable[[tuple[str, ...]], Instrument]) -> None:
        self._make = make
        self._most = metric.most
        self._others = (OTHER,) * len(metric.labels)
        self._found: dict[tuple[str, ...], Instrument] = {}
        for labels in metric.initial if metric.labels else ((),):
            self.of(*labels)

    def of(self, *labels: str) -> Instrument:
        """Return the series of these values; that of `other` where there are too many of them."""
        found = self._found.get(labels)
        return found if found is not None else self._new(labels)

    def _new(self, labels: tuple[str, ...]) -> Instrument:
        if len(self._found) >= self._most - 1:
            labels = self._others
        return self._found.setdefault(labels, self._make(labels))


def counted(cells: Cells, metric: Metric) -> Family[Counted]:
    """Return the series of a counter or a gauge."""
    return Family(metric, lambda labels: Counted(cells, cells.take(metric.name, labels, metric.width)))


def spread(cells: Cells, metric: Metric) -> Family[Spread]:
    """Return the series of a histogram."""
    return Family(metric, lambda labels: Spread(cells, cells.take(metric.name, labels, metric.width), metric.buckets))
