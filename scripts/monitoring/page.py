"""docs/metrics.md."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from archimage.observe.alerts import ALERTS
from archimage.observe.metric import Metric
from archimage.observe.table import METRICS
from archimage.observe.titles import KNOWN, STRANGERS

_TEXT: Final = f"""\
<!-- Made by `make monitoring` from src/archimage/observe/table.py and alerts.py: change those, not this file. -->
# Metrics

`GET /metrics` on the HTTP port tells what the server counts, in the text format of Prometheus. With `--workers N` every
process tells the sum of all; what the others are just doing is then of the last 2 seconds. There are no names, numbers
or UIDs of patients in it. `http.metrics = false` turns counting off.

    scrape_configs:
      - job_name: archimage
        static_configs: [{{targets: ["127.0.0.1:8042"]}}]
    rule_files: [alerts.yml]

`deploy/prometheus/alerts.yml` holds the rules below, `deploy/grafana/archimage.json` a dashboard with every metric.

What a peer sends never makes a new label. AE titles are those of nodes and of `dicom.allowed_calling_ae_titles`,
{KNOWN} at most; where any peer may call, the first {STRANGERS} others that were let in have one too; every other is
`other`. So is what the archive does not know: SOP classes, commands, statuses, methods, and addresses that lead
nowhere. Routes are the templates of addresses, as `/dicom-web/studies/{{study}}`, and never an address itself.

A histogram has `_bucket`, `_sum` and `_count`; any quantile follows, as the 99th percentile of the last five minutes:
`histogram_quantile(0.99, sum by (le) (rate(pacs_storage_latency_seconds_bucket[5m])))`. Where the time of a single
association went is told by `GET /api/v1/associations` and `/api/v1/associations/ended`, and in the log line that
closes it.
"""
_HEAD: Final = "| metric | kind | labels | what it is | alerts |\n|---|---|---|---|---|"


def page() -> str:
    """Return the page."""
    return _TEXT + "\n" + "\n".join(_sections()) + "\n".join(_alerts())


def alerts_of(metric: Metric) -> list[str]:
    """Return the names of the alerts that look at a metric."""
    return [alert.name for alert in ALERTS if re.search(rf"\b{metric.name}(_bucket|_sum|_count)?\b", alert.expression)]


def _sections() -> Iterator[str]:
    for section, metrics in groupby(METRICS, lambda metric: metric.section):
        yield f"## {section}\n\n{_HEAD}"
        yield from map(_row, metrics)
        yield ""


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    told = f"{metric.help} Buckets: {_bounds(metric)}." if metric.buckets else metric.help
    return f"| `{metric.name}` | {metric.kind} | {labels} | {told} | {', '.join(alerts_of(metric))} |"


def _bounds(metric: Metric) -> str:
    return ", ".join(f"{bound:g}" for bound in metric.buckets) + (f" {metric.unit}" if metric.unit else "")


def _alerts() -> Iterator[str]:
    yield "## Alerts\n\n| alert | severity | when | what to do |\n|---|---|---|---|"
    for alert in ALERTS:
        lasting = "" if alert.lasting == "0m" else f", for {alert.lasting}"
        expression = alert.expression.replace("|", "\\|")
        yield f"| {alert.name} | {alert.severity} | `{expression}`{lasting} | {_plain(alert.summary)} {alert.action} |"
    yield ""


def _plain(summary: str) -> str:
    """Put the name of a label in the place of its value."""
    return re.sub(r"{{ \$labels\.(\w+) }}", r"(\1)", summary)
