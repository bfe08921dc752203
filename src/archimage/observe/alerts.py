"""What Prometheus is to wake somebody for; made into rules by `python -m scripts.monitoring`."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Alert:
    """What Prometheus is to tell somebody: when expression holds for so long; and what to do then."""

    name: str
    expression: str
    lasting: str
    severity: Literal["critical", "warning"]
    summary: str
    action: str


ALERTS: Final[tuple[Alert, ...]] = (
    Alert(
        "ArchimageDown",
        "absent(pacs_processes) or pacs_processes == 0",
        "1m",
        "critical",
        "archimage tells nothing.",
        "Look whether the process runs and its HTTP port is reached; modalities keep what they cannot send.",
    ),
    Alert(
        "ArchimageDiskFillsUp",
        "pacs_disk_free_bytes / pacs_disk_size_bytes < 0.1",
        "10m",
        "warning",
        "Less than a tenth of the data directory's disk is free.",
        "Make room or add some: a full disk refuses every object with status A700.",
    ),
    Alert(
        "ArchimageDiskFullSoon",
        "predict_linear(pacs_disk_free_bytes[6h], 86400) < 0",
        "30m",
        "critical",
        "At the speed of the last six hours the disk is full within a day.",
        "Make room or add some; pacs_storage_bytes_total tells what comes in.",
    ),
    Alert(
        "ArchimageRefusesObjects",
        'increase(pacs_operations_total{command="C-STORE",status!~"0000|0111"}[10m]) > 0',
        "0m",
        "critical",
        "Objects of modalities are refused with status {{ $labels.status }}.",
        "A700: disk or index; A900 and Cxxx: the objects are wrong. The log lines of the associations say why.",
    ),
    Alert(
        "ArchimageObjectsDamaged",
        "pacs_damaged_objects > 0",
        "0m",
        "critical",
        "{{ $value }} stored objects are damaged or missing, and no second copy was found of them.",
        "`archimage scrub --repair-from` a directory of backups mends them; look to the disk, which may lose more.",
    ),
    Alert(
        "ArchimageUploadsWait",
        "pacs_object_store_oldest_seconds > 600",
        "5m",
        "warning",
        "Objects wait for more than ten minutes to be taken to the object store; until then one disk alone has them.",
        "`archimage doctor` and the part `object store` of /health say why; nothing is lost while that disk lasts.",
    ),
    Alert(
        "ArchimageDeliveriesFail",
        'pacs_deliveries{state="failed"} > 0',
        "0m",
        "warning",
        "Deliveries of the kind {{ $labels.kind }} have failed for good: somebody was not told what he should know.",
        "The page /deliveries says why, and has them tried again.",
    ),
    Alert(
        "ArchimagePluginDisabled",
        "pacs_plugins_disabled > 0",
        "0m",
        "warning",
        "{{ $value }} plugins are disabled.",
        "The page /plugins says why, and has them enabled again.",
    ),
    Alert(
        "ArchimageJobsFail",
        'pacs_jobs{state="failed"} > 0',
        "0m",
        "warning",
        "Jobs of the kind {{ $labels.kind }} have failed for good: something was not sent, fetched or done.",
        "The page /jobs says why, and has them tried again.",
    ),
    Alert(
        "ArchimageStoresSlowly",
        "histogram_quantile(0.99, sum by (le) (rate(pacs_storage_latency_seconds_bucket[5m]))) > 2.5",
        "10m",
        "warning",
        "One object in a hundred takes more than 2.5 s to store.",
        "pacs_commit_sync_seconds tells whether it is the disk, pacs_commit_index_seconds whether it is the index, and "
        "the timing of the associations whether it is a peer that sends slowly.",
    ),
    Alert(
        "ArchimageFlushesSlowly",
        "histogram_quantile(0.99, sum by (le) (rate(pacs_commit_sync_seconds_bucket[5m]))) > 0.25",
        "10m",
        "warning",
        "Flushes of the ingest journal take more than a quarter of a second.",
        "The disk is busy or failing: look at its health, and at what else writes to it.",
    ),
    Alert(
        "ArchimageQueriesSlowly",
        "histogram_quantile(0.99, sum by (le) (rate(pacs_query_latency_seconds_bucket[5m]))) > 2.5",
        "10m",
        "warning",
        "One query in a hundred takes more than 2.5 s.",
        "Look for peers that ask for everything; see pacs_queue_depth.",
    ),
    Alert(
        "ArchimageRejectsAssociations",
        "increase(pacs_associations_rejected_total[10m]) > 5",
        "0m",
        "warning",
        "Peers are refused: {{ $labels.reason }}.",
        "Compare their AE titles with dicom.allowed_calling_ae_titles and dicom.accepted_called_ae_titles, their "
        "number with dicom.max_associations.",
    ),
    Alert(
        "ArchimageAssociationsBreak",
        'increase(pacs_associations_aborted_total{reason!="aborted_here"}[10m]) > 20',
        "0m",
        "warning",
        "Associations end without a release: {{ $labels.reason }}.",
        "GET /api/v1/associations/ended names the peers; `lost` and `silent` point to the network, `fault` to a bug.",
    ),
    Alert(
        "ArchimageWebFails",
        'sum(rate(pacs_http_requests_total{status=~"5.."}[5m])) > 0.02 * sum(rate(pacs_http_requests_total[5m]))',
        "5m",
        "warning",
        "More than one web request in fifty fails.",
        "The log says why; pacs_http_requests_total says where.",
    ),
    Alert(
        "ArchimagePixelsWait",
        "pacs_pixel_tasks_waiting > 10",
        "5m",
        "warning",
        "Images wait for worker processes.",
        "Raise pixels.workers, or look for who asks for so many.",
    ),
    Alert(
        "ArchimagePixelWorkersDie",
        'increase(pacs_pixel_tasks_total{outcome=~"timeout|memory|lost"}[15m]) > 3',
        "0m",
        "warning",
        "Worker processes are killed over images: {{ $labels.outcome }}.",
        "The log names the tasks; an image that breaks its decoder is refused and harms nothing else.",
    ),
    Alert(
        "ArchimageTasksFail",
        'increase(pacs_tasks_total{outcome="failed"}[1h]) > 0',
        "0m",
        "warning",
        "Background tasks fail: {{ $labels.kind }}.",
        "The page Activity tells why, and what to do next.",
    ),
    Alert(
        "ArchimageQueueGrows",
        'pacs_queue_depth{queue!="tasks"} > 500',
        "5m",
        "warning",
        "Work piles up before {{ $labels.queue }}.",
        "pacs_threads_busy tells whether its threads are stuck; the disk or another node may not answer.",
    ),
    Alert(
        "ArchimageAuditNotWritten",
        "pacs_audit_failing > 0",
        "0m",
        "critical",
        "The audit journal cannot be written.",
        "Look at the disk of the data directory. What happens meanwhile waits in memory; with audit.required nothing "
        "is taken, found or given.",
    ),
    Alert(
        "ArchimageAuditLost",
        "increase(pacs_audit_lost_total[1h]) > 0",
        "0m",
        "critical",
        "Audit messages were lost.",
        "The journal says how many, and when it could be written again; the log says why it could not.",
    ),
    Alert(
        "ArchimageAuditNotSent",
        "pacs_audit_unsent_seconds > 600",
        "5m",
        "warning",
        "The audit repository has had no messages for ten minutes.",
        "Look at the repository, and at the log for why it cannot be reached. Nothing is lost: the journal keeps all.",
    ),
)
