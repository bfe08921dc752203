"""Every metric there is: from this table come what `/metrics` tells, its page in docs, the dashboard and the alerts.

`python -m scripts.monitoring` writes the last three anew.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from archimage.model.attributes import Level
from archimage.model.worklist import WORKLIST_LEVEL
from archimage.ports.meter import Cache, Ending, LimitedDoor, Rejection, ScrubOutcome, StoreOutcome

Kind = Literal["counter", "gauge", "histogram"]
Section = Literal["Associations", "Storage", "Queries", "Web", "Pixels", "Work", "Audit", "Machine"]
Unit = Literal["", "seconds", "bytes", "objects"]

OTHER: Final = "other"
"""The value of a label for everything that is not in its list."""

_LONG: Final = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
_SHORT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_FLUSHES: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_STORE_STATUSES: Final = ("0000", "0110", "0111", "0117", "0122", "0124", "0211", "A700", "A900", "C000")
_GROUPS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


def _single(choices: Any) -> tuple[tuple[str, ...], ...]:
    """Return the values of a Literal, each as those of one label."""
    return tuple((choice,) for choice in get_args(choices))


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    buckets are a histogram's upper bounds, in the metric's unit. most is how many series it may have in a process, and
    what comes after is counted as `other` in every label; initial are those that stand at 0 from the start, so that an
    alert sees the first increase. A gauge that is `shared` is one thing for all processes; any
    other is summed up over them.
    """

    name: str
    kind: Kind
    section: Section
    title: str
    help: str
    labels: tuple[str, ...] = ()
    unit: Unit = ""
    buckets: tuple[float, ...] = ()
    most: int = 1
    shared: bool = False
    initial: tuple[tuple[str, ...], ...] = ()

    @property
    def width(self) -> int:
        """How many numbers a series has: of a histogram its buckets, the one without bound, and the sum."""
        return len(self.buckets) + 2 if self.kind == "histogram" else 1


METRICS: Final[tuple[Metric, ...]] = (
    Metric(
        "pacs_associations_active",
        "gauge",
        "Associations",
        "Open associations",
        "Associations that are open, by calling AE title.",
        ("ae_title",),
        most=101,
    ),
    Metric(
        "pacs_associations_total",
        "counter",
        "Associations",
        "Associations accepted",
        "Associations that were accepted.",
    ),
    Metric(
        "pacs_association_duration_seconds",
        "histogram",
        "Associations",
        "How long associations last",
        "From the acceptance of an association to its end.",
        ("ae_title",),
        "seconds",
        _LONG,
        101,
    ),
    Metric(
        "pacs_association_bytes_total",
        "counter",
        "Associations",
        "Bytes by peer",
        "Bytes on the connections of associations, counted when they end; direction is `received` or `sent`.",
        ("ae_title", "direction"),
        "bytes",
        most=202,
    ),
    Metric(
        "pacs_associations_rejected_total",
        "counter",
        "Associations",
        "Rejections",
        "Associations that were refused: `calling_ae_title` or `called_ae_title` is not let in, `user_identity` is not "
        "proved, `max_associations` or `max_associations_per_ae` is reached, a `plugin` refuses it, or the request is "
        "none that can be served (`protocol`).",
        ("reason",),
        most=8,
        initial=_single(Rejection),
    ),
    Metric(
        "pacs_associations_aborted_total",
        "counter",
        "Associations",
        "Aborts",
        "Associations that were not released, and connections that failed before they had one: `aborted_by_peer`; "
        "`protocol_error`, the peer sent what it must not; `silent`, it let a deadline pass; `lost`, the connection "
        "broke; `aborted_here`, by a person or the server's end; `fault`, a bug of ours.",
        ("reason",),
        most=7,
        initial=tuple(one for one in _single(Ending) if one != ("released",)),
    ),
    Metric(
        "pacs_requests_limited_total",
        "counter",
        "Associations",
        "Requests beyond their rate",
        "Requests that were refused because whoever sends them asks too often, over `dicom` or `http` "
        "(`access.operations_per_s`, `access.requests_per_s`).",
        ("door",),
        most=3,
        initial=_single(LimitedDoor),
    ),
    Metric(
        "pacs_operations_total",
        "counter",
        "Associations",
        "DIMSE operations",
        "Requests of peers that were answered for good, by command (`C-STORE`) and status (`0000`, hexadecimal).",
        ("command", "status"),
        most=300,
        initial=tuple(("C-STORE", status) for status in _STORE_STATUSES),
    ),
    Metric(
        "pacs_images_stored_total",
        "counter",
        "Storage",
        "Objects stored",
        "Objects that were stored, through whichever door, by the name of their SOP class; duplicates are not counted.",
        ("sop_class",),
        most=250,
    ),
    Metric(
        "pacs_storage_bytes_total",
        "counter",
        "Storage",
        "Bytes stored",
        "Size of the files of the objects that were stored.",
        ("sop_class",),
        "bytes",
        most=250,
    ),
    Metric(
        "pacs_storage_outcomes_total",
        "counter",
        "Storage",
        "What became of objects",
        "Objects that were received whole: `stored`; `replaced`, stored in the place of another; `duplicate`, the same "
        "bytes were there already; `refused`.",
        ("outcome",),
        most=5,
        initial=_single(StoreOutcome),
    ),
    Metric(
        "pacs_storage_latency_seconds",
        "histogram",
        "Storage",
        "Time to store an object",
        "From the command that announces an object, or its beginning in a web request, until it is durable or refused.",
        (),
        "seconds",
        _SHORT,
    ),
    Metric(
        "pacs_commit_group_size",
        "histogram",
        "Storage",
        "Objects in a group commit",
        "Objects that were made durable by one flush.",
        (),
        "objects",
        _GROUPS,
    ),
    Metric(
        "pacs_commit_wait_seconds",
        "histogram",
        "Storage",
        "Wait for a group commit",
        "How long an object waited until its group was begun.",
        (),
        "seconds",
        _FLUSHES,
    ),
    Metric(
        "pacs_commit_sync_seconds",
        "histogram",
        "Storage",
        "Flushes",
        "How long a group's flush took: the ingest journal, and the ends of the large objects' files.",
        (),
        "seconds",
        _FLUSHES,
    ),
    Metric(
        "pacs_commit_index_seconds",
        "histogram",
        "Storage",
        "Index transactions",
        "How long a group took in the index, waiting for other writers included.",
        (),
        "seconds",
        _FLUSHES,
    ),
    Metric(
        "pacs_scrubbed_objects_total",
        "counter",
        "Storage",
        "Objects read again",
        "Stored objects that scrubbing has read again, by how they were: `sound` or `damaged`; and those of the latter "
        "that were `mended` of a second copy.",
        ("outcome",),
        most=4,
        initial=_single(ScrubOutcome),
    ),
    Metric(
        "pacs_scrubbed_bytes_total",
        "counter",
        "Storage",
        "Bytes read again",
        "Size of the stored objects that scrubbing has read again.",
        unit="bytes",
    ),
    Metric(
        "pacs_damaged_objects",
        "gauge",
        "Storage",
        "Damaged objects",
        "Stored objects that are known to be damaged or missing, and are not mended.",
        shared=True,
    ),
    Metric(
        "pacs_object_store_waiting",
        "gauge",
        "Storage",
        "Objects to upload",
        "Objects that are acknowledged, and that the object store does not have yet; 10,000 are counted at most.",
        (),
        "objects",
        shared=True,
    ),
    Metric(
        "pacs_object_store_waiting_bytes",
        "gauge",
        "Storage",
        "Bytes to upload",
        "Size of the objects that the object store does not have yet.",
        (),
        "bytes",
        shared=True,
    ),
    Metric(
        "pacs_object_store_oldest_seconds",
        "gauge",
        "Storage",
        "Oldest object to upload",
        "How long the oldest object waits that the object store does not have yet.",
        (),
        "seconds",
        shared=True,
    ),
    Metric(
        "pacs_queries_total",
        "counter",
        "Queries",
        "Queries",
        "C-FIND requests and QIDO-RS searches, by level, or `WORKLIST`; those that name none are `other`.",
        ("level",),
        most=6,
        initial=tuple((level,) for level in (*Level, WORKLIST_LEVEL)),
    ),
    Metric(
        "pacs_query_latency_seconds",
        "histogram",
        "Queries",
        "Time of a query",
        "C-FIND: from the request until its last match is found and encoded. QIDO-RS: until the answer begins.",
        (),
        "seconds",
        _SHORT,
    ),
    Metric(
        "pacs_cache_requests_total",
        "counter",
        "Queries",
        "Caches",
        "Metadata of series and objects in other transfer syntaxes that were asked for: `hit`, they were there; "
        "`miss`, they had to be made.",
        ("cache", "result"),
        most=5,
        initial=tuple((cache, result) for (cache,) in _single(Cache) for result in ("hit", "miss")),
    ),
    Metric(
        "pacs_http_requests_total",
        "counter",
        "Web",
        "Requests",
        "HTTP requests, by method, template of the address, and status.",
        ("method", "route", "status"),
        most=1_500,
    ),
    Metric(
        "pacs_http_request_duration_seconds",
        "histogram",
        "Web",
        "Time of a request",
        "From the head of an HTTP request to the end of its answer.",
        ("method", "route"),
        "seconds",
        _SHORT,
        500,
    ),
    Metric(
        "pacs_pixel_tasks_total",
        "counter",
        "Pixels",
        "Tasks of the worker processes",
        "Tasks of the worker processes for pixels: `done`; `failed`, an image that cannot be decoded or shown; "
        "`timeout`, `memory` and `lost`, for which a process was killed or ended.",
        ("task", "outcome"),
        most=40,
    ),
    Metric(
        "pacs_pixel_tasks_waiting",
        "gauge",
        "Pixels",
        "Tasks waiting for a worker process",
        "Tasks for which no worker process is free; where it stays above 0, raise `pixels.workers`.",
    ),
    Metric(
        "pacs_pixel_workers",
        "gauge",
        "Pixels",
        "Worker processes",
        "Worker processes for pixels, `idle` or `busy`; they are started when there is work.",
        ("state",),
        most=3,
    ),
    Metric(
        "pacs_compressions_total",
        "counter",
        "Pixels",
        "Compressions by rule",
        "Objects that `storage.compress` asked to compress: `compressed`, or `kept` as they came, with the kind of "
        "error as reason (`NotAcceptableError`: nothing is gained, or the form cannot hold them).",
        ("outcome", "reason"),
        most=40,
    ),
    Metric(
        "pacs_compression_bytes_total",
        "counter",
        "Pixels",
        "Bytes before and after compression",
        "Size of the compressed objects `before` and `after`: their ratio is what compression saves.",
        ("form",),
        "bytes",
        most=3,
    ),
    Metric(
        "pacs_tasks_total",
        "counter",
        "Work",
        "Background tasks",
        "Background tasks that have ended, by kind and outcome: `done`, `failed` or `cancelled`.",
        ("kind", "outcome"),
        most=20,
        initial=tuple(
            (kind, outcome)
            for kind in ("change", "delete", "import", "retrieve", "send")
            for outcome in ("cancelled", "done", "failed")
        ),
    ),
    Metric(
        "pacs_queue_depth",
        "gauge",
        "Work",
        "What waits",
        "What waits in each queue: `intake`, objects for a group commit; any other, calls for which no thread of the "
        "pool of that name is free, as `tasks`, background tasks.",
        ("queue",),
        most=20,
    ),
    Metric(
        "pacs_threads",
        "gauge",
        "Work",
        "Threads",
        "Threads that each pool may have.",
        ("pool",),
        most=20,
    ),
    Metric(
        "pacs_threads_busy",
        "gauge",
        "Work",
        "Threads at work",
        "Threads of each pool that are at work.",
        ("pool",),
        most=20,
    ),
    Metric(
        "pacs_deliveries",
        "gauge",
        "Work",
        "Deliveries",
        "What others are to be told, by kind: `waiting` until they have heard it, or `failed` for good (/deliveries).",
        ("kind", "state"),
        most=41,
        shared=True,
    ),
    Metric(
        "pacs_plugin_calls_total",
        "counter",
        "Work",
        "Calls of plugins",
        "Calls of plugins' hooks, by how they ended: `done`; `failed`, it raised; `timeout`, `memory` and `lost` cost "
        "its process; `invalid`, its answer is none; `skipped`, it was busy or disabled. The hook is `load` where it "
        "could not be loaded.",
        ("plugin", "hook", "outcome"),
        most=500,
    ),
    Metric(
        "pacs_plugin_dropped_total",
        "counter",
        "Work",
        "Not told to plugins",
        "Instances, and studies that were deleted, that a plugin was not told of: it was too far behind, busy with a "
        "failure, or disabled.",
        ("plugin",),
        most=101,
    ),
    Metric(
        "pacs_plugins_disabled",
        "gauge",
        "Work",
        "Disabled plugins",
        "Plugins that are disabled: they failed too often, or somebody turned them off (/plugins).",
    ),
    Metric(
        "pacs_jobs",
        "gauge",
        "Work",
        "Jobs",
        "Durable work, by kind: `waiting` until it is done, `running`, `paused`, or `failed` for good (/jobs).",
        ("kind", "state"),
        most=81,
        shared=True,
    ),
    Metric(
        "pacs_audit_messages_total",
        "counter",
        "Audit",
        "Audit messages",
        "Audit messages that were written to the journal.",
    ),
    Metric(
        "pacs_audit_lost_total",
        "counter",
        "Audit",
        "Audit messages lost",
        "Audit messages for which there was no room while the journal could not be written.",
        initial=((),),
    ),
    Metric(
        "pacs_audit_failing",
        "gauge",
        "Audit",
        "Audit trail failing",
        "Processes whose audit journal cannot be written.",
    ),
    Metric(
        "pacs_audit_unsent_seconds",
        "gauge",
        "Audit",
        "Audit messages not sent",
        "Age of the oldest audit message that `audit.repository` does not have yet.",
        (),
        "seconds",
    ),
    Metric(
        "pacs_disk_free_bytes",
        "gauge",
        "Machine",
        "Free disk",
        "Room that is left on the file system of the data directory.",
        (),
        "bytes",
        shared=True,
    ),
    Metric(
        "pacs_disk_size_bytes",
        "gauge",
        "Machine",
        "Size of the disk",
        "Size of the file system of the data directory.",
        (),
        "bytes",
        shared=True,
    ),
    Metric(
        "pacs_index_size_bytes",
        "gauge",
        "Machine",
        "Size of the index",
        "Room that the index takes.",
        (),
        "bytes",
        shared=True,
    ),
    Metric(
        "pacs_resident_memory_bytes",
        "gauge",
        "Machine",
        "Memory",
        "Resident memory of the server's processes, those for pixels left aside.",
        (),
        "bytes",
    ),
    Metric(
        "pacs_open_files",
        "gauge",
        "Machine",
        "Open files",
        "File descriptors that the server's processes hold.",
    ),
    Metric(
        "pacs_processes",
        "gauge",
        "Machine",
        "Processes",
        "Equal processes that serve; `dicom.workers` says how many there should be.",
    ),
)
BY_NAME: Final = {metric.name: metric for metric in METRICS}
