"""The meter of a process: who tells it what happens, and what it looks at whenever its metrics are told."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from archimage.auditing import Auditing
from archimage.config import Config
from archimage.imaging.pool import WorkerPool
from archimage.model.deliveries import DeliveryState
from archimage.model.jobs import JobState
from archimage.observe.metrics import Metrics
from archimage.observe.titles import Titles
from archimage.ports.index import Index
from archimage.ports.meter import Meter, Metered
from archimage.ports.tiers import TierRecords
from archimage.services.deliveries import DeliveryService
from archimage.services.intake import Intake
from archimage.services.jobs import JobService
from archimage.services.plugins.service import PluginService
from archimage.services.spooling import SpoolService
from archimage.threads import Pool

_LOOK_EVERY_S: Final = 2.0
_COUNTED_S: Final = 1.0
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Metering:
    """Counts where `http.metrics` says so, and else hears everything and does nothing."""

    def __init__(
        self, config: Callable[[], Config], nodes: Callable[[], Iterable[str]], together: Path | None = None
    ) -> None:
        """Begin; config tells the settings as they are now, nodes the AE titles of all nodes, and may block.

        together is the directory where several equal processes count (`observe.cells`).
        """

        def known() -> Iterable[str]:
            return [*config().dicom.allowed_calling_ae_titles, *nodes()]

        titles = Titles(known, lambda: not config().dicom.allowed_calling_ae_titles)
        self._metrics = Metrics(together, titles) if config().http.metrics else None
        self._together = together is not None
        self.meter = self._metrics or Meter()
        """Hears what happens."""

    @property
    def exposition(self) -> Callable[[], bytes] | None:
        """What tells all of it, as text, and blocks; None where nothing is counted."""
        return None if self._metrics is None else self._metrics.exposition

    def hear(self, *parts: Metered | None) -> None:
        """Have parts tell the meter what they do."""
        for part in parts:
            if part is not None:
                part.meter = self.meter

    def watch_machine(self, directory: Path, index: Index) -> None:
        """Look at disk, index and this process."""
        self._watch("pacs_disk_free_bytes", lambda: shutil.disk_usage(directory).free)
        self._watch("pacs_disk_size_bytes", lambda: shutil.disk_usage(directory).total)
        self._watch("pacs_index_size_bytes", index.size_bytes)
        self._watch("pacs_resident_memory_bytes", _resident_bytes)
        self._watch("pacs_open_files", _open_files)

    def watch_work(self, intake: Intake, pixels: WorkerPool) -> None:
        """Look at what waits for the intake, and at the worker processes for pixels."""
        self._watch("pacs_queue_depth", lambda: intake.depth, "intake")
        self._watch("pacs_pixel_workers", lambda: pixels.idle, "idle")
        self._watch("pacs_pixel_workers", lambda: pixels.busy, "busy")

    def watch_audit(self, auditing: Auditing) -> None:
        """Look at the audit trail, which tells the meter itself what it writes."""
        self.hear(auditing.trail)
        self._watch("pacs_queue_depth", lambda: auditing.trail.waiting, "audit")
        self._watch("pacs_audit_failing", lambda: auditing.trail.is_failing)
        self._watch("pacs_audit_unsent_seconds", lambda: auditing.unsent_s)

    def watch_threads(self, pools: Mapping[str, Pool]) -> None:
        """Look at pools of threads, by their names."""
        for name, pool in pools.items():
            self._watch("pacs_threads", partial(getattr, pool, "size"), name)
            self._watch("pacs_threads_busy", partial(getattr, pool, "busy"), name)
            self._watch("pacs_queue_depth", partial(getattr, pool, "waiting"), name)

    def watch_deliveries(self, deliveries: DeliveryService) -> None:
        """Look at what others are to be told."""
        counts = _Counts(deliveries)
        for kind in deliveries.kinds:
            for state in (DeliveryState.WAITING, DeliveryState.FAILED):
                self._watch("pacs_deliveries", partial(counts.of, kind, state), kind, state.value)

    def watch_spool(self, spool: SpoolService) -> None:
        """Look at what waits to be uploaded to the object store."""
        self._watch("pacs_object_store_waiting", lambda: spool.backlog.objects)
        self._watch("pacs_object_store_waiting_bytes", lambda: spool.backlog.size_bytes)
        self._watch("pacs_object_store_oldest_seconds", lambda: spool.backlog.oldest_s)

    def watch_objects(self, scrubber: Metered, damaged: Callable[[], int]) -> None:
        """Look at how many stored objects are damaged, and hear of those that are read again."""
        self.hear(scrubber)
        self._watch("pacs_damaged_objects", damaged)

    def watch_tiers(self, records: TierRecords, tiers: Iterable[str]) -> None:
        """Look at what lay in which tier when that was last counted."""
        for tier in tiers:
            self._watch("pacs_tier_studies", partial(_in_tier, records, tier, "studies"), tier)
            self._watch("pacs_tier_bytes", partial(_in_tier, records, tier, "size_bytes"), tier)

    def watch_plugins(self, plugins: PluginService) -> None:
        """Look at plugins, which tell the meter themselves what they do."""
        self._watch("pacs_queue_depth", lambda: plugins.waiting, "plugins")
        self._watch("pacs_plugins_disabled", lambda: plugins.disabled_count)

    def watch_jobs(self, jobs: JobService) -> None:
        """Look at durable work."""
        counts = _Counts(jobs)
        for kind in jobs.kinds:
            for state in (JobState.WAITING, JobState.RUNNING, JobState.PAUSED, JobState.FAILED):
                self._watch("pacs_jobs", partial(counts.of, kind, state), kind, state.value)

    def begin(self) -> asyncio.Task[None]:
        """Look for the first time, which blocks, and then now and then, for other processes that are asked."""
        if self._metrics is not None:
            self._metrics.begin()
        return asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while self._metrics is not None and self._together:
            self._metrics.refresh()
            await asyncio.sleep(_LOOK_EVERY_S)

    def _watch(self, name: str, read: Callable[[], float], *labels: str) -> None:
        if self._metrics is not None:
            self._metrics.watch(name, read, *labels)


class _Counts:
    """Counts deliveries or jobs once for all that ask at the same time."""

    def __init__(self, counted: DeliveryService | JobService) -> None:
        self._all = counted
        self._counted: Mapping[str, Mapping[str, int]] = {}
        self._counted_at = -_COUNTED_S

    def of(self, kind: str, state: DeliveryState | JobState) -> int:
        """Return how many of a kind are in a state."""
        if time.monotonic() - self._counted_at >= _COUNTED_S:
            self._counted, self._counted_at = self._all.counts(), time.monotonic()
        return self._counted.get(kind, {}).get(state.value, 0)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE_BYTES


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a path of each would only be dropped


def _in_tier(records: TierRecords, tier: str, name: str) -> int:
    return next((int(getattr(use, name)) for use in records.uses() if use.tier == tier), 0)
