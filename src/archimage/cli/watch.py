"""`archimage watch`: follow a folder and import what comes into it."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from archimage.cli.import_ import opened
from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import ExitCode, print_counts, print_json, say
from archimage.cli.serve import load
from archimage.errors import ConfigError
from archimage.observe.text import escape

if TYPE_CHECKING:
    from archimage.services.importing import ImportService
    from archimage.services.watching import Candidate, FolderWatch

Folder = Annotated[Path, typer.Argument(help="The folder.", metavar="DIR", exists=True, file_okay=False)]
MoveTo = Annotated[Path | None, typer.Option("--move-to", help="Move what is safely stored there.", file_okay=False)]
Delete = Annotated[bool, typer.Option("--delete", help="Delete what is safely stored.")]
FailedTo = Annotated[Path | None, typer.Option("--failed", help="Move what is refused there.", file_okay=False)]
Once = Annotated[bool, typer.Option("--once", help="Import what is there, and end.")]
Settle = Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds for which a file must not change.")]
Interval = Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between two looks, at least.")]

_SAVE_EVERY_S: Final = 30.0
_IDLE_SHARE: Final = 4
"""Between two looks so many times as long as a look takes, so that a folder of very many files costs little."""
_MOST_PROBLEMS: Final = 100


def watch(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    folder: Folder,
    data: Data = None,
    move_to: MoveTo = None,
    delete: Delete = False,
    failed: FailedTo = None,
    once: Once = False,
    settle: Settle = 3.0,
    interval: Interval = 2.0,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Follow a folder: import what is there and what comes, until SIGTERM or SIGINT.

    Files stay where they are, unless --move-to or --delete is given.
    """
    from archimage.services import seen
    from archimage.services.importing import ImportService
    from archimage.services.watching import FolderWatch

    folder = folder.resolve()
    leaving = _Leaving(folder, move_to, failed, delete=delete)
    directory = load({"storage": {"directory": data}}, config).storage.directory.resolve()
    if directory.is_relative_to(folder) or folder.is_relative_to(directory):
        raise ConfigError(f"{folder}: the archive's own directory {directory} cannot be watched")
    with _stop_signals() as stopped, opened(data, config) as app:
        state = directory / "watched" / f"{seen.path_key(str(folder)):016x}"
        followed = FolderWatch(folder, seen.read(state), settle_s=settle, report=_told)
        following = _Following(followed, leaving, state, stopped)
        following.run(ImportService(app.services.store, app.index), interval, settle if once else None)
    following.report(as_json=json)
    if once and (following.counts["failed"] or following.excuse):
        raise typer.Exit(ExitCode.FAILED)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Give what is set by the first SIGTERM or SIGINT."""
    stopped = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _told(name: str, reason: str) -> None:
    say(f"{name}: {reason}")


class _Leaving:
    """Where files go that have been dealt with."""

    def __init__(self, folder: Path, move_to: Path | None, failed: Path | None, *, delete: bool) -> None:
        if delete and move_to is not None:
            raise ConfigError("--delete and --move-to: choose one, or none to leave files where they are")
        for option, chosen in (("--move-to", move_to), ("--failed", failed)):
            if chosen is not None and chosen.resolve().is_relative_to(folder):
                raise ConfigError(f"{option} {chosen}: must not be inside the folder that is watched")
        self._folder = folder
        self._move_to = move_to
        self._failed = failed
        self._delete = delete

    def leave(self, candidate: "Candidate") -> str:
        """Move or delete a file as it is wished; return which was done, empty where it stays."""
        from archimage.services import leaving

        path, known = candidate.path, candidate.identity
        if candidate.is_stored and self._delete:
            return "deleted" if candidate.is_whole and leaving.delete(path, known) else ""
        to = self._move_to if candidate.is_stored else self._failed
        if to is None:
            return ""
        return "moved" if leaving.move(path, known, to / path.relative_to(self._folder)) else ""


@dataclass
class _Following:
    """One run: what it has counted, and what it goes by."""

    watch: "FolderWatch"
    leaving: _Leaving
    state: Path
    stopped: threading.Event
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str]] = field(default_factory=list)
    _saved_at: float = field(default_factory=time.monotonic)
    _unsaved: bool = False
    excuse: str = ""
    """Why the archive could not store something, last of all."""

    def run(self, service: "ImportService", interval_s: float, once_after_s: float | None) -> None:
        """Look again and again until stopped; or twice, once_after_s seconds apart."""
        looks = 0
        while not self.stopped.is_set():
            started, dealt = time.monotonic(), self.counts.total()
            for candidate in self.watch.settled(service, self.stopped):
                self._deal(candidate)
            looks += 1
            self._save_now_and_then()
            pause_s = max(interval_s, _IDLE_SHARE * (time.monotonic() - started))
            if once_after_s is not None:
                if looks > 1:
                    break
                pause_s = once_after_s
            elif self.counts.total() > dealt:
                self._tell()
                pause_s = interval_s
            self.stopped.wait(pause_s)
        self._save()

    def report(self, *, as_json: bool) -> None:
        """Print the sum."""
        names = ("stored", "replaced", "duplicate", "failed", "skipped", "moved", "deleted")
        summary: dict[str, object] = {name: self.counts[name] for name in names}
        summary["waiting"] = self.watch.unsettled
        if as_json:
            problems = [{"file": name, "reason": reason} for name, reason in self.problems]
            print_json(summary | {"problems": problems})
        else:
            print_counts(summary)

    def _deal(self, candidate: "Candidate") -> None:
        if candidate.is_due_again:
            if candidate.passing and candidate.reason != self.excuse:
                self.excuse = candidate.reason
                say(f"the archive cannot store just now: {candidate.reason}; it is tried again")
            return
        self.counts.update(candidate.fates)
        if not candidate.is_whole:
            self._complain(candidate.path, candidate.reason or "holds nothing")
        try:
            done = self.leaving.leave(candidate)
        except OSError as error:
            done = ""
            self._complain(candidate.path, f"stays where it is: {error.strerror or error}")
        if done:
            self.counts[done] += 1
        self.watch.deal(candidate, gone=bool(done))
        self._unsaved = True

    def _complain(self, path: Path, reason: str) -> None:
        name = escape(str(path))
        say(f"{name}: {reason}")
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append((name, reason))

    def _tell(self) -> None:
        told = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        say(f"so far {told}")

    def _save_now_and_then(self) -> None:
        if self._unsaved and time.monotonic() - self._saved_at > _SAVE_EVERY_S:
            self._save()

    def _save(self) -> None:
        """Write what was dealt with; where that fails, the next run counts duplicates instead."""
        from archimage.services import seen

        try:
            seen.write(self.state, self.watch.dealt)
        except OSError as error:
            say(f"{self.state}: {error.strerror or error}; the next run will read everything again")
        self._saved_at, self._unsaved = time.monotonic(), False
