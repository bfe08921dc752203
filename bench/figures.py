"""Samples, what they are compared with, and the rows of the table."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

OURS = "archimage"


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured value. cpu_ms is the server's processor time per object, milliseconds."""

    case: str
    subject: str
    value: float
    unit: str
    cpu_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What the project wants of a case: against a subject a ratio, else a limit on our own value."""

    case: str
    limit: float
    against: str | None = None
    at_most: bool = False

    def describe(self) -> str:
        """Write the target down."""
        sign = "<=" if self.at_most else ">="
        return f"{sign} {self.limit:g}x" if self.against else f"{sign} {self.limit:g}"

    def met(self, figure: float) -> bool:
        """Tell whether a ratio or value reaches it."""
        return figure <= self.limit if self.at_most else figure >= self.limit


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a case has no figure for a subject."""

    case: str
    subject: str
    reason: str


@dataclass(slots=True)
class Results:
    """Everything that a run found."""

    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; ratio is ours against this subject."""

    case: str
    subject: str
    median: float
    lowest: float
    highest: float
    unit: str
    cpu_ms: float | None
    ratio: float | None
    target: str
    verdict: str


def rows(results: Results) -> list[Row]:
    """Summarise the samples, a row per case and subject, both in the order they first came."""
    keys = dict.fromkeys((sample.case, sample.subject) for sample in results.samples)
    cases = dict.fromkeys(case for case, _ in keys)
    return [_row(results, case, subject) for case in cases for of_case, subject in keys if of_case == case]


def _row(results: Results, case: str, subject: str) -> Row:
    samples = _of(results.samples, case, subject)
    values = [sample.value for sample in samples]
    median = statistics.median(values)
    cpu = [sample.cpu_ms for sample in samples if sample.cpu_ms is not None]
    ours = [sample.value for sample in _of(results.samples, case, OURS)]
    ratio = statistics.median(ours) / median if ours and subject != OURS and median else None
    against = None if subject == OURS else subject
    targets = [target for target in results.targets if target.case == case and target.against == against]
    figure = median if subject == OURS else ratio
    return Row(
        case, subject, median, min(values), max(values), samples[0].unit,
        statistics.median(cpu) if cpu else None, ratio, ", ".join(target.describe() for target in targets),
        _verdict(targets, figure),
    )  # fmt: skip


def _of(samples: Iterable[Sample], case: str, subject: str) -> list[Sample]:
    return [sample for sample in samples if sample.case == case and sample.subject == subject]


def _verdict(targets: Sequence[Target], figure: float | None) -> str:
    if not targets:
        return ""
    if figure is None:
        return "not measured"
    return "met" if all(target.met(figure) for target in targets) else "not met"
