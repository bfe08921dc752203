"""docs/concurrency.md."""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from archimage.concurrency.entry import Entry
from archimage.concurrency.table import ENTRIES
from archimage.config import Config
from archimage.model.concurrency import BoundKind

_TEXT: Final = """\
<!-- Made by `make monitoring` from the tables of src/archimage/concurrency: change those, not this file. -->
# Concurrency

Every pool, queue, limit and cache: what it is for, how large it is, and what a peer sees when it is full. The sizes
here are the defaults; those of a server that runs, and how much of each is in use, are told by the page `/concurrency`,
to which the System page leads, and by `GET /api/v1/concurrency`:

    $ curl -s 127.0.0.1:8042/api/v1/concurrency | jq '.bounds[] | select(.state == "full")'

prints what is full, and of pools those for which somebody waits. It is answered in the event loop, so it needs no
thread to be free; but it needs one of the HTTP connections. With `--workers N` each process has all of this for itself,
and whichever takes the connection tells of itself: `pid` says which, `processes` how many there are. What is *shared*
is one thing for all of them.

What waits and how many threads are at work is also counted over time: [metrics.md](metrics.md), `pacs_threads_busy` and
`pacs_queue_depth`. All settings are described in [configuration.md](configuration.md).
"""
_TITLES: Final[dict[BoundKind, str]] = {
    "threads": "Threads",
    "processes": "Processes",
    "queue": "Queues and buffers",
    "limit": "Limits",
    "cache": "Caches",
}
_HEAD: Final = "| what | size | setting | what it is for | when it is full |\n|---|---|---|---|---|"
_DEFAULTS: Final = Config()
_BINARY: Final = ("bytes", "KiB", "MiB", "GiB")


def page() -> str:
    """Return the page."""
    return _TEXT + "\n" + "\n".join(_sections())


def _sections() -> Iterator[str]:
    for kind, entries in groupby(ENTRIES, lambda entry: entry.kind):
        yield f"## {_TITLES[kind]}\n\n{_HEAD}"
        yield from map(_row, entries)
        yield ""


def _row(entry: Entry) -> str:
    setting = f"`{entry.setting}`" if entry.setting else ""
    name = f"{entry.name} (shared)" if entry.shared else entry.name
    return f"| {name} | {_size(entry)} | {setting} | {entry.purpose} | {entry.when_full} |"


def _size(entry: Entry) -> str:
    if entry.formula:
        return entry.formula
    size = entry.size_under(_DEFAULTS)
    if size is None:
        return "no bound"
    if entry.unit == "bytes":
        return _bytes(int(size))
    return f"{size:,g} s" if entry.unit == "seconds" else f"{size:,}"


def _bytes(size: int) -> str:
    """Write a number of bytes in the largest unit that it is a whole number of."""
    step = 0
    while size and size % 1024 == 0 and step < len(_BINARY) - 1:
        size, step = size // 1024, step + 1
    return f"{size:,} {_BINARY[step]}"
