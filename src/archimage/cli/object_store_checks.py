"""What `archimage doctor` finds of an object store: whether it is there and does what is asked of it, and its clock."""

from collections.abc import Iterator
from typing import Final

from archimage.cli.findings import Finding
from archimage.config import Config
from archimage.config_object_store import SCHEMES
from archimage.errors import ArchimageError, BlobNotFoundError, ConfigError
from archimage.storage.remote.checkup import StoreCheckup, check_up

_AHEAD_S: Final = 60.0
_SLOW_S: Final = 1.0
_CLOCKS: Final = ("timetooskewed", "requestexpired", "time is too skewed")
_CHECK: Final = "object store"
_NTP: Final = (
    "Have the clock of this machine set by NTP, and that of the object store: S3 refuses what is 15 minutes off."
)


def object_store(config: Config) -> Iterator[Finding]:
    """Look at the object store of the settings, if there is one, with a probe that is deleted again."""
    settings = config.object_store
    if not settings.url:
        return
    try:
        found = check_up(settings)
    except BlobNotFoundError:
        what = f"there is no {SCHEMES[settings.scheme]} bucket or container {settings.bucket!r}"
        step = "Make it, or correct object_store.url; object_store.endpoint says which store is asked."
        yield Finding(_CHECK, settings.url, "failed", what, step)
    except ConfigError as error:
        yield Finding(_CHECK, settings.url, "failed", str(error), "Correct it; see docs/object-stores.md.")
    except ArchimageError as error:
        yield Finding(_CHECK, settings.url, "failed", str(error), _next_step(str(error), error.next_step))
    else:
        yield from _judged(settings.url, found)


def _next_step(told: str, given: str) -> str:
    if any(word in told.lower() for word in _CLOCKS):
        return _NTP
    return given or (
        "Look whether it runs and is reached from here, and at object_store.endpoint, object_store.key_id and "
        "object_store.secret; the key has to be allowed to put, get, head, list and delete."
    )


def _judged(url: str, found: StoreCheckup) -> Iterator[Finding]:
    told = f"takes, gives and deletes a probe, in {found.put_s * 1000:.0f} ms and {found.get_s * 1000:.0f} ms"
    if found.put_s > _SLOW_S:
        yield Finding(_CHECK, url, "warning", told, "Whoever stores through waits for it: look at the line in between.")
    else:
        yield Finding(_CHECK, url, "ok", told)
    yield _clock(found.ahead_s)
    if not found.creates_only:
        step = "Give each archive a bucket or a prefix of its own: what is put twice under a key is overwritten unseen."
        yield Finding(_CHECK, "create-only puts", "warning", "it overwrites although it is asked not to", step)
    if found.has_versions:
        step = "Have a rule of the bucket delete old versions after a while, unless you want them kept."
        yield Finding(_CHECK, "versions", "warning", "it keeps versions: what is deleted goes on to need room", step)


def _clock(ahead_s: float) -> Finding:
    if abs(ahead_s) <= _AHEAD_S:
        return Finding(_CHECK, "clock", "ok", "goes as that of this machine")
    told = f"is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} that of this machine"
    return Finding(_CHECK, "clock", "warning", told, _NTP)
