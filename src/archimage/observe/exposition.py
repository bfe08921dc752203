"""The text format of Prometheus, of what is in the cells of one process or several."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Described
from prometheus_client.registry import Collector

from archimage.observe.cells import Series
from archimage.observe.metric import Metric
from archimage.observe.table import METRICS

Numbers = Mapping[Series, Sequence[float]]


def exposition(numbers: Numbers) -> bytes:
    """Write numbers, in the order of the table."""
    registry = CollectorRegistry()
    registry.register(_Told(numbers))
    return generate_latest(registry)


class _Told(Collector):
    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[Described]:
        """Yield every metric, those without a series too."""
        by_name: dict[str, list[tuple[tuple[str, ...], Sequence[float]]]] = {}
        for (name, labels), values in sorted(self._numbers.items()):
            by_name.setdefault(name, []).append((labels, values))
        for metric in METRICS:
            yield _family(metric, by_name.get(metric.name, ()))


def _family(metric: Metric, series: Iterable[tuple[tuple[str, ...], Sequence[float]]]) -> Described:
    if metric.kind == "histogram":
        spread = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        bounds = [*map(str, metric.buckets), "+Inf"]
        for labels, values in series:
            spread.add_metric(labels, list(zip(bounds, accumulate(values[:-1]), strict=True)), values[-1])
        return spread
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, (value,) in series:
        family.add_metric(labels, value)
    return family


def summed(parts: Iterable[Numbers]) -> dict[Series, list[float]]:
    """Add up the numbers of several processes."""
    together: dict[Series, list[float]] = {}
    for series, values in chain.from_iterable(part.items() for part in parts):
        known = together.get(series)
        together[series] = list(values) if known is None else [*map(sum, zip(known, values, strict=True))]
    return together
