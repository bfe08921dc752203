"""Objects in several tiers: where they come in, as files or in an object store, and others that they are moved to.

The path of an object tells where it lies (`model.tiers`). What is removed of another tier is noted in `tier-removed/`
first, and deleted once nobody waits for that; a path is used once, so whatever is noted there may go at any time.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from archimage.config_object_store import HOT
from archimage.errors import ArchimageError, UnavailableError
from archimage.model.tiers import tier_of
from archimage.ports.storage import BlobReader, BlobStore, BlobWriter, SentAhead
from archimage.storage.files import mark, storage_errors
from archimage.storage.filesystem import FileReader

REMOVED: Final = "tier-removed"
"""Directory of the notes of what is to be deleted."""
_PIECE_BYTES: Final = 1 << 20


class Tier(Protocol):
    """One tier but the hot one; what it raises is as in `ports.tiers`, and paths begin with its name."""

    name: str

    def begin(self) -> None:
        """Make it ready, as it is used for the first time."""

    def check(self) -> None:
        """Raise UnavailableError where it is away."""

    def room_for(self, size_bytes: int) -> None:
        """Raise OutOfResourcesError where so much is known not to fit."""

    def put(self, path: str, pieces: Iterable[bytes], size_bytes: int) -> None:
        """Put an object, whole or not at all; durable with `settle`."""

    def settle(self, paths: Sequence[str]) -> None:
        """Make what was put to these paths durable."""

    def open(self, path: str, size_bytes: int | None = None) -> BlobReader:
        """Open an object: see `ports.BlobStore`."""

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects; absent is fine."""

    def paths(self) -> Iterator[str]:
        """Walk all objects of this archive."""

    def close(self) -> None:
        """Let go of it."""


class HotStore(BlobStore, Protocol):
    """The store of the hot tier."""

    @property
    def incoming_directory(self) -> Path:
        """Where objects lie that are not placed."""

    def close(self) -> None:
        """Let go of it."""


class TieredBlobStore:
    """Implements `ports.tiers.TieredBlobs`; hot is where objects come in. `close` it."""

    def __init__(self, directory: Path, hot: HotStore, tiers: Sequence[Tier]) -> None:
        self.hot = hot
        self.due = threading.Event()
        """Is set when there is something to delete."""
        self._tiers = {tier.name: tier for tier in tiers}
        self._removed = directory / REMOVED
        self._removed.mkdir(exist_ok=True)

    # ports.BlobStore

    def create(self) -> BlobWriter:
        """Begin an object."""
        return self.hot.create()

    def put(self, path: str, data: bytes) -> None:
        """Make a small object visible at path."""
        if path[0].isalpha():
            self._to_tier(path, [data], len(data))
        else:
            self.hot.put(path, data)

    def place(self, name: str, path: str) -> None:
        """Make a finished object visible at path; what belongs elsewhere is carried there, and durable."""
        if not path[0].isalpha():
            self.hot.place(name, path)
            return
        with FileReader(self.hot.incoming_directory / name) as file:
            pieces = (file.read(at, _PIECE_BYTES) for at in range(0, file.size_bytes, _PIECE_BYTES))
            self._to_tier(path, pieces, file.size_bytes)
        self.hot.discard(name)

    @property
    def copies_elsewhere(self) -> bool:
        """Tell whether other machines may keep copies of what comes in."""
        return self.hot.copies_elsewhere

    @property
    def sends_ahead(self) -> bool:
        """Tell whether `secure` waits for an object store."""
        return self.hot.sends_ahead

    def send_ahead(self, path: str, source: str | bytes, then: Callable[[SentAhead], None]) -> None:
        """Begin with what `secure` will ask for."""
        self.hot.send_ahead(path, source, then)

    def drop_copies(self, path: str, size_bytes: int) -> bool:
        """Drop what lies here of an object that another place has; nothing does of what is in another tier."""
        return not path[0].isalpha() and self.hot.drop_copies(path, size_bytes)

    def secure(self, paths: Sequence[str], sent: Sequence[SentAhead] = ()) -> None:
        """Make what was just placed safe; what went to another tier is."""
        self.hot.secure([path for path in paths if not path[0].isalpha()], sent)

    def open(self, path: str, size_bytes: int | None = None) -> BlobReader:
        """Open the object at path, in whichever tier; UnavailableError where that is away."""
        return self._tier(path).open(path, size_bytes) if path[0].isalpha() else self.hot.open(path, size_bytes)

    def delete(self, path: str) -> None:
        """Remove the object at path, from another tier as soon as that can be; absent is fine."""
        if not path[0].isalpha():
            self.hot.delete(path)
            return
        with storage_errors(f"delete {path}"):
            mark(self._removed / _flat(path))
        self.due.set()

    def paths(self) -> Iterator[str]:
        """Walk every placed object of all tiers; UnavailableError where one is away."""
        return self._walk(_refuse)

    def incoming(self) -> Iterator[str]:
        """Name every object that is not placed."""
        return self.hot.incoming()

    def discard(self, name: str) -> None:
        """Drop an object that was never placed."""
        self.hot.discard(name)

    def sync(self) -> None:
        """Make what lies here survive a crash of the machine; what lies in other tiers does."""
        self.hot.sync()

    def close(self) -> None:
        """Let go of all tiers."""
        for tier in self._tiers.values():
            tier.close()
        self.hot.close()

    # ports.tiers.TieredBlobs

    @property
    def tiers(self) -> Sequence[str]:
        """The names of all tiers but the hot one."""
        return tuple(self._tiers)

    def begin(self, tier: str) -> None:
        """Make a tier ready that has never been used."""
        self._tiers[tier].begin()

    def reachable(self, away: Callable[[str, UnavailableError], None]) -> Iterator[str]:
        """Walk every placed object of all tiers that can be looked at; away hears of each that cannot, and why."""
        return self._walk(away)

    def room_for(self, tier: str, size_bytes: int) -> None:
        """Raise OutOfResourcesError where a tier has no room for so much; of the hot one its own guards tell."""
        if tier != HOT:
            self._tiers[tier].room_for(size_bytes)

    def copy(self, path: str, pieces: Iterable[bytes], size_bytes: int) -> None:
        """Put an object at a path that nothing has."""
        if path[0].isalpha():
            self._tier(path).put(path, pieces, size_bytes)
            return
        writer = self.hot.create()
        try:
            for piece in pieces:
                writer.write([piece])
            writer.finish()
            writer.sync()
            writer.close()
            self.hot.place(writer.name, path)
        except BaseException:
            writer.discard()
            raise

    def settle(self, paths: Sequence[str]) -> None:
        """Make what was copied to these paths of one tier survive a crash of the machine."""
        if not paths:
            return
        if paths[0][0].isalpha():
            self._tier(paths[0]).settle(paths)
        else:
            self.hot.sync()
            self.hot.secure(paths)

    def delete_due(self) -> int:
        """Delete what was removed of tiers; return how much cannot be deleted yet."""
        self.due.clear()
        left = 0
        by_tier: dict[str, list[str]] = {}
        for path in self._due():
            by_tier.setdefault(tier_of(path), []).append(path)
        for paths in by_tier.values():
            try:
                self._tier(paths[0]).delete(paths)
            except ArchimageError:
                left += len(paths)
                continue
            for path in paths:
                with suppress(FileNotFoundError):
                    (self._removed / _flat(path)).unlink()
        return left

    def away(self) -> Mapping[str, UnavailableError]:
        """Map the tiers that are away to why."""
        found = {}
        for name, tier in self._tiers.items():
            try:
                tier.check()
            except UnavailableError as error:
                found[name] = error
        return found

    def _walk(self, away: Callable[[str, UnavailableError], None]) -> Iterator[str]:
        yield from self.hot.paths()
        gone = set(self._due())
        for name, tier in self._tiers.items():
            try:
                yield from (path for path in tier.paths() if path not in gone)
            except UnavailableError as error:
                away(name, error)

    def _to_tier(self, path: str, pieces: Iterable[bytes], size_bytes: int) -> None:
        tier = self._tier(path)
        tier.put(path, pieces, size_bytes)
        tier.settle([path])

    def _tier(self, path: str) -> Tier:
        name = tier_of(path)
        try:
            return self._tiers[name]
        except KeyError:
            raise UnavailableError(
                f"{path} lies in tier {name}, which the settings do not name",
                next_step=f"Write [tiers.{name}] into the settings again.",
            ) from None

    def _due(self) -> list[str]:
        return [entry.name.replace("~", "/") for entry in os.scandir(self._removed)]


def _refuse(_: str, error: UnavailableError) -> None:
    raise error


def _flat(path: str) -> str:
    """Return a file name for a path; they are made of digits, letters, points and hyphens."""
    return path.replace("/", "~")
