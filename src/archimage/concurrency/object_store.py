"""What an object store takes: threads, times, sizes; none of it where there is none."""

from typing import Final

from archimage.concurrency.entry import Entry
from archimage.config import Config
from archimage.storage.remote.store import READING_THREADS

_IN_PARTS: Final = "The object is sent in parts, several at once."


def _if_there(size: int | None, config: Config) -> int:
    return (config.object_store.uploads if size is None else size) if config.object_store.url else 0


OBJECT_STORE: Final = (
    Entry(
        "object-store",
        "threads",
        "decides what is uploaded and deleted; in one process of an archive",
        "Objects wait on the local disk, as long as there is room.",
        lambda config: _if_there(1, config),
        shared=True,
    ),
    Entry(
        "object-store-put",
        "threads",
        "send objects to the object store",
        "Objects wait on the local disk, or for their acknowledgement where they are written through.",
        lambda config: _if_there(None, config),
        "object_store.uploads",
    ),
    Entry(
        "object-store-read",
        "threads",
        "read ahead in the object store",
        "What is asked for is read when its turn comes.",
        lambda config: _if_there(READING_THREADS, config),
    ),
    Entry(
        "object store cache",
        "cache",
        "copies of what the object store has, as files in cache/objects",
        "What was not asked for longest goes first; it is read from the object store then.",
        setting="object_store.cache_bytes",
        unit="bytes",
        shared=True,
        harmless=True,
    ),
    Entry(
        "object store, whole objects",
        "limit",
        "size of an object that is sent by one request",
        _IN_PARTS,
        setting="object_store.multipart_threshold_bytes",
        unit="bytes",
        harmless=True,
    ),
    Entry(
        "object store, parts",
        "limit",
        "size of a part of a larger one",
        _IN_PARTS,
        setting="object_store.part_bytes",
        unit="bytes",
        harmless=True,
    ),
    Entry(
        "object store, who waits",
        "limit",
        "time for what somebody waits for, all tries together",
        "C-STORE is answered 0xA700, web requests 503.",
        setting="object_store.timeout_s",
        unit="seconds",
    ),
    Entry(
        "object store, uploads",
        "limit",
        "time for one upload, or a part, that nobody waits for",
        "It is tried again, after a pause, with twice the time, up to 64 times as much.",
        setting="object_store.upload_timeout_s",
        unit="seconds",
    ),
)
