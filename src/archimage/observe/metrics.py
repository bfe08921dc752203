"""Counting, in words of the archive: what happens becomes numbers of the metrics in `table`.

Whatever a peer sends ends up in a label only if the archive knows it: by name, as a node or a template of ours. AE
titles are those of nodes and settings, and where any may call, of the first few that were let in.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final

from archimage.errors import ArchimageError
from archimage.model.attributes import Level
from archimage.model.plugins import CallOutcome
from archimage.model.worklist import WORKLIST_LEVEL
from archimage.observe.cells import Cells, Processes, Together
from archimage.observe.instruments import Counted, Family, Spread, counted, spread
from archimage.observe.table import BY_NAME, METRICS, OTHER
from archimage.observe.titles import Titles
from archimage.ports.meter import (
    Cache,
    Ending,
    LimitedDoor,
    Meter,
    Rejection,
    ScrubOutcome,
    StoreOutcome,
    TaskOutcome,
)
from archimage.protocol.command import CommandField
from archimage.protocol.status import Status
from archimage.protocol.uids import NON_PATIENT_STORAGE_SOP_CLASSES, STORAGE_SOP_CLASSES

_SOP_CLASSES: Final = {**NON_PATIENT_STORAGE_SOP_CLASSES, **STORAGE_SOP_CLASSES}
_COMMANDS: Final = {int(field): field.name.removesuffix("_RQ").replace("_", "-") for field in CommandField}
_STATUSES: Final = {int(status): f"{status:04X}" for status in Status}
_HTTP_STATUSES: Final = {int(status): str(int(status)) for status in HTTPStatus}
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_LEVELS: Final = frozenset({*Level, WORKLIST_LEVEL})
_WIDTHS: Final = {metric.name: metric.width for metric in METRICS}
_LASTING: Final = frozenset(metric.name for metric in METRICS if metric.kind != "gauge")
_SHARED: Final = frozenset(metric.name for metric in METRICS if metric.shared)


class Metrics(Meter):
    """Counts, and tells."""

    def __init__(self, together: Path | None = None, titles: Titles | None = None) -> None:
        """Count in a file of a directory where equal processes do, if there is one, and tell the sum of all."""
        self._together = None if together is None else Together(together)
        self._cells = Cells() if self._together is None else self._together.join()
        self._titles = titles or Titles()
        self._watched: list[tuple[str, Counted, Callable[[], float]]] = []
        self._open = self._counted("pacs_associations_active")
        self._durations = self._spread("pacs_association_duration_seconds")
        self._traffic = self._counted("pacs_association_bytes_total")
        self._rejected = self._counted("pacs_associations_rejected_total")
        self._limited = self._counted("pacs_requests_limited_total")
        self._aborted = self._counted("pacs_associations_aborted_total")
        self._operations = self._counted("pacs_operations_total")
        self._images = self._counted("pacs_images_stored_total")
        self._bytes = self._counted("pacs_storage_bytes_total")
        self._outcomes = self._counted("pacs_storage_outcomes_total")
        self._queries = self._counted("pacs_queries_total")
        self._caches = self._counted("pacs_cache_requests_total")
        self._requests = self._counted("pacs_http_requests_total")
        self._request_times = self._spread("pacs_http_request_duration_seconds")
        self._pixel_tasks = self._counted("pacs_pixel_tasks_total")
        self._compressions = self._counted("pacs_compressions_total")
        self._compressed = self._counted("pacs_compression_bytes_total")
        self._scrubbed = self._counted("pacs_scrubbed_objects_total")
        self._scrubbed_bytes = self._counted("pacs_scrubbed_bytes_total").of()
        self._plugin_calls = self._counted("pacs_plugin_calls_total")
        self._plugin_drops = self._counted("pacs_plugin_dropped_total")
        self._tasks = self._counted("pacs_tasks_total")
        self._accepted = self._counted("pacs_associations_total").of()
        self._audit_written = self._counted("pacs_audit_messages_total").of()
        self._audit_lost = self._counted("pacs_audit_lost_total").of()
        self._pixels_waiting = self._counted("pacs_pixel_tasks_waiting").of()
        self._store_times = self._spread("pacs_storage_latency_seconds").of()
        self._query_times = self._spread("pacs_query_latency_seconds").of()
        self._groups = self._spread("pacs_commit_group_size").of()
        self._waits = self._spread("pacs_commit_wait_seconds").of()
        self._syncs = self._spread("pacs_commit_sync_seconds").of()
        self._index_times = self._spread("pacs_commit_index_seconds").of()
        self._received: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._answered: dict[tuple[int, int], Counted] = {}
        self._served: dict[tuple[str, str, int], tuple[Counted, Spread]] = {}

    # What is counted as it happens.

    def association_opened(self, calling_ae_title: str) -> str:
        """Count an association; return the label of its AE title, which may become known while it is open."""
        label = self._titles.admit(calling_ae_title)
        self._accepted.add()
        self._open.of(label).add()
        return label

    def association_ended(
        self, told_as: str, ending: Ending, duration_s: float, received_bytes: int, sent_bytes: int
    ) -> None:
        """Count its end."""
        self._open.of(told_as).add(-1)
        self._durations.of(told_as).observe(duration_s)
        self._traffic.of(told_as, "received").add(received_bytes)
        self._traffic.of(told_as, "sent").add(sent_bytes)
        if ending != "released":
            self._aborted.of(ending).add()

    def connection_failed(self, ending: Ending) -> None:
        """Count a connection that came to nothing."""
        self._aborted.of(ending).add()

    def association_rejected(self, reason: Rejection) -> None:
        """Count a refusal."""
        self._rejected.of(reason).add()

    def request_limited(self, door: LimitedDoor) -> None:
        """Count a request that was refused."""
        self._limited.of(door).add()

    def plugin_called(self, plugin: str, hook: str, outcome: CallOutcome) -> None:
        """Count a call of a plugin."""
        self._plugin_calls.of(plugin, hook, outcome).add()

    def plugin_dropped(self, plugin: str, count: int) -> None:
        """Count what a plugin was not told of."""
        self._plugin_drops.of(plugin).add(count)

    def operation(self, command_field: int, status: int) -> None:
        """Count a request that was answered."""
        found = self._answered.get((command_field, status))
        if found is None:
            found = self._operation(command_field, status)
        found.add()

    def object_received(self, sop_class_uid: str, outcome: StoreOutcome, size_bytes: int, duration_s: float) -> None:
        """Count an object."""
        counted, images, size = self._received.get((sop_class_uid, outcome)) or self._reception(sop_class_uid, outcome)
        values, times = self._cells.values, self._store_times
        with self._cells.lock:  # once for all, on the way of every image
            values[counted] += 1.0
            values[images] += 1.0
            values[size] += size_bytes
            values[times.cell_of(duration_s)] += 1.0
            values[times.sum_cell] += duration_s

    def group_committed(self, waits_s: Sequence[float], sync_s: float, index_s: float) -> None:
        """Count a group."""
        self._groups.observe(len(waits_s))
        self._syncs.observe(sync_s)
        self._index_times.observe(index_s)
        self._waits.observe(*waits_s)

    def query_answered(self, level: str, duration_s: float) -> None:
        """Count a query."""
        self._queries.of(level if level in _LEVELS else OTHER).add()
        self._query_times.observe(duration_s)

    def cache_asked(self, cache: Cache, *, hit: bool) -> None:
        """Count a hit or a miss."""
        self._caches.of(cache, "hit" if hit else "miss").add()

    def request_answered(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count a request."""
        method = method if method in _METHODS else OTHER
        found = self._served.get((method, route, status))
        if found is None:
            shown = route or OTHER
            counter = self._requests.of(method, shown, _HTTP_STATUSES.get(status, OTHER))
            found = counter, self._request_times.of(method, shown)
            if status in _HTTP_STATUSES:
                self._served[method, route, status] = found
        found[0].add()
        found[1].observe(duration_s)

    def task_ended(self, kind: str, state: str) -> None:
        """Count a background task."""
        self._tasks.of(kind, state).add()

    def pixel_task(self, task: str, outcome: TaskOutcome) -> None:
        """Count a task of a worker process."""
        self._pixel_tasks.of(task, outcome).add()

    def pixel_tasks_waiting(self, count: int) -> None:
        """Note how many tasks wait for a worker process."""
        self._pixels_waiting.set(count)

    def compressed(self, before_bytes: int, after_bytes: int) -> None:
        """Count an object that was compressed."""
        self._compressions.of("compressed", "").add()
        self._compressed.of("before").add(before_bytes)
        self._compressed.of("after").add(after_bytes)

    def object_scrubbed(self, outcome: ScrubOutcome, size_bytes: int) -> None:
        """Count an object that was read again."""
        self._scrubbed.of(outcome).add()
        self._scrubbed_bytes.add(size_bytes)

    def kept_uncompressed(self, reason: str) -> None:
        """Count an object that stays as it is."""
        self._compressions.of("kept", reason).add()

    def audit_written(self, count: int) -> None:
        """Count audit messages."""
        self._audit_written.add(count)

    def audit_lost(self, count: int = 1) -> None:
        """Count audit messages that could not be kept."""
        self._audit_lost.add(count)

    # What is looked at.

    def begin(self) -> None:
        """Look for the first time; blocks."""
        self._titles.renew()
        self._counted("pacs_processes").of().set(1)

    def watch(self, name: str, read: Callable[[], float], *labels: str) -> None:
        """Have a gauge tell what read returns. It must not block, unless the gauge is one of those that are shared."""
        self._watched.append((name, self._counted(name).of(*labels), read))

    def refresh(self, *, shared: bool = False) -> None:
        """Look at what is watched, with shared at what may block too; what cannot be read stays as it was."""
        for name, gauge, read in self._watched:
            if shared or name not in _SHARED:
                with suppress(ArchimageError, OSError):
                    gauge.set(read())

    # What is told.

    def exposition(self) -> bytes:
        """Return all of it, as text; blocks."""
        from archimage.observe.exposition import exposition, summed  # takes a while, and only who is asked needs it

        self._titles.renew()
        self.refresh(shared=True)
        parts = [self._cells.read()]
        if self._together is not None:
            for alive, numbers in self._together.others(_WIDTHS):
                left_out = _SHARED if alive else frozenset(_WIDTHS) - _LASTING
                parts.append({series: values for series, values in numbers.items() if series[0] not in left_out})
        return exposition(summed(parts))

    def _counted(self, name: str) -> Family[Counted]:
        return counted(self._cells, BY_NAME[name])

    def _spread(self, name: str) -> Family[Spread]:
        return spread(self._cells, BY_NAME[name])

    def _operation(self, command_field: int, status: int) -> Counted:
        command = _COMMANDS.get(command_field, OTHER)
        found = self._operations.of(command, _STATUSES.get(status, OTHER))
        if command != OTHER and status in _STATUSES:
            self._answered[command_field, status] = found
        return found

    def _reception(self, sop_class_uid: str, outcome: StoreOutcome) -> tuple[int, int, int]:
        """Return the cells of an outcome and, where something was stored, of its number and its bytes."""
        name = _SOP_CLASSES.get(sop_class_uid, OTHER)
        found = self._outcomes.of(outcome).cell, 0, 0
        if outcome in {"stored", "replaced"}:
            found = found[0], self._images.of(name).cell, self._bytes.of(name).cell
        if name != OTHER:
            self._received[sop_class_uid, outcome] = found
        return found


def forget_process(processes: Processes, pid: int) -> None:
    """Leave out what a process that has ended was just doing; what it had counted stays."""
    processes.forget(pid, _WIDTHS, _LASTING)
