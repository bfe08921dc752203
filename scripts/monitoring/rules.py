"""Rules of Prometheus for the alerts; every text is a JSON string, which YAML reads as well."""

import json
from collections.abc import Iterator

from archimage.observe.alerts import ALERTS

_MADE = "# Made by `make monitoring` from src/archimage/observe/alerts.py: change that, not this file."


def rules() -> str:
    """Return the file."""
    return "\n".join([_MADE, "groups:", "  - name: archimage", "    rules:", *_lines()]) + "\n"


def _lines() -> Iterator[str]:
    for alert in ALERTS:
        yield f"      - alert: {alert.name}"
        yield f"        expr: {json.dumps(alert.expression)}"
        yield f"        for: {alert.lasting}"
        yield "        labels:"
        yield f"          severity: {alert.severity}"
        yield "        annotations:"
        yield f"          summary: {json.dumps(alert.summary)}"
        yield f"          description: {json.dumps(alert.action)}"
