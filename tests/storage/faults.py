"""Real faults for files that this process has open."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def divert(path: Path, device: str) -> None:
    """Let every descriptor of path lead elsewhere.

    /dev/full refuses what is written, with ENOSPC; /dev/null takes it and refuses to be flushed, with EINVAL.
    """
    target = os.open(device, os.O_RDWR)
    try:
        for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, no paths
            if _leads_to(int(number), path):
                os.dup2(target, int(number))
    finally:
        os.close(target)


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: EFBIG."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _leads_to(descriptor: int, path: Path) -> bool:
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink() == path
    except OSError:
        return False
