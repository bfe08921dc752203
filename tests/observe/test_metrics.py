"""Tests of observe.metrics: what is counted is told, by one process and by several that count together."""

import os
import re
import subprocess
import sys
from pathlib import Path

from archimage.observe.metrics import Metrics, shared

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
COUNTING = """
import sys
from archimage.observe.metrics import Metrics
metrics = Metrics()
metrics.pixel_task("render", "done")
metrics.compressed(100, 40)
metrics.pixel_tasks_waiting(2)
if sys.argv[1:]:
    print(metrics.exposition().decode())
"""


def sample(text: str, name: str) -> float:
    """Return the value of a sample; name with its labels."""
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.rpartition(" ")[0] == name)


def test_what_is_counted_is_told() -> None:
    metrics = Metrics()
    metrics.pixel_task("render", "done")
    metrics.pixel_task("transcode", "timeout")
    metrics.pixel_task("render", "done")
    metrics.pixel_tasks_waiting(3)
    metrics.compressed(1000, 400)
    metrics.compressed(500, 100)
    metrics.kept_uncompressed("NotAcceptableError")
    text = metrics.exposition().decode()
    assert sample(text, 'pacs_pixel_tasks_total{outcome="done",task="render"}') == 2
    assert sample(text, 'pacs_pixel_tasks_total{outcome="timeout",task="transcode"}') == 1
    assert sample(text, "pacs_pixel_tasks_waiting") == 3
    assert sample(text, 'pacs_compressions_total{outcome="compressed",reason=""}') == 2
    assert sample(text, 'pacs_compressions_total{outcome="kept",reason="NotAcceptableError"}') == 1
    assert sample(text, 'pacs_compression_bytes_total{form="before"}') == 1500
    assert sample(text, 'pacs_compression_bytes_total{form="after"}') == 500


def test_processes_count_together_and_what_a_dead_one_counted_stays() -> None:
    with shared():
        command = [sys.executable, "-c", COUNTING]
        for _ in range(2):
            subprocess.run(command, check=True, env=os.environ)
        told = subprocess.run([*command, "tell"], check=True, capture_output=True, text=True, env=os.environ).stdout
    assert sample(told, 'pacs_pixel_tasks_total{outcome="done",task="render"}') == 3
    assert sample(told, 'pacs_compression_bytes_total{form="after"}') == 120
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


def test_every_metric_is_on_its_page_and_no_other() -> None:
    told = set(re.findall(r"^# TYPE (\S+) (?:counter|gauge)$", Metrics().exposition().decode(), re.MULTILINE))
    listed = set(re.findall(r"^\| `(\w+)`", PAGE.read_text("utf-8"), re.MULTILINE))
    assert {name for name in told if not name.endswith("_created")} == listed
