"""Server processes: started in an empty directory, watched, and ended by their own process group."""

# mypy: disallow-untyped-calls=False

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import wire

START_LIMIT_S = 60.0
_SCHEDULED = 2  # which of a process's clocks: that of the scheduler (Linux, include/linux/posix-timers.h)
STOP_LIMIT_S = 20.0


class ServerError(Exception):
    """A server did not start, or is not installed."""


_GONE = (FileNotFoundError, ProcessLookupError, IndexError)
"""What reading of a process raises that ends meanwhile; a zombie tells no memory."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens."""

    name: str
    process: subprocess.Popen[str]
    port: int
    ae_title: str
    directory: Path
    http_port: int = 0

    def processes(self, without: str = "") -> list[psutil.Process]:
        """Return its main process and the children that live, but those whose command line has an argument without."""
        main = psutil.Process(self.process.pid)
        return [main, *(child for child in main.children(recursive=True) if not _has_argument(child, without))]

    def pin(self, core: int) -> None:
        """Let every thread that it has run on one core only, and so those that they start."""
        for process in self.processes():
            for thread in process.threads():
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(thread.id, {core})

    def precise_cpu_s(self) -> float:
        """Return the processor time used so far by its main process, seconds, to the nanosecond."""
        return time.clock_gettime((~self.process.pid << 3) | _SCHEDULED)

    def cpu_s(self) -> float:
        """Return the processor time used so far by it and the children that live, seconds."""
        total = 0.0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def rss_bytes(self, without: str = "") -> int:
        """Return the resident memory of its processes."""
        total = 0
        for process in self.processes(without):
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def reset_peak(self) -> None:
        """Forget the peak of resident memory reached so far."""
        for process in self.processes():
            with suppress(*_GONE):
                Path(f"/proc/{process.pid}/clear_refs").write_text("5")

    def peak_bytes(self, without: str = "") -> int:
        """Return the peak of resident memory, summed over its processes."""
        total = 0
        for process in self.processes(without):
            with suppress(*_GONE):
                status = Path(f"/proc/{process.pid}/status").read_text()
                total += 1024 * int(status.split("VmHWM:")[1].split()[0])
        return total


def _has_argument(process: psutil.Process, argument: str) -> bool:
    with suppress(psutil.NoSuchProcess):
        return argument in process.cmdline()
    return False


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def require(program: str, package: str) -> str:
    """Return the path of a program; raises ServerError naming the command that installs it."""
    places = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    for place in places.split(os.pathsep):
        candidate = Path(place) / program
        # a virtual environment may hold pynetdicom's programs of the same names
        if candidate.exists() and not (candidate.parent.parent / "pyvenv.cfg").exists():
            return str(candidate)
    raise ServerError(f"{program} is not installed: apt-get install {package}")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a server or client, without settings of archimage that are not the scenario's.

    Debian's DCMTK leaves Nagle's algorithm on unless it is told otherwise. A Python program keeps its bytecode, as an
    installed one does.
    """
    left_out = ("ARCHIMAGE_", "PYTHONDONTWRITEBYTECODE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**inherited, "TCP_NODELAY": "1", **(extra or {})}


@contextmanager
def fresh_directory(root: Path, name: str) -> Iterator[Path]:
    """Make an empty directory, with everything written back before and after.

    It stays until the end of the run: for a minute after files are removed, ext4 makes whoever creates new ones search
    past their inodes, which cost the next server up to a third of its time.
    """
    directory = root / f"{name}-{time.monotonic_ns()}"
    directory.mkdir(parents=True)
    os.sync()
    try:
        yield directory
    finally:
        os.sync()


@contextmanager
def launched(
    command: Sequence[str], directory: Path, extra: Mapping[str, str] | None = None, *, stdout: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[str]]:
    """Run a process in a group of its own and end that group; what it says on stderr goes to a file beside its data."""
    log = directory.with_suffix(".log")
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=errors,
            env=environment(extra), start_new_session=True, text=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        end(process)
        log.unlink(missing_ok=True)


def end(process: subprocess.Popen[str]) -> None:
    """End a process politely, then the rest of its group."""
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_LIMIT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdout:
        process.stdout.close()


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[str], name: str) -> None:
    """Wait for a server to answer; raises ServerError when it ends or takes too long."""
    limit = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise ServerError(f"{name} ended at once with code {process.returncode}")
        if ready():
            return
        time.sleep(0.02)
    raise ServerError(f"{name} does not answer after {START_LIMIT_S:.0f} s")


def answers_echo(port: int, ae_title: str) -> bool:
    """Tell whether a C-ECHO succeeds."""
    try:
        with wire.Channel.open(port, ae_title, (wire.Context(wire.VERIFICATION, wire.IMPLICIT_LE),)) as channel:
            channel.echo()
    except (OSError, wire.WireError):
        return False
    return True


def listens(port: int) -> bool:
    """Tell whether something accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
