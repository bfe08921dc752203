"""What the disk holds before objects are refused."""

import shutil
from typing import Final

from archimage.concurrency.entry import Entry, unless_zero
from archimage.config import Config
from archimage.services import store


def _room(config: Config) -> int:
    return shutil.disk_usage(config.storage.directory).total - config.storage.reserve_bytes


STORAGE: Final = (
    Entry(
        "disk",
        "limit",
        "the file system of the data directory, but for storage.reserve_bytes, which stay free for index and journal",
        "Objects are refused: C-STORE and the answer to STOW-RS with 0xA700; uploads say why. All else is served.",
        _room,
        "storage.reserve_bytes",
        unit="bytes",
        formula="size of the disk, less the setting",
        shared=True,
    ),
    Entry(
        "quota",
        "limit",
        "what the archive keeps, as far as this process knows",
        "As with the disk. Before, from storage.quota_warn_percent of it on, rules with when_full make room.",
        unless_zero("storage", "quota_bytes"),
        "storage.quota_bytes",
        unit="bytes",
        formula="none, unless it is set",
        shared=True,
    ),
    Entry(
        "object in the journal",
        "limit",
        "length of an object that is held in memory and flushed with its group",
        "A larger one is streamed to a file of its own, which is flushed beside the journal.",
        setting="storage.journal_limit_bytes",
        unit="bytes",
    ),
    Entry(
        "object written through",
        "limit",
        "length of an object that is held in memory until an object store has it, where objects are written through",
        "A larger one is streamed to a file first.",
        store.HELD_AHEAD_BYTES,
        unit="bytes",
    ),
    Entry(
        "objects written through",
        "limit",
        "bytes of such objects that are held in memory together",
        "Further ones are streamed to files, until others were answered.",
        store.HELD_TOGETHER_BYTES,
        unit="bytes",
    ),
)
