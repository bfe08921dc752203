"""The server's side of one worker process: started, asked, and killed when it does not answer as it must."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from archimage.config import ENVIRONMENT_PREFIX
from archimage.errors import ArchimageError, UnavailableError
from archimage.imaging.channel import Buffer, Channel

Serve = Callable[[Mapping[str, Any]], bytes]
"""Answers what a task asks for; an ArchimageError, ValueError or KeyError is told it."""

_SOCKET_BYTES: Final = 1 << 20
_LEAST_S: Final = 3.0
_BYTES_A_SECOND: Final = 100_000
"""Of native frames. The slowest way, noise decoded from JPEG 2000 and encoded again, does 1.5 to 2.5 million of them on
one core of a server of today; one that is 15 times slower, or as busy, is waited for."""
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Workers are as many as there are cores; threads' stacks would count against the memory limit, too."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Bounds of one worker.

    timeout_s           for the largest task, its data's way there and back included
    memory_bytes        address space of the process
    max_answer_bytes    data of one answer
    start_timeout_s     until it is ready
    tasks               what it does: MODULE:NAME of a mapping of names to functions
    """

    timeout_s: float = 30.0
    memory_bytes: int = 2 << 30
    max_answer_bytes: int = 1 << 30
    start_timeout_s: float = 60.0
    tasks: str = "archimage.dicom.pixelwork:TASKS"

    def patience_s(self, native_bytes: int | None) -> float:
        """Return the time for a task with frames of that size; what is small and takes long is a lying codestream."""
        if native_bytes is None:
            return self.timeout_s
        return min(self.timeout_s, _LEAST_S + native_bytes / _BYTES_A_SECOND)


class WorkerLostError(Exception):
    """The worker did not answer as it must and is gone; the text says why.

    begun is false where that cannot be the task's fault: the worker did not have all of it, or answered another one.
    late tells that it took too long.
    """

    def __init__(self, reason: str, *, begun: bool, late: bool = False) -> None:
        super().__init__(reason)
        self.begun = begun
        self.late = late


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker says: a result with data, or an error's name and message; last: it will not take another task."""

    result: dict[str, Any]
    data: bytes
    error: str | None
    message: str
    last: bool


class WorkerProcess:
    """One worker; asked by one thread at a time, killed from any."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Start a worker and wait until it is ready.

        Raises:
            UnavailableError: it did not start.
        """
        self._settings = settings
        try:
            self._start()
        except OSError as error:
            raise UnavailableError(f"no worker process for pixel data can be started: {error.strerror}") from error
        try:
            self._channel.receive(time.monotonic() + settings.start_timeout_s)
        except (EOFError, ValueError, OSError) as error:
            self.close()
            raise UnavailableError("a worker process for pixel data did not start") from error

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        life, self._life = os.pipe()
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - ourselves
                    self._command(theirs.fileno(), life),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), life),
                    env=_environment(),
                    process_group=0,
                )
            except BaseException:
                ours.close()
                os.close(self._life)
                raise
            finally:
                os.close(life)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            ours.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BYTES)
        self._channel = Channel(ours, self._settings.max_answer_bytes)

    def _command(self, channel: int, life: int) -> list[str]:
        settings = self._settings
        limits = (channel, life, settings.memory_bytes, settings.memory_bytes)
        return [sys.executable, "-P", "-m", "archimage.imaging.worker", *map(str, limits), settings.tasks]

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Tell whether it can be asked: it runs, and has said nothing that it was not asked for."""
        return self._channel.is_silent() and self._process.poll() is None

    def ask(
        self,
        task: str,
        options: Mapping[str, Any],
        data: Sequence[Buffer],
        timeout_s: float,
        serve: Serve | None = None,
    ) -> Answer:
        """Have a task done; serve answers what it asks for meanwhile.

        Raises:
            WorkerLostError: it ended, took too long or answered something else; it has been killed.
        """
        number = secrets.randbits(63)  # so that nobody can have prepared an answer
        deadline = time.monotonic() + timeout_s
        request = {"number": number, "task": task, "options": options, "sizes": [*map(_size, data)]}
        begun = False
        try:
            self._channel.send(request, data, deadline)
            begun = True
            head, content = self._channel.receive(deadline)
            while serve is not None and isinstance(wanted := head.get("wants"), dict):
                self._channel.send(*_served(serve, wanted), deadline)
                head, content = self._channel.receive(deadline)
            begun = head.get("number") == number
            return _answer(head, content, number)
        except TimeoutError:
            raise self._lost(f"it took longer than {timeout_s:.3g} s", begun=True, late=True) from None
        except ValueError:
            raise self._lost("the answer was none", begun=begun) from None
        except ConnectionResetError:  # it went with something unread
            raise self._lost("the process ended", begun=False) from None
        except (EOFError, OSError):
            raise self._lost("the process ended", begun=begun) from None

    def kill(self) -> None:
        """End it at once, with whatever it has started that stayed in its group."""
        with suppress(ProcessLookupError):
            if self._process.returncode is None:  # until it is waited for, nobody else has its number
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Let go of it, once it was killed and nobody asks it."""
        self.kill()
        self._channel.close()
        os.close(self._life)

    def _lost(self, reason: str, *, begun: bool, late: bool = False) -> WorkerLostError:
        self.kill()
        return WorkerLostError(reason, begun=begun, late=late)


def _served(serve: Serve, wanted: Mapping[str, Any]) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
    """Return what is told somebody who asks."""
    try:
        return {}, (serve(wanted),)
    except (ArchimageError, ValueError, KeyError) as error:
        return {"error": str(error)}, ()


def _answer(head: dict[str, Any], data: bytes, number: int) -> Answer:
    match head:
        case {"number": told, "result": dict(result)} if told == number:
            return Answer(result, data, None, "", last=False)
        case {"number": told, "error": str(error), "message": str(message)} if told == number:
            return Answer({}, b"", error, message, last=head.get("last") is True)
    raise ValueError("no answer to the task")


def _size(data: Buffer) -> int:
    return memoryview(data).nbytes


def _environment() -> dict[str, str]:
    """Return our environment without the settings, among which secrets may be."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    return own | _ONE_THREAD
