"""What a scenario is given: where to work, how often to measure, and where its figures go."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import data
from bench.data import Objects, Shape
from bench.figures import Problem, Results, Sample, Target
from bench.process import ServerError
from bench.wire import WireError

Measure = Callable[[], Iterable[Sample]]


@dataclass(slots=True)
class Bench:
    """One run of the bench."""

    out: Path
    work: Path
    rounds: int
    quick: bool
    results: Results = field(default_factory=Results)

    def objects(self, shape: Shape) -> Objects:
        """Return a set of objects; a quick run takes a tenth of the many."""
        count = max(shape.count // 10, 1) if self.quick else shape.count
        frames = max(shape.frames // 10, 1) if self.quick else shape.frames
        name = f"{shape.name}-quick" if self.quick else shape.name
        return data.prepare(self.out / "data", replace(shape, name=name, count=count, frames=frames))

    def expect(self, targets: Sequence[Target]) -> None:
        """State what is wanted of the cases to come."""
        self.results.targets.extend(targets)

    def note(self, case: str, text: str) -> None:
        """Keep a remark that belongs beside a case."""
        self.results.notes[case] = text

    def alternate(self, case: str, measures: Mapping[str, Measure], rounds: int | None = None) -> None:
        """Measure every subject in turn, round after round (A B A B); a failure is kept and ends that subject."""
        failed: set[str] = set()
        for number in range(rounds or self.rounds):
            for subject, measure in measures.items():
                if subject in failed:
                    continue
                start = time.monotonic()
                try:
                    samples = list(measure())
                except (ServerError, WireError, OSError) as error:
                    failed.add(subject)
                    self.results.problems.append(Problem(case, subject, str(error)))
                    self._tell(f"{case}: {subject}: {error}")
                    continue
                self.results.samples.extend(samples)
                said = ", ".join(f"{sample.value:.4g} {sample.unit}" for sample in samples)
                self._tell(f"{case}: {subject}: {said} (round {number + 1}, {time.monotonic() - start:.1f} s)")

    @staticmethod
    def _tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)
