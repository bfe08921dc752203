"""What a metric is, and what several have in common."""

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

Kind = Literal["counter", "gauge", "histogram"]
Section = Literal["Associations", "Storage", "Queries", "Web", "Pixels", "Work", "Audit", "Machine"]
Unit = Literal["", "seconds", "bytes", "objects"]

OTHER: Final = "other"
"""The value of a label for everything that is not in its list."""

LONG: Final = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
SHORT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
FLUSHES: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
GROUPS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


def single(choices: Any) -> tuple[tuple[str, ...], ...]:
    """Return the values of a Literal, each as those of one label."""
    return tuple((choice,) for choice in get_args(choices))


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    buckets are a histogram's upper bounds, in the metric's unit. most is how many series it may have in a process, and
    what comes after is counted as `other` in every label; initial are those that stand at 0 from the start, so that an
    alert sees the first increase. A gauge that is `shared` is one thing for all processes; any
    other is summed up over them.
    """

    name: str
    kind: Kind
    section: Section
    title: str
    help: str
    labels: tuple[str, ...] = ()
    unit: Unit = ""
    buckets: tuple[float, ...] = ()
    most: int = 1
    shared: bool = False
    initial: tuple[tuple[str, ...], ...] = ()

    @property
    def width(self) -> int:
        """How many numbers a series has: of a histogram its buckets, the one without bound, and the sum."""
        return len(self.buckets) + 2 if self.kind == "histogram" else 1
