"""What stands around the metrics, made from their table: a page in docs, a dashboard of Grafana, rules of Prometheus;
and the page of every pool, queue, limit and cache, made from theirs.

`python -m scripts.monitoring` writes the files; a test fails when one of them says something else.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from scripts.monitoring.concurrency import page as concurrency_page
from scripts.monitoring.dashboard import dashboard
from scripts.monitoring.page import page
from scripts.monitoring.rules import rules

ROOT: Final = Path(__file__).parents[2]
FILES: Final[Mapping[Path, Callable[[], str]]] = {
    ROOT / "docs" / "metrics.md": page,
    ROOT / "docs" / "concurrency.md": concurrency_page,
    ROOT / "deploy" / "grafana" / "archimage.json": dashboard,
    ROOT / "deploy" / "prometheus" / "alerts.yml": rules,
}
