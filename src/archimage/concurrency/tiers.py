"""What tiers take: threads, times, sizes; none of it where there are none."""

from collections.abc import Callable
from typing import Final

from archimage.concurrency.entry import Entry, SizeOf
from archimage.config import Config
from archimage.config_object_store import TierConfig
from archimage.storage.remote.store import READING_THREADS

_IN_PARTS: Final = "The object is sent in parts, several at once."


def _remote(config: Config) -> list[TierConfig]:
    return [tier for tier in config.tiers.values() if tier.url]


def _largest(of: Callable[[TierConfig], float]) -> SizeOf:
    """Return what reads a setting of the tiers, the largest of all; 0 without any in an object store."""
    return lambda config: max(map(of, _remote(config)), default=0)


TIERS: Final = (
    Entry(
        "tiers",
        "threads",
        "deletes in other tiers what was removed or moved",
        "What is to be deleted waits, also while a tier is away.",
        lambda config: int(bool(config.tiers)),
    ),
    Entry(
        "tier-read",
        "threads",
        "read ahead in tiers that are object stores",
        "What is asked for is read when its turn comes.",
        lambda config: READING_THREADS * len(_remote(config)),
    ),
    Entry(
        "tier caches",
        "cache",
        "copies of what was read of tiers in object stores, as files in cache/tiers",
        "What was not asked for longest goes first; it is read from the tier then.",
        lambda config: sum(tier.cache_bytes for tier in _remote(config)),
        "tiers.NAME.cache_bytes",
        "bytes",
        shared=True,
        harmless=True,
    ),
    Entry(
        "tiers, whole objects",
        "limit",
        "size of an object that is sent to a tier by one request",
        _IN_PARTS,
        _largest(lambda tier: tier.multipart_threshold_bytes),
        "tiers.NAME.multipart_threshold_bytes",
        "bytes",
        harmless=True,
    ),
    Entry(
        "tiers, parts",
        "limit",
        "size of a part of a larger one",
        _IN_PARTS,
        _largest(lambda tier: tier.part_bytes),
        "tiers.NAME.part_bytes",
        "bytes",
        harmless=True,
    ),
    Entry(
        "tiers, who waits",
        "limit",
        "time for what somebody waits for of a tier, all tries together",
        "Web requests are answered 503; of a C-MOVE these objects fail.",
        _largest(lambda tier: tier.timeout_s),
        "tiers.NAME.timeout_s",
        "seconds",
    ),
    Entry(
        "tiers, uploads",
        "limit",
        "time for one object, or a part, that is moved to a tier",
        "The study stays where it is; the next run of the rules tries again.",
        _largest(lambda tier: tier.upload_timeout_s),
        "tiers.NAME.upload_timeout_s",
        "seconds",
    ),
)
