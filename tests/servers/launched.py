"""A server of somebody else's, run as a process for as long as tests want it."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.attacks.server import wait_until

_START_WITHIN_S: Final = 60.0
_GRPC: Final = 10_000


def found(command: str, install: str) -> str:
    """Return where a command is; where it is missing, that is a failure in CI and a skip elsewhere."""
    beside = Path(sys.executable).with_name(command)
    path = str(beside) if beside.exists() else shutil.which(command)
    if path is not None:
        return path
    return missing(f"{command} is not installed: {install}")


def missing(why: str) -> str:
    """Tell that a server cannot run here."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def free_ports(count: int, *, also: int = 0) -> list[int]:
    """Return ports that nobody listens on, below those that the kernel gives out; also: the same so much higher."""
    with ExitStack() as held:
        ports: list[int] = []
        candidate = 11_000 + secrets.randbelow(9_000)
        while len(ports) < count:
            candidate += 1
            if all(_is_free(held, candidate + more) for more in {0, also}):
                ports.append(candidate)
        return ports


def grpc_ports(count: int) -> list[int]:
    """Return free ports for a server that takes another one, 10,000 higher, beside each."""
    return free_ports(count, also=_GRPC)


def _is_free(held: ExitStack, port: int) -> bool:
    probe = socket.socket()
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        probe.close()
        return False
    held.enter_context(probe)
    return True


@contextmanager
def launched(
    command: Sequence[str], log: Path, is_ready: Callable[[], bool], environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command until the end of the block; it must be ready within a minute."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
        )
    try:
        ready = wait_until(lambda: process.poll() is not None or is_ready(), _START_WITHIN_S)
        assert ready, log.read_text()[-2_000:]
        assert process.poll() is None, log.read_text()[-2_000:]
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait(10)
