"""Disk faults on demand, by a preloaded library that the test compiles."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


class Faults:
    """Says which calls of a server that runs with `environment` fail below a directory."""

    def __init__(self, library: Path, directory: Path) -> None:
        self._control = library.with_suffix(".control")
        self.environment = {
            "LD_PRELOAD": str(library),
            "ARCHIMAGE_FAULTS": str(self._control),
            "ARCHIMAGE_FAULTS_BELOW": str(directory),
        }

    def begin(self, number: int, kinds: str) -> None:
        """Let calls fail with an errno; kinds as in `faults.c`."""
        self._control.write_text(f"{number} {kinds}")

    def end(self) -> None:
        """Let every call pass."""
        self._control.unlink(missing_ok=True)


def compile_faults(folder: Path, directory: Path) -> Faults:
    """Compile the library; without a compiler CI fails and others skip."""
    compiler = shutil.which("cc")
    if compiler is None:
        message = "cc is missing: apt-get install gcc libc6-dev"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    library = folder / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", library, source, "-ldl"], check=True)
    return Faults(library, directory)
