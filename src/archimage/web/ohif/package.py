"""The package that OHIF comes as: which one it is, where it is got from, and that it is the one."""

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archimage.errors import ConfigError, ConnectionFailedError, IntegrityError

_MAX_TARBALL_BYTES: Final = 256 << 20
_FETCH_WITHIN_S: Final = 600.0
_NPM_OPTIONS: Final = (
    *("--loglevel=error", "--no-progress", "--no-update-notifier", "--ignore-scripts"),
    *("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"),
)
_TOLD_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Package:
    """A version of a package of npm; integrity is the SHA-512 of its tarball in Base64, as npm writes it."""

    name: str
    version: str
    integrity: str

    @property
    def spec(self) -> str:
        """What npm knows it by."""
        return f"{self.name}@{self.version}"


OHIF: Final = Package(
    "@ohif/app",
    "3.13.2",
    "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA==",
)


def fetch(package: Package) -> bytes:
    """Have npm fetch the tarball, from the registry that it is set up for.

    Raises:
        ConfigError: there is no npm.
        ConnectionFailedError: npm cannot get it.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise ConfigError(f"{package.spec} is fetched by npm, which is not installed", next_step=_elsewhere(package))
    with tempfile.TemporaryDirectory(prefix="archimage-viewer-") as directory:
        command = [npm, "pack", package.spec, "--pack-destination", directory, *_NPM_OPTIONS]
        status, told = _run(command, directory)
        found = list(Path(directory).glob("*.tgz"))
        if status != 0 or len(found) != 1:
            reason = " ".join(told.split("\n")[:_TOLD_LINES]) or f"it ended with exit code {status}"
            raise ConnectionFailedError(
                f"npm could not fetch {package.spec}: {reason}",
                next_step=f"Try again when npm reaches its registry. {_elsewhere(package)}",
            )
        return read(found[0])


def read(tarball: Path) -> bytes:
    """Read a tarball that lies here already.

    Raises:
        ConfigError: it cannot be read, or is far too large to be one.
    """
    try:
        with tarball.open("rb") as file:
            content = file.read(_MAX_TARBALL_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{tarball} cannot be read: {error.strerror}") from None
    if len(content) > _MAX_TARBALL_BYTES:
        raise ConfigError(f"{tarball} is larger than {_MAX_TARBALL_BYTES >> 20} MiB: that is no tarball of the viewer")
    return content


def check(package: Package, tarball: bytes) -> None:
    """Compare a tarball with what is known of it; nothing of one that differs may be looked at.

    Raises:
        IntegrityError: it is another one.
    """
    found = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode("ascii")
    if found != package.integrity:
        raise IntegrityError(
            f"this is not {package.spec}: its integrity is {found}, and has to be {package.integrity}",
            next_step=f"Nothing was installed. {_elsewhere(package)}",
        )


def _elsewhere(package: Package) -> str:
    return f"Get the tarball with `npm pack {package.spec}` where npm is, and give it with --tarball FILE."


def _run(command: list[str], directory: str) -> tuple[int, str]:
    """Run npm within its time; return its exit code and what it complained of. Whatever ends this ends npm too."""
    with subprocess.Popen(  # noqa: S603 - npm as it is installed here, with arguments of our own
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            told = process.communicate(timeout=_FETCH_WITHIN_S)[1].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            return 1, f"it took longer than {_FETCH_WITHIN_S:.0f} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return process.returncode, "\n".join(lines)
