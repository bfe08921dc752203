"""A dashboard of Grafana: a row for each section of the table, a panel for each metric."""

import json
from collections.abc import Iterator
from itertools import count, groupby
from typing import Any, Final

from archimage.observe.metric import Metric
from archimage.observe.table import METRICS

_WIDTH: Final = 8
_HEIGHT: Final = 8
_ROW: Final = 24
_SHOWN: Final = 10
"""Of a metric with many series those are shown that are highest."""
_MANY: Final = 12
_QUANTILES: Final = (("0.5", "median"), ("0.95", "95 %"), ("0.99", "99 %"))
_UNITS: Final = {"seconds": "s", "bytes": "bytes", "objects": "short", "": "short"}
_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}


def dashboard() -> str:
    """Return it as JSON, to be imported or provisioned."""
    return (
        json.dumps(
            {
                "uid": "archimage",
                "title": "archimage",
                "tags": ["archimage", "DICOM"],
                "timezone": "browser",
                "schemaVersion": 39,
                "refresh": "30s",
                "time": {"from": "now-6h", "to": "now"},
                "templating": {
                    "list": [
                        {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
                        {
                            "name": "instance",
                            "label": "Server",
                            "type": "query",
                            "datasource": _SOURCE,
                            "query": "label_values(pacs_processes, instance)",
                            "includeAll": True,
                            "multi": True,
                            "refresh": 2,
                        },
                    ]
                },
                "panels": list(_panels()),
            },
            indent=1,
        )
        + "\n"
    )


def expressions(metric: Metric) -> Iterator[tuple[str, str]]:
    """Yield what is asked of Prometheus about a metric, and how its answers are named."""
    chosen, labels = '{instance=~"$instance"}', ", ".join(metric.labels)
    named = " ".join(f"{{{{{label}}}}}" for label in metric.labels)
    if metric.kind == "histogram":
        within = f"sum by (le{', ' if labels else ''}{labels}) (rate({metric.name}_bucket{chosen}[$__rate_interval]))"
        for quantile, words in _QUANTILES if metric.most <= _MANY else _QUANTILES[1:2]:
            yield _highest(metric, f"histogram_quantile({quantile}, {within})"), f"{words} {named}".strip()
        return
    value = f"rate({metric.name}{chosen}[$__rate_interval])" if metric.kind == "counter" else f"{metric.name}{chosen}"
    by = f"by ({', '.join(('instance', *metric.labels))})" if metric.kind == "gauge" else f"by ({labels})"
    yield (
        _highest(metric, f"sum {by} ({value})" if labels or metric.kind == "gauge" else f"sum({value})"),
        (f"{{{{instance}}}} {named}".strip() if metric.kind == "gauge" else named or metric.title),
    )


def _highest(metric: Metric, expression: str) -> str:
    return f"topk({_SHOWN}, {expression})" if metric.most > _MANY else expression


def _panels() -> Iterator[dict[str, Any]]:
    numbers, top = count(1), 0
    for section, metrics in groupby(METRICS, lambda metric: metric.section):
        yield {
            "id": next(numbers),
            "type": "row",
            "title": section,
            "collapsed": False,
            "gridPos": {"x": 0, "y": top, "w": _ROW, "h": 1},
            "panels": [],
        }
        top += 1
        shown = list(metrics)
        for place, metric in enumerate(shown):
            across, down = place * _WIDTH % _ROW, top + place * _WIDTH // _ROW * _HEIGHT
            yield _panel(next(numbers), metric, {"x": across, "y": down, "w": _WIDTH, "h": _HEIGHT})
        top += -(-len(shown) * _WIDTH // _ROW) * _HEIGHT


def _panel(number: int, metric: Metric, place: dict[str, int]) -> dict[str, Any]:
    per_second = metric.kind == "counter"
    unit = ("Bps" if metric.unit == "bytes" else "cps") if per_second else _UNITS[metric.unit]
    return {
        "id": number,
        "type": "timeseries",
        "title": f"{metric.title}, per second" if per_second else metric.title,
        "description": metric.help,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": named}
            for number, (expression, named) in enumerate(expressions(metric))
        ],
    }
