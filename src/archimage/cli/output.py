"""What commands write: results to standard output, everything else to standard error; and how they end."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Final, NamedTuple, Protocol

from archimage.errors import ArchimageError, ConfigError, ConnectionFailedError, TimerExpiredError
from archimage.observe.text import escape

_PROBLEMS: Final = 20
_LONE: Final = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair, which no encoding has."""


class ExitCode(IntEnum):
    """Exit codes that scripts rely on."""

    DONE = 0
    FAILED = 1  # the peer refused, or some of it failed
    USAGE = 2
    NETWORK = 3


class Stage(NamedTuple):
    """A part of the work as its bar shows it: what is done, and of how many where that is known."""

    title: str
    total: int | None = None


def exit_code(error: ArchimageError) -> ExitCode:
    """Tell how a command ends that error ended."""
    match error:
        case ConnectionFailedError() | TimerExpiredError():
            return ExitCode.NETWORK
        case ConfigError():
            return ExitCode.USAGE
    return ExitCode.FAILED


def say(text: str) -> None:
    """Write one line for the user to standard error; what is not printable in it is escaped."""
    sys.stderr.write(escape(text) + "\n")


def tell(error: ArchimageError) -> str:
    """Return what an error says and, where it is known, what to do about it."""
    return f"{error}. {error.next_step}" if error.next_step else str(error)


def print_json(value: object) -> None:
    """Write value as JSON to standard output.

    Of a file name, what is no UTF-8 is written as the escapes that Python's `os.fsencode` makes it of again.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False)
    sys.stdout.write(_LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
    sys.stdout.flush()


def print_table(
    columns: Sequence[str], rows: Sequence[Mapping[str, object]], styles: Mapping[str, str] | None = None
) -> None:
    """Write rows as a table as wide as the terminal, or as they need where there is none.

    styles maps what stands in a cell to how a terminal shows it.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns)
    for row in rows:
        cells = [escape(_cell(row.get(column, ""))) for column in columns]
        table.add_row(*(Text(cell, (styles or {}).get(cell, "")) for cell in cells))
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(80, _width(columns, rows)))
    console.print(table)


def print_problems(problems: Sequence[tuple[str, str]]) -> None:
    """Name what went wrong with the first files, and how many more there are."""
    for name, reason in problems[:_PROBLEMS]:
        say(f"{name}: {reason}")
    if len(problems) > _PROBLEMS:
        say(f"... and {len(problems) - _PROBLEMS} more; --json lists all")


def print_counts(counts: Mapping[str, object]) -> None:
    """Write a summary, one count a line."""
    width = max(len(name) for name in counts)
    for name, count in counts.items():
        sys.stdout.write(f"{name:<{width}}  {count}\n")
    sys.stdout.flush()


def _cell(value: object) -> str:
    return "\\".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _width(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> int:
    return sum(3 + max([len(column), *(len(_cell(row.get(column, ""))) * 2 for row in rows)]) for column in columns) + 1


def rate(count: int, size_bytes: int, elapsed_s: float) -> str:
    """Say how fast it went."""
    seconds = max(elapsed_s, 1e-6)
    return f"{count / seconds:.0f} files/s, {size_bytes / seconds / 1e6:.1f} MB/s, {elapsed_s:.1f} s"


class Bars(Protocol):
    """What commands use of Rich's progress bars."""

    def add_task(self, description: str, *, total: float | None, rate: str) -> Any:
        """Add a bar."""

    def update(
        self,
        task_id: Any,
        *,
        total: float | None = None,
        completed: float | None = None,
        advance: float | None = None,
        visible: bool | None = None,
        **fields: Any,
    ) -> None:
        """Change a bar."""

    def advance(self, task_id: Any) -> None:
        """Move a bar on by one."""


class _NoBars:
    """Progress where nobody looks on, without the time that it takes to import Rich."""

    def add_task(self, *_: Any, **_changes: Any) -> None: ...

    def update(self, *_: Any, **_changes: Any) -> None: ...

    def advance(self, *_: Any) -> None: ...


@contextmanager
def progress() -> Iterator[Bars]:
    """Show progress bars on standard error while the block runs; nothing where it is no terminal."""
    if not sys.stderr.isatty():
        yield _NoBars()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield bars
