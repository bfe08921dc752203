"""Prometheus itself takes what we tell and what we ship: it scrapes a server, and every alert fires when it should."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import yaml

from archimage.observe.alerts import ALERTS, Alert
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import Peer
from tests.interop.peers import free_port, tool

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "deploy" / "prometheus" / "alerts.yml"
WITHIN_S: Final = 60.0
CALM: Final = "0+0x900"
QUIET: Final[Mapping[str, str]] = {
    "pacs_processes": "1+0x900",
    "pacs_disk_free_bytes": "500+0x900",
    "pacs_disk_size_bytes": "1000+0x900",
    'pacs_operations_total{command="C-STORE",status="0000"}': "0+10x900",
    'pacs_http_requests_total{status="200"}': "0+10x900",
    'pacs_http_requests_total{status="503"}': CALM,
    'pacs_queue_depth{queue="intake"}': CALM,
    "pacs_pixel_tasks_waiting": CALM,
    "pacs_audit_failing": CALM,
    "pacs_audit_lost_total": CALM,
    "pacs_audit_unsent_seconds": "5+0x900",
    "pacs_object_store_oldest_seconds": "30+0x900",
}
"""A day on which nothing happens that anybody should be woken for; a step is a minute."""


def _slow(name: str, low: str, high: str) -> dict[str, str]:
    """Return a histogram whose every value lies between two limits."""
    return {
        f'{name}_bucket{{le="{low}"}}': CALM,
        f'{name}_bucket{{le="{high}"}}': "0+60x900",
        f'{name}_bucket{{le="+Inf"}}': "0+60x900",
    }


FIRING: Final[Mapping[str, Mapping[str, str]]] = {
    "ArchimageDown": {"pacs_processes": "_x900"},
    "ArchimageDiskFillsUp": {"pacs_disk_free_bytes": "90+0x900"},
    "ArchimageDiskFullSoon": {"pacs_disk_free_bytes": "500-0.5x900"},
    "ArchimageRefusesObjects": {'pacs_operations_total{command="C-STORE",status="A700"}': "0+1x900"},
    "ArchimageStoresSlowly": _slow("pacs_storage_latency_seconds", "2.5", "10"),
    "ArchimageFlushesSlowly": _slow("pacs_commit_sync_seconds", "0.25", "1"),
    "ArchimageQueriesSlowly": _slow("pacs_query_latency_seconds", "2.5", "10"),
    "ArchimageRejectsAssociations": {'pacs_associations_rejected_total{reason="called_ae_title"}': "0+1x900"},
    "ArchimageAssociationsBreak": {'pacs_associations_aborted_total{reason="lost"}': "0+3x900"},
    "ArchimageWebFails": {'pacs_http_requests_total{status="503"}': "0+1x900"},
    "ArchimagePixelsWait": {"pacs_pixel_tasks_waiting": "20+0x900"},
    "ArchimagePixelWorkersDie": {'pacs_pixel_tasks_total{task="decode",outcome="timeout"}': "0+1x900"},
    "ArchimageDeliveriesFail": {'pacs_deliveries{kind="mpps",state="failed"}': "1+0x900"},
    "ArchimageObjectsDamaged": {"pacs_damaged_objects": "1+0x900"},
    "ArchimageUploadsWait": {"pacs_object_store_oldest_seconds": "700+0x900"},
    "ArchimagePluginDisabled": {"pacs_plugins_disabled": "1+0x900"},
    "ArchimageJobsFail": {'pacs_jobs{kind="send",state="failed"}': "1+0x900"},
    "ArchimageTasksFail": {'pacs_tasks_total{kind="send",outcome="failed"}': "0+1x900"},
    "ArchimageAuditNotWritten": {"pacs_audit_failing": "1+0x900"},
    "ArchimageAuditLost": {"pacs_audit_lost_total": "0+1x900"},
    "ArchimageAuditNotSent": {"pacs_audit_unsent_seconds": "700+0x900"},
    "ArchimageQueueGrows": {'pacs_queue_depth{queue="intake"}': "900+0x900"},
}


def _promtool(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [tool("promtool"), *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=WITHIN_S, check=False)


def test_the_alert_rules_are_what_prometheus_takes() -> None:
    checked = _promtool("check", "rules", str(RULES))
    assert checked.returncode == 0, checked.stderr
    assert f"{len(ALERTS)} rules found" in checked.stdout


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_fires_when_it_should_and_only_then(alert: Alert, tmp_path: Path) -> None:
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {"expr": _fires(matching), "eval_time": "14h", "exp_samples": [{"labels": "{}", "value": number}]}
            ],
        }
        for series, matching, number in (
            (QUIET, "", 0),
            ({**QUIET, **FIRING[alert.name]}, f'alertname="{alert.name}",', 1),
        )
    ]
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    tested = _promtool("test", "rules", str(file))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def _fires(matching: str) -> str:
    return f'count(ALERTS{{{matching}alertstate="firing"}}) or vector(0)'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two processes."""
    with running(tmp_path_factory.mktemp("scraped") / "data", ("--workers", "2")) as found:
        yield found


def test_what_is_told_is_as_prometheus_wants_it(server: Server) -> None:
    with closing(HTTPConnection("127.0.0.1", server.http_port, timeout=WITHIN_S)) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    linted = _promtool("check", "metrics", given=text)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@contextmanager
def _prometheus(directory: Path, server: Server) -> Iterator[int]:
    """Run Prometheus as docs/metrics.md has it, but for ports and patience; yield its port."""
    directory.mkdir()
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [
            {"job_name": "archimage", "static_configs": [{"targets": [f"127.0.0.1:{server.http_port}"]}]}
        ],
        "rule_files": [str(RULES)],
    }
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(settings))
    port = free_port()
    command = [
        tool("prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(WITHIN_S)


def _asked(port: int, query: str) -> list[dict[str, Any]]:
    """Return what Prometheus answers, nothing while it starts."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=WITHIN_S)) as connection:
        try:
            connection.request("GET", f"/api/v1/query?{urlencode({'query': query})}")
            found: list[dict[str, Any]] = json.load(connection.getresponse())["data"]["result"]
        except (OSError, ValueError):
            return []
    return found


def test_prometheus_scrapes_what_peers_have_sent(server: Server, tmp_path: Path) -> None:
    with _prometheus(tmp_path / "prometheus", server) as port:
        assert wait_until(lambda: bool(_asked(port, 'up{job="archimage"} == 1')), WITHIN_S)
        with Peer.associated(server.port) as peer:
            for uid in (new_uid(), new_uid(), new_uid()):
                assert peer.store(uid, dataset(uid)) == 0
            peer.release()
        stored = 'pacs_images_stored_total{sop_class="CT Image Storage"} == 3'
        assert wait_until(lambda: bool(_asked(port, stored)), WITHIN_S)
        assert wait_until(lambda: bool(_asked(port, "pacs_processes == 2")), WITHIN_S)
        silent = "vector(1) unless on() ALERTS"  # before the first scrape one may be about to fire
        assert wait_until(lambda: bool(_asked(port, silent)), WITHIN_S)
