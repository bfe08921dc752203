"""What stands around the metrics says what the table says: the page, the dashboard, the rules."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from archimage.logger import CATEGORIES
from archimage.observe.alerts import ALERTS
from archimage.observe.metrics import Metrics
from archimage.observe.table import BY_NAME, METRICS
from scripts.monitoring import FILES, ROOT

_SUFFIXES: Final = r"(?:_bucket|_sum|_count)?\b"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_committed_files_are_what_the_table_gives(path: Path) -> None:
    assert path.read_text("utf-8") == FILES[path](), "run `make monitoring` and commit what it writes"


def _named(text: str) -> set[str]:
    """Return the metrics that are named, whether they are or not."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bpacs_\w+", text)}


def test_every_metric_that_is_told_is_documented_and_on_the_dashboard_and_no_other() -> None:
    told = {family.name for family in text_string_to_metric_families(Metrics().exposition().decode())}
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    rows = re.findall(r"^\| `(pacs_\w+)` \| (\w+) \|", page, re.MULTILINE)
    assert {name.removesuffix("_total") for name, _ in rows} == told
    assert dict(rows) == {metric.name: metric.kind for metric in METRICS}
    asked = {target["expr"] for panel in _panels() for target in panel.get("targets", ())}
    assert set().union(*map(_named, asked)) == set(BY_NAME)


def test_the_page_for_operators_says_of_every_alert_and_category_what_it_means() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert re.findall(r"^### (\w+)$", page, re.MULTILINE) == [alert.name for alert in ALERTS]
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(CATEGORIES)


def _panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((ROOT / "deploy/grafana/archimage.json").read_text("utf-8"))["panels"]
    return found


def test_the_panels_of_the_dashboard_cover_each_other_nowhere() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in _panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    numbers = [panel["id"] for panel in _panels()]
    assert len(set(numbers)) == len(numbers)


def test_the_rules_are_yaml_and_look_at_metrics_and_labels_that_there_are() -> None:
    (group,) = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8"))["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [alert.name for alert in ALERTS]
    for rule in group["rules"]:
        names = _named(rule["expr"])
        assert names <= set(BY_NAME), rule["alert"]
        labels = {label for name in names for label in BY_NAME[name].labels} | {"le"}
        assert set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"", rule["expr"])) <= labels
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= labels
        assert re.fullmatch(r"\d+[mh]", rule["for"])
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_names_follow_the_customs_of_prometheus() -> None:
    for metric in METRICS:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert not metric.unit or metric.unit == "objects" or f"_{metric.unit}" in metric.name
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert bool(metric.buckets) == (metric.kind == "histogram")
        assert (metric.most == 1) == (not metric.labels)
        assert len(metric.initial) < metric.most or not metric.labels
        assert all(len(labels) == len(metric.labels) for labels in metric.initial)
