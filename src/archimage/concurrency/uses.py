"""How much is in use now, of what can be told without a wait; by the names that the tables give."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial

from archimage.app import App
from archimage.hl7.server import Hl7Server
from archimage.model.concurrency import Use
from archimage.net.server import DicomServer
from archimage.threads import Pool
from archimage.web.server import HttpServer

Read = Callable[[], Use]


class Uses:
    """Looks at the parts of one process; what it tells may be of a moment ago."""

    def __init__(self, app: App) -> None:
        """Look at what an open archive has by itself."""
        services, pixels = app.services, app.pixels
        self._reads: dict[str, Read] = {
            "intake queue": lambda: Use(services.store.intake.depth),
            "audit messages": lambda: Use(app.auditing.trail.waiting),
            "journal segments": lambda: Use(app.journal.used),
            "pixel processes": lambda: Use(pixels.busy, pixels.waiting),
            "pixel tasks": lambda: Use(pixels.waiting),
            "background tasks": lambda: Use(services.tasks.unfinished),
            "background tasks remembered": lambda: Use(services.tasks.kept),
            "jobs": lambda: Use(app.jobs.service.worker.active),
            "changes": lambda: Use(app.changes.unfinished),
            "studies to prepare": lambda: Use(services.preparing.waiting),
            "event followers": lambda: Use(services.events.followers),
            "events remembered": lambda: Use(services.events.kept),
            "ended associations": lambda: Use(len(app.associations.ended_lately())),
            "HL7 messages": lambda: Use(app.messaging.inbox.waiting),
            "disk": lambda: Use(_used_bytes(app)),
        }
        self.threads(app.pools)

    def threads(self, pools: Mapping[str, Pool]) -> None:
        """Look at pools of threads too."""
        for name, pool in pools.items():
            self._reads[name] = partial(_of_pool, pool)

    def listeners(self, dicom: DicomServer, http: HttpServer, hl7: Hl7Server) -> None:
        """Look at the listeners too."""
        admission = dicom.admission
        self._reads |= {
            "associations": lambda: Use(admission.admitted),
            "associations of one AE title": lambda: Use(admission.most_of_one),
            "pending connections": lambda: Use(admission.pending),
            "pending connections of one address": lambda: Use(admission.most_pending_of_one),
            "HTTP connections": lambda: Use(http.connections),
            "HL7 connections": lambda: Use(hl7.connections),
        }
        self.threads({"pages": http.framework_threads})

    def __getitem__(self, name: str) -> Use:
        """Return how much of something is in use."""
        read = self._reads.get(name)
        return Use() if read is None else read()

    @property
    def names(self) -> frozenset[str]:
        """What can be told."""
        return frozenset(self._reads)


def _of_pool(pool: Pool) -> Use:
    return Use(pool.busy, pool.waiting)


def _used_bytes(app: App) -> int:
    found = shutil.disk_usage(app.config.storage.directory)
    return found.total - found.free
