"""All rows, in the order in which they are shown."""

from typing import Final

from archimage.concurrency import (
    access,
    caches,
    dicom,
    exchange,
    fhir,
    hl7,
    object_store,
    performed,
    plugins,
    printing,
    queues,
    storage,
    threads,
    tiers,
    web,
)
from archimage.concurrency.entry import Entry

_KINDS: Final = ("threads", "processes", "queue", "limit", "cache")
_ALL: Final = (
    *threads.THREADS,
    *queues.QUEUES,
    *dicom.ASSOCIATIONS,
    *web.CONNECTIONS,
    *storage.STORAGE,
    *web.BODIES,
    *dicom.QUERIES,
    *web.REQUESTS,
    *dicom.OBJECTS,
    *caches.CACHES,
    *access.ACCESS,
    *fhir.FHIR,
    fhir.WATCH,
    *hl7.MESSAGES,
    *performed.PERFORMED,
    *plugins.PLUGINS,
    *printing.PRINTING,
    *object_store.OBJECT_STORE,
    *tiers.TIERS,
    *exchange.EXCHANGE,
)
ENTRIES: Final[tuple[Entry, ...]] = tuple(sorted(_ALL, key=lambda entry: _KINDS.index(entry.kind)))
