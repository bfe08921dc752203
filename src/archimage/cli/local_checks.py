"""What of an archive can be looked at on this machine: disk, index, clock, pixel workers. Nothing is changed."""

import ctypes
import errno
import getpass
import os
import shutil
import statistics
import struct
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from archimage.cli.findings import Finding, State
from archimage.cli.output import tell
from archimage.config import Config
from archimage.errors import ArchimageError, ConfigError, IndexUnavailableError
from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
from archimage.index.checkup import Checkup, check_up
from archimage.model.nodes import Node
from archimage.tls.certificates import days_left, valid_until
from archimage.tls.contexts import Contexts, file_of
from archimage.web.ohif.installed import Installation
from archimage.web.ohif.package import OHIF

_PIECE: Final = bytes(64 * 1024)
_FLUSHES: Final = 5
_SLOW_FLUSH_S: Final = 0.1
_LEAST_BYTES: Final = 1 << 30
_SPARSE: Final = 0.05
_AHEAD_S: Final = 60.0
_RENEWED_DAYS: Final = 30
_LONG_AGO: Final = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
_TIMEX: Final = struct.Struct("=i4xqqqqi")
"""Of struct timex (adjtimex(2)): modes, offset, freq, maxerror, esterror (microseconds), status."""
_TIMEX_BYTES: Final = 256
_UNSYNCHRONISED: Final = 0x40
_TRY_FRESH: Final = (
    "Stop the server, move `index.db` and what is named after it elsewhere, and run `archimage index rebuild`; "
)
_LOST: Final = "labels, and nodes that were entered at run time, have to be entered anew."
_MOUNT: Final = "The file system is read-only: look in the kernel's log for why, and mount it for writing."
_ROOM: Final = "Free room, or move the archive to a larger disk; until then objects are refused."
_WRITING: Final[Mapping[int, str]] = MappingProxyType({errno.ENOSPC: _ROOM, errno.EDQUOT: _ROOM, errno.EROFS: _MOUNT})


def disk(directory: Path) -> Iterator[Finding]:
    """Look whether the archive's directory can be written, how fast it is flushed, and how much room there is."""
    if not directory.exists():
        yield _absent(directory)
        return
    yield _writing(directory)
    index = directory / "index.db"
    if index.exists() and not os.access(index, os.R_OK | os.W_OK):
        yield Finding("disk", str(index), "failed", "may not be read and written", _owner(index))
    yield _room(directory)


def _absent(directory: Path) -> Finding:
    above = next(path for path in directory.absolute().parents if path.exists())
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return Finding("disk", str(directory), "ok", "is not there yet; the first start makes it")
    return Finding("disk", str(directory), "failed", f"cannot be made: {above} may not be written", _owner(above))


def _owner(path: Path) -> str:
    return f"Let the user {_user()} write {path}, or run archimage as the user whom it belongs to."


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        return str(os.getuid())


def _writing(directory: Path) -> Finding:
    try:
        flush_s = _flush_s(directory / f".doctor-{os.getpid()}")
    except OSError as error:
        step = _WRITING.get(error.errno or 0) or _owner(directory)
        return Finding("disk", str(directory), "failed", f"cannot be written: {error.strerror or error}", step)
    told = f"can be written; a flush takes {1000 * flush_s:.1f} ms"
    if flush_s > _SLOW_FLUSH_S:
        step = "Every sender waits for flushes: use a faster disk, one whose cache is safe from power cuts."
        return Finding("disk", str(directory), "warning", told, step)
    return Finding("disk", str(directory), "ok", told)


def _flush_s(path: Path) -> float:
    """Measure, on a file that is gone afterwards, what each acknowledged object costs at least; seconds."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        taken = []
        for _ in range(_FLUSHES):
            os.write(descriptor, _PIECE)
            started = time.monotonic()
            os.fsync(descriptor)
            taken.append(time.monotonic() - started)
        return statistics.median(taken)
    finally:
        os.close(descriptor)
        path.unlink()


def _room(directory: Path) -> Finding:
    usage, inodes = shutil.disk_usage(directory), os.statvfs(directory)
    told = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.1f} GB are free"
    if inodes.f_files and not inodes.f_favail:
        return Finding(
            "disk", "room", "failed", "no more files can be made: the file system's inodes are used up", _ROOM
        )
    if usage.free < _LEAST_BYTES:
        return Finding("disk", "room", "failed", told, _ROOM)
    if usage.free < _SPARSE * usage.total:
        return Finding("disk", "room", "warning", told, "Free room before it is full.")
    return Finding("disk", "room", "ok", told)


def index(config: Config, nodes: list[Node]) -> Iterator[Finding]:
    """Look whether the index opens, is of a schema that is known, and is sound; add the nodes in it to nodes."""
    yield from _database(config, nodes) if config.index.url else _file(config.storage.directory, nodes)


def _database(config: Config, nodes: list[Node]) -> Iterator[Finding]:
    from archimage.index import postgresql_checkup

    try:
        found = postgresql_checkup.check_up(config.index.url, config.index.password.get_secret_value())
    except IndexUnavailableError as error:
        yield Finding("index", config.index.url, "failed", str(error), error.next_step)
        return
    nodes.extend(found.nodes)
    if found.faults:
        step = "See docs/postgresql.md for how the server should be set up."
        yield Finding("index", config.index.url, "failed", "; ".join(found.faults), step)
    elif found.revision is None:
        yield Finding("index", config.index.url, "ok", "has no tables yet; the first start makes them")
    else:
        yield _judged(config.index.url, found)


def _file(directory: Path, nodes: list[Node]) -> Iterator[Finding]:
    path = directory / "index.db"
    if not path.exists():
        yield _no_index(directory, path)
        return
    try:
        found = check_up(path)
    except IndexUnavailableError as error:
        yield Finding("index", str(path), "failed", str(error), error.next_step or _TRY_FRESH + _LOST)
        return
    nodes.extend(found.nodes)
    yield _judged(path, found)


def _no_index(directory: Path, path: Path) -> Finding:
    objects = directory / "objects"
    if objects.is_dir() and any(objects.iterdir()):
        step = "Stop the server and run `archimage index rebuild`."
        return Finding("index", str(path), "failed", "is not there, but objects are", step)
    return Finding("index", str(path), "ok", "is not there yet; the first start makes it")


def _judged(path: Path | str, found: Checkup) -> Finding:
    if found.faults:
        return Finding("index", str(path), "failed", f"is damaged: {'; '.join(found.faults)}", _TRY_FRESH + _LOST)
    if found.revision is None:
        return Finding("index", str(path), "failed", "is a database, but no index", _TRY_FRESH + _LOST)
    size = f"{found.size_bytes / 1e6:.1f} MB"
    if found.revision > found.newest_revision:
        step = "Install the archimage that has made it, or a newer one."
        return Finding("index", str(path), "failed", f"was made by a newer archimage ({found.revision})", step)
    newest = (
        "is of the newest schema" if found.revision == found.newest_revision else "is brought up to date by a start"
    )
    sound = "no fault found" if found.complete else "no fault found in the time there was"
    return Finding("index", str(path), "ok", f"opens, {newest}; {sound} in {size}")


def certificate(config: Config) -> Iterator[Finding]:
    """Look whether TLS can be spoken with what the settings name, and for how long; nothing where they name none."""
    if not config.tls.certificate:
        return
    file = file_of(config, config.tls.certificate)
    try:
        Contexts(config)
        days = days_left(valid_until(file))
    except (ConfigError, OSError, ValueError) as error:
        yield Finding("certificate", str(file), "failed", str(error), "Correct the settings of [tls]; see docs/tls.md.")
        return
    state: State = "failed" if days < 0 else "warning" if days < _RENEWED_DAYS else "ok"
    told = "has expired" if days < 0 else f"holds for {days} days"
    step = "" if state == "ok" else "Put a new one in its place, and send the server SIGHUP."
    yield Finding("certificate", str(file), state, told, step)


def clock(directory: Path) -> Iterator[Finding]:
    """Look whether the clock can be right: not long ago, not behind the archive's own files, synchronised."""
    before, now = time.monotonic(), time.time()
    zone = datetime.now().astimezone()
    told = f"{zone:%Y-%m-%d %H:%M:%S}, time zone {zone.tzname()} (UTC{zone:%z})"
    step = "Set the clock, and have it kept right by NTP (chrony or systemd-timesyncd)."
    if now < _LONG_AGO or time.monotonic() < before:
        yield Finding("clock", "time", "failed", told, step)
        return
    ahead_s = _newest(directory) - now
    if ahead_s > _AHEAD_S:
        told = f"{told}; the archive was written to {ahead_s:.0f} s later than that"
        yield Finding("clock", "time", "failed", told, step)
    else:
        yield Finding("clock", "time", "ok", told)
    yield _synchronised()


def _newest(directory: Path) -> float:
    """Return when the archive was last written to; seconds since 1970."""
    files = [path for path in (directory / "index.db", directory / "index.db-wal") if path.exists()]
    return max((path.stat().st_mtime for path in files), default=0.0)


def _synchronised() -> Finding:
    """Ask the kernel whether something keeps its clock right; nobody else is asked."""
    state = ctypes.create_string_buffer(_TIMEX_BYTES)
    if not hasattr(_libc := ctypes.CDLL(None, use_errno=True), "adjtimex") or _libc.adjtimex(state) < 0:
        return Finding("clock", "NTP", "ok", "whether it is synchronised cannot be known here")
    _, _, _, most_us, _, status = _TIMEX.unpack_from(state)
    if status & _UNSYNCHRONISED:
        step = "Have chrony or systemd-timesyncd keep it right; in a container the host does, and may not tell."
        return Finding("clock", "NTP", "warning", "the kernel is not told that anything keeps the clock right", step)
    return Finding("clock", "NTP", "ok", f"synchronised, to {most_us / 1e6:.3f} s at the most")


def viewer(directory: Path) -> Iterator[Finding]:
    """Look whether the full viewer is installed; without it the built-in one serves."""
    found = Installation(directory).viewer()
    if found is None:
        step = "`archimage viewer install` installs OHIF, if it is wanted."
        yield Finding("viewer", "OHIF", "ok", "is not installed; the built-in viewer serves", step)
    elif found.version != OHIF.version:
        told = f"{found.version} is installed, {OHIF.version} is the one that this archimage knows"
        yield Finding("viewer", "OHIF", "warning", told, "`archimage viewer install` installs it.")
    else:
        yield Finding("viewer", "OHIF", "ok", f"{found.version} is installed")


def pixels(config: Config) -> Iterator[Finding]:
    """Start a pixel worker with its limits, and try every family of codecs in it."""
    settings = WorkerSettings(timeout_s=config.pixels.timeout_s, memory_bytes=config.pixels.memory_bytes)
    pool = WorkerPool(1, settings)
    step = "Install archimage again, with the libraries that its lock names: `make setup`, or a fresh environment."
    try:
        tried, _ = pool.submit("selftest", {}, [b""]).result(timeout=2 * config.pixels.timeout_s + 10)
    except (ArchimageError, OSError, TimeoutError) as error:
        told = tell(error) if isinstance(error, ArchimageError) else str(error) or type(error).__name__
        yield Finding("pixels", "worker", "failed", f"a worker process does not work: {told}", step)
        return
    finally:
        pool.close()
    faults = {name: fault for name, fault in tried["codecs"].items() if fault}
    for name, fault in faults.items():
        yield Finding("pixels", name, "failed", fault, step)
    if not faults:
        yield Finding("pixels", "codecs", "ok", f"a worker starts, and {', '.join(tried['codecs'])} work")
