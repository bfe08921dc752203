"""What is kept to be had sooner, and may be forgotten at any time."""

from typing import Final

from archimage import buffers
from archimage.concurrency.entry import Entry
from archimage.index import sqlite, sqlite_file, sqlite_readers
from archimage.services import anatomy, qido, query, transcoding

_OLDEST: Final = "What was not asked for longest is forgotten, and made anew when it is."

CACHES: Final = (
    Entry(
        "metadata cache",
        "cache",
        "compressed metadata of series, as files in cache/metadata",
        _OLDEST,
        setting="storage.metadata_cache_bytes",
        unit="bytes",
        shared=True,
    ),
    Entry(
        "transcoded cache",
        "cache",
        "objects in other transfer syntaxes, as files in cache/transcoded",
        _OLDEST,
        setting="pixels.cache_bytes",
        unit="bytes",
        shared=True,
    ),
    Entry(
        "large buffers",
        "cache",
        "buffers of 1 MiB that were given back, one such cache for each who receives or sends",
        "What is given back beyond them goes to the system; a new one costs some page faults.",
        buffers.KEPT,
    ),
    Entry(
        "index readers",
        "cache",
        "connections to an index on SQLite that are kept open",
        "More are opened when they are needed, and closed after; nobody waits.",
        sqlite_readers.KEPT,
    ),
    Entry(
        "index connections",
        "limit",
        "connections to an index on PostgreSQL, for each process",
        "Whoever asks waits for one; after 4 s it is refused, with 0xA700 or 503.",
        setting="index.connections",
    ),
    Entry(
        "page cache of an index reader",
        "cache",
        "pages of the index",
        "Pages come from the system's cache.",
        sqlite_file.CACHE_KIB["reader"] << 10,
        unit="bytes",
    ),
    Entry(
        "page cache of the index writer",
        "cache",
        "pages of the index",
        "Pages come from the system's cache.",
        sqlite_file.CACHE_KIB["writer"] << 10,
        unit="bytes",
    ),
    Entry(
        "write-ahead log of the index",
        "cache",
        "what was written to the index and stands not in its file yet",
        "The next checkpoint moves all of it, as far as readers allow; nothing is refused.",
        sqlite.WAL_MAX_BYTES,
        unit="bytes",
        shared=True,
    ),
    Entry("counts remembered", "cache", "how many matches searches have", _OLDEST, query.REMEMBERED_COUNTS),
    Entry("answers remembered", "cache", "small answers to searches", _OLDEST, query.REMEMBERED_ANSWERS),
    Entry("searches remembered", "cache", "searches that were read and checked", _OLDEST, qido.REMEMBERED_SEARCHES),
    Entry("rows remembered", "cache", "rows of searches as JSON, for each form of row", _OLDEST, qido.REMEMBERED_ROWS),
    Entry("objects remembered", "cache", "where frames lie that the index does not note", _OLDEST, anatomy.REMEMBERED),
    Entry("fragments remembered", "cache", "the same in fragments", _OLDEST, anatomy.REMEMBERED_FRAGMENTS),
    Entry("plans remembered", "cache", "how objects are transcoded", _OLDEST, transcoding.PLANS),
)
