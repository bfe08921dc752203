"""What the figures depend on: processor, kernel, versions, and how busy the machine is besides. No names, no paths."""

# mypy: disallow-untyped-calls=False

import importlib.metadata
import mmap
import os
import platform
import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil

from bench import process


def describe() -> dict[str, str]:
    """Describe the machine and the versions measured."""
    return {
        "processor": f"{os.cpu_count()} cores, {_processor()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "archimage": importlib.metadata.version("archimage"),
        "pynetdicom": importlib.metadata.version("pynetdicom"),
        "DCMTK": _version("storescp", "dcmtk", r"v([\d.]+)"),
        "Orthanc": _version("Orthanc", "orthanc", r"Orthanc (\S+)"),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "others": f"{foreign_cpu_percent():.0f} % of the processor used or stolen by others before the run",
    }


def touch_memory(size_bytes: int) -> None:
    """Use free memory once: a virtual machine pays for the first touch of each page, whoever makes it.

    Its host may take free memory back within seconds, so this belongs right before what is timed.
    """
    with mmap.mmap(-1, min(size_bytes, psutil.virtual_memory().available // 2)) as memory:
        for offset in range(0, len(memory), mmap.PAGESIZE):
            memory[offset] = 1


def forget_files(directory: Path) -> str:
    """Have what is in a directory read from the disk again, as after a restart; return how, to be told."""
    os.sync()
    with suppress(PermissionError):
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
        return "sync, then 3 written to /proc/sys/vm/drop_caches: no file, name or inode is in memory"
    for path in directory.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return "sync, then POSIX_FADV_DONTNEED for each file; names and inodes stay in memory where root does not run this"


def foreign_cpu_percent(window_s: float = 2.0) -> float:
    """Return how much of the processor is busy while the bench itself does nothing, percent of all cores."""
    psutil.cpu_percent()
    time.sleep(window_s)
    return float(psutil.cpu_percent())


def _processor() -> str:
    with suppress(OSError):
        match = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        if match:
            return match[1]
    return platform.machine()


def _version(program: str, package: str, pattern: str) -> str:
    try:
        said = subprocess.run(
            [process.require(program, package), "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except process.ServerError as error:
        return str(error)
    match = re.search(pattern, said.stdout)
    return match[1] if match else "unknown"
