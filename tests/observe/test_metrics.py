"""What is counted is told, of one process and of several; whatever peers send, the number of series is bounded."""

import multiprocessing
import os
import random
import string
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from archimage.errors import IndexUnavailableError
from archimage.observe.cells import CELLS, NAMES_BYTES, Cells, processes
from archimage.observe.metrics import Metrics, forget_process
from archimage.observe.table import METRICS
from archimage.observe.titles import KNOWN, STRANGERS, Titles
from archimage.protocol.uids import STORAGE_SOP_CLASSES
from archimage.web.dicomweb.table import RESOURCES

CT = "1.2.840.10008.5.1.4.1.1.2"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(metrics: Metrics) -> Samples:
    """Read the exposition as Prometheus does."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
    }


def value(told: Samples, name: str, **labels: str) -> float:
    """Return one of them."""
    return told[name, frozenset(labels.items())]


def test_what_is_counted_is_told() -> None:
    metrics = Metrics()
    metrics.pixel_task("render", "done")
    metrics.pixel_task("transcode", "timeout")
    metrics.pixel_task("render", "done")
    metrics.pixel_tasks_waiting(3)
    metrics.compressed(1000, 400)
    metrics.compressed(500, 100)
    metrics.kept_uncompressed("NotAcceptableError")
    metrics.object_received(CT, "stored", 900, 0.003)
    metrics.object_received(CT, "replaced", 100, 0.3)
    metrics.object_received(CT, "duplicate", 900, 0.001)
    metrics.object_received("1.2.3", "stored", 7, 20.0)
    metrics.object_received(CT, "refused", 0, 0.002)
    told = samples(metrics)
    assert value(told, "pacs_pixel_tasks_total", outcome="done", task="render") == 2
    assert value(told, "pacs_pixel_tasks_total", outcome="timeout", task="transcode") == 1
    assert value(told, "pacs_pixel_tasks_waiting") == 3
    assert value(told, "pacs_compressions_total", outcome="compressed", reason="") == 2
    assert value(told, "pacs_compressions_total", outcome="kept", reason="NotAcceptableError") == 1
    assert value(told, "pacs_compression_bytes_total", form="before") == 1500
    assert value(told, "pacs_compression_bytes_total", form="after") == 500
    assert value(told, "pacs_images_stored_total", sop_class="CT Image Storage") == 2
    assert value(told, "pacs_storage_bytes_total", sop_class="CT Image Storage") == 1000
    assert value(told, "pacs_images_stored_total", sop_class="other") == 1
    outcomes = ("stored", "replaced", "duplicate", "refused")
    assert [value(told, "pacs_storage_outcomes_total", outcome=one) for one in outcomes] == [2, 1, 1, 1]
    buckets = ("0.001", "0.0025", "0.005", "0.25", "0.5", "10.0", "+Inf")
    assert [value(told, "pacs_storage_latency_seconds_bucket", le=le) for le in buckets] == [1, 2, 3, 3, 4, 4, 5]
    assert value(told, "pacs_storage_latency_seconds_count") == 5
    assert value(told, "pacs_storage_latency_seconds_sum") == pytest.approx(20.306)


def test_a_group_commit_counts_once_and_each_wait_by_itself() -> None:
    metrics = Metrics()
    metrics.group_committed([0.0, 0.002, 0.2], 0.004, 0.0004)
    told = samples(metrics)
    assert value(told, "pacs_commit_group_size_sum") == 3
    assert value(told, "pacs_commit_group_size_count") == 1
    assert value(told, "pacs_commit_wait_seconds_count") == 3
    assert value(told, "pacs_commit_wait_seconds_sum") == pytest.approx(0.202)
    assert value(told, "pacs_commit_sync_seconds_bucket", le="0.0025") == 0
    assert value(told, "pacs_commit_sync_seconds_bucket", le="0.005") == 1
    assert value(told, "pacs_commit_index_seconds_bucket", le="0.0005") == 1


def test_an_alert_sees_the_first_failure_for_its_series_stood_at_0_before() -> None:
    told = samples(Metrics())
    assert value(told, "pacs_operations_total", command="C-STORE", status="A700") == 0
    assert value(told, "pacs_associations_rejected_total", reason="max_associations") == 0
    assert value(told, "pacs_tasks_total", kind="send", outcome="failed") == 0


def test_threads_lose_no_count() -> None:
    metrics = Metrics()
    together = threading.Barrier(4)

    def count() -> None:
        together.wait(10)
        for _ in range(5_000):
            metrics.object_received(CT, "stored", 2, 0.01)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = samples(metrics)
    assert value(told, "pacs_images_stored_total", sop_class="CT Image Storage") == 20_000
    assert value(told, "pacs_storage_bytes_total", sop_class="CT Image Storage") == 40_000
    assert value(told, "pacs_storage_latency_seconds_count") == 20_000


# What is looked at.


def test_what_is_watched_is_told_as_it_is_when_somebody_asks() -> None:
    metrics, depth = Metrics(), [3.0]
    metrics.watch("pacs_queue_depth", lambda: depth[0], "intake")
    assert value(samples(metrics), "pacs_queue_depth", queue="intake") == 3
    depth[0] = 5
    assert value(samples(metrics), "pacs_queue_depth", queue="intake") == 5


def test_what_cannot_be_read_stays_as_it_was() -> None:
    metrics = Metrics()
    answers = iter([7.0])

    def read() -> float:
        for answer in answers:
            return answer
        raise IndexUnavailableError("the index is locked")

    metrics.watch("pacs_index_size_bytes", read)
    assert value(samples(metrics), "pacs_index_size_bytes") == 7
    assert value(samples(metrics), "pacs_index_size_bytes") == 7


# Several processes.


def _count(directory: Path) -> None:
    metrics = Metrics(directory)
    metrics.begin()
    metrics.association_opened("CT1")
    metrics.object_received(CT, "stored", 100, 0.01)
    metrics.watch("pacs_queue_depth", lambda: 4, "intake")
    metrics.watch("pacs_disk_free_bytes", lambda: 1)
    metrics.refresh(shared=True)


def _counted_elsewhere(directory: Path) -> int:
    process = multiprocessing.get_context("spawn").Process(target=_count, args=(directory,))
    process.start()
    process.join(30)
    assert process.exitcode == 0
    return process.pid or 0


def test_processes_count_together_and_of_a_dead_one_stays_what_it_counted() -> None:
    with processes() as together:
        pid = _counted_elsewhere(together.directory)
        _count(together.directory)
        metrics = Metrics(together.directory)  # this process begins anew
        metrics.begin()
        metrics.watch("pacs_disk_free_bytes", lambda: 9)
        metrics.object_received(CT, "stored", 1, 0.01)
        told = samples(metrics)
        assert value(told, "pacs_images_stored_total", sop_class="CT Image Storage") == 2
        assert value(told, "pacs_storage_bytes_total", sop_class="CT Image Storage") == 101
        assert value(told, "pacs_storage_latency_seconds_count") == 2
        assert value(told, "pacs_associations_active", ae_title="CT1") == 1
        assert value(told, "pacs_queue_depth", queue="intake") == 4
        assert value(told, "pacs_processes") == 2
        assert value(told, "pacs_disk_free_bytes") == 9  # there is one disk
        forget_process(together, pid)
        forget_process(together, pid)  # once is enough
        told = samples(metrics)
        assert value(told, "pacs_images_stored_total", sop_class="CT Image Storage") == 2
        assert value(told, "pacs_storage_latency_seconds_count") == 2
        assert value(told, "pacs_associations_total") == 1
        assert ("pacs_associations_active", frozenset({("ae_title", "CT1")})) not in told
        assert value(told, "pacs_processes") == 1


def test_what_processes_leave_does_not_grow_with_how_many_have_died() -> None:
    with processes() as together:
        for _ in range(3):
            forget_process(together, _counted_elsewhere(together.directory))
        assert {path.name for path in together.directory.iterdir()} == {"ended.cells", "lock"}
        told = samples(Metrics(together.directory))
        assert value(told, "pacs_images_stored_total", sop_class="CT Image Storage") == 3
    assert not together.directory.exists()


def test_a_process_of_the_same_id_begins_at_0(tmp_path: Path) -> None:
    Metrics(tmp_path).association_opened("CT1")
    assert value(samples(Metrics(tmp_path)), "pacs_associations_total") == 0
    assert {path.name for path in tmp_path.iterdir()} == {f"{os.getpid()}.cells", "lock"}


# Bounds.


def _gibberish(count: int) -> Iterable[str]:
    draw = random.Random(7)  # noqa: S311 - the same each time
    return ("".join(draw.choices(string.printable, k=draw.randint(1, 16))) for _ in range(count))


def _harass(metrics: Metrics, texts: Iterable[str]) -> None:
    """Pass on what hostile peers would send."""
    for number, text in enumerate(texts):
        label = metrics.association_opened(text)
        metrics.association_ended(label, "lost", 1.0, 1, 1)
        metrics.operation(number % 0x10000, number * 7 % 0x10000)
        metrics.object_received(f"1.2.{number}", "stored", 5, 0.1)
        metrics.query_answered(text, 0.1)
        metrics.request_answered(text, "", number, 0.1)


def test_a_peer_cannot_make_label_sets_grow() -> None:
    metrics = Metrics(titles=Titles(lambda: ["CT1"]))
    metrics.begin()
    _harass(metrics, _gibberish(3_000))
    before = samples(metrics)
    _harass(metrics, (f"Z{number}" for number in range(3_000)))
    after = samples(metrics)
    assert after.keys() == before.keys()
    titles = {dict(labels)["ae_title"] for name, labels in after if name == "pacs_associations_active"}
    assert len(titles) == STRANGERS + 1
    assert value(after, "pacs_images_stored_total", sop_class="other") == 6_000
    assert value(after, "pacs_queries_total", level="other") == 6_000
    assert {dict(labels)["method"] for name, labels in after if name == "pacs_http_requests_total"} == {"other"}
    assert all(number == 0 for (name, _), number in after.items() if name == "pacs_associations_active")


def test_nodes_have_labels_whoever_came_before_and_where_a_list_says_who_may_call_strangers_have_none() -> None:
    listed = Titles(lambda: ["CT1", "MR1"], lambda: False)
    listed.renew()
    assert [listed.admit(title) for title in ("CT1", "FOE", "MR1")] == ["CT1", "other", "MR1"]
    known: list[str] = []
    titles = Titles(lambda: known)
    titles.renew()
    shown = {titles.admit(f"FOE{number}") for number in range(200)}
    assert len(shown) == STRANGERS + 1
    assert titles.admit("CT1") == "other"
    known.append("CT1")
    titles.renew()
    assert titles.admit("CT1") == "CT1"
    known.extend(f"MR{number}" for number in range(200))
    titles.renew()
    assert len({titles.admit(title) for title in known}) == KNOWN + 1


def test_a_title_that_becomes_known_while_its_association_is_open_ends_as_it_began() -> None:
    known: list[str] = []
    metrics = Metrics(titles=Titles(lambda: known, lambda: False))
    label = metrics.association_opened("CT1")
    known.append("CT1")
    samples(metrics)
    metrics.association_ended(label, "released", 1.0, 1, 1)
    assert value(samples(metrics), "pacs_associations_active", ae_title="other") == 0


def test_every_series_that_there_may_be_has_its_place() -> None:
    assert sum(metric.most * metric.width for metric in METRICS) < CELLS
    assert sum(metric.most for metric in METRICS) * 150 < NAMES_BYTES
    limits = {metric.name: metric.most for metric in METRICS}
    assert len(STORAGE_SOP_CLASSES) < limits["pacs_images_stored_total"]
    assert 2 * len(RESOURCES) < limits["pacs_http_request_duration_seconds"]


def test_what_there_is_no_room_for_is_dropped_and_harms_nothing() -> None:
    cells = Cells()
    width = CELLS // 2
    assert cells.take("a", (), width) == 1
    assert cells.take("b", (), width) == 0
    assert cells.take("c" * NAMES_BYTES, (), 1) == 0
    assert cells.take("d", (), 1) == width + 1
    assert set(cells.read()) == {("a", ()), ("d", ())}
