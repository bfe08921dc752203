"""What a soak found, the limits that it is held to, and both as a table and as JSON."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.soak.load import Outcome
from tests.soak.watching import Sample, fifths

ECHO_P99_MS: Final = 250.0
DRIFT_PERCENT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Echoes:
    """What the held associations saw: the echoes' seconds in ascending order, and how many did not hold."""

    took_s: Sequence[float]
    dropped: int
    held: int

    def percentile_ms(self, percent: int) -> float:
        """Return the time that so many percent of the echoes did not exceed."""
        return _percentile_ms(self.took_s, percent)


@dataclass(frozen=True, slots=True)
class Whole:
    """How many acknowledged images were looked at, each byte of them, and which were not there as they were sent."""

    checked: int
    lost: Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """One soak."""

    peaks: Mapping[str, float]
    mix: Outcome
    outcome: Outcome
    offered: float
    server_cpu_s: float
    echoes: Echoes
    samples: Sequence[Sample]
    whole: Whole

    @property
    def drift_percent(self) -> float:
        """How much more memory the server has in the last fifth than in the second."""
        early, late = self._rss_bytes
        return 100 * (late - early) / early

    @property
    def _rss_bytes(self) -> tuple[float, float]:
        early, late = fifths([sample.rss_bytes for sample in self.samples])
        return statistics.median(early), statistics.median(late)

    @property
    def more_descriptors(self) -> float:
        """How many descriptors more are usually open in the last fifth than ever in the second."""
        early, late = fifths([sample.descriptors for sample in self.samples])
        return statistics.median(late) - max(early)

    def broken(self) -> list[str]:
        """Name the limits that were not kept."""
        p99_ms = self.echoes.percentile_ms(99)
        found = {
            f"{len(self.whole.lost)} acknowledged images are lost: {self.whole.lost[:3]}": bool(self.whole.lost),
            f"{len(self.outcome.problems)} requests failed: {self.outcome.problems[:3]}": bool(self.outcome.problems),
            f"{self.echoes.dropped} associations did not hold": self.echoes.dropped > 0,
            f"C-ECHO takes {p99_ms:.0f} ms (p99)": p99_ms > ECHO_P99_MS,
            f"memory grows by {self.drift_percent:.1f} %": self.drift_percent > DRIFT_PERCENT,
            f"descriptors grow by {self.more_descriptors:g}": self.more_descriptors > 0,
        }
        return [what for what, is_so in found.items() if is_so]

    def figures(self) -> dict[str, object]:
        """Return everything as JSON has it."""
        early, late = self._rss_bytes
        return {
            "seconds": self.outcome.seconds,
            "peak": {**self.peaks, "all together": self.mix.rate},
            "offered": self.offered,
            "done": self.outcome.rate,
            "kinds": {name: figures for name, *figures in self._kinds()},
            "server_cores": self.server_cpu_s / self.outcome.seconds,
            "associations": self.echoes.held,
            "echoes": len(self.echoes.took_s),
            "echo_ms": {f"p{percent}": self.echoes.percentile_ms(percent) for percent in (50, 95, 99, 100)},
            "acknowledged": self.whole.checked,
            "lost": len(self.whole.lost),
            "rss_mib": [early / 2**20, late / 2**20],
            "drift_percent": self.drift_percent,
            "memory": [sample.rss_bytes for sample in self.samples],
            "descriptors": [sample.descriptors for sample in self.samples],
            "broken": self.broken(),
        }

    def _kinds(self) -> Iterator[tuple[str, float, float, float]]:
        """Yield each kind of work with how much of it was done a second, and how long it took, p50 and p99."""
        for kind in self.peaks:
            took_s = sorted(seconds for done, seconds in self.outcome.done if done == kind)
            yield kind, len(took_s) / self.outcome.seconds, _percentile_ms(took_s, 50), _percentile_ms(took_s, 99)

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Yield what was measured, its value and its limit."""
        for kind, rate, p50_ms, p99_ms in self._kinds():
            yield f"{kind}: rate, p50, p99", f"{rate:,.0f}/s, {p50_ms:.1f} ms, {p99_ms:.0f} ms", ""
        yield "all: rate, offered, peak", f"{self.outcome.rate:,.0f}, {self.offered:,.0f}, {self.mix.rate:,.0f}/s", ""
        yield "processor time of the server", f"{self.server_cpu_s / self.outcome.seconds:.2f} cores", ""
        echo = ", ".join(f"{self.echoes.percentile_ms(percent):.1f} ms" for percent in (50, 99, 100))
        yield f"C-ECHO on {self.echoes.held} associations: p50, p99, highest", echo, f"p99 {ECHO_P99_MS:g} ms"
        yield "images acknowledged, lost", f"{self.whole.checked:,}, {len(self.whole.lost)}", "0"
        yield "requests failed", str(len(self.outcome.problems)), "0"
        early, late = self._rss_bytes
        memory = f"{early / 2**20:.1f} to {late / 2**20:.1f} MiB, {self.drift_percent:+.1f} %"
        yield "resident memory, second fifth to last", memory, f"{DRIFT_PERCENT:g} %"
        before, after = fifths([sample.descriptors for sample in self.samples])
        descriptors = f"{min(before)}-{max(before)}, then {statistics.median(after):g}"
        yield "open descriptors in the second fifth, then in the last", descriptors, "no more"

    def show(self) -> None:
        """Print it as a table."""
        table = Table("figure", "value", "limit")
        for row in self.rows():
            table.add_row(*row)
        Console().print(table)


def _percentile_ms(took_s: Sequence[float], percent: int) -> float:
    """Return a percentile of values in ascending order, milliseconds; 0 where there are none."""
    if not took_s:
        return 0.0
    return 1000 * took_s[min(len(took_s) - 1, len(took_s) * percent // 100)]
