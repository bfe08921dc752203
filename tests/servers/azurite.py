"""Azurite: a real server of Azure Blob Storage."""

import base64
import hashlib
import hmac
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.servers.launched import found, free_ports, launched, missing

ACCOUNT: Final = "tester"
KEY: Final = base64.b64encode(b"a key of the tests").decode()
CONTAINER: Final = "archive"
_MAIN: Final = Path(__file__).parents[2] / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
_VERSION: Final = "2021-12-02"
_CREATED: Final = {201, 409}


@dataclass(frozen=True)
class Azurite:
    """One running server."""

    port: int

    @property
    def endpoint(self) -> str:
        """Where it speaks of blobs."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    def settings(self, prefix: str, **others: object) -> dict[str, object]:
        """Return settings of `object_store` for a part of its container."""
        return {
            "url": f"az://{CONTAINER}/{prefix}",
            "endpoint": self.endpoint,
            "key_id": ACCOUNT,
            "secret": KEY,
            **others,
        }


@contextmanager
def azurite(directory: Path) -> Iterator[Azurite]:
    """Run a server with one container."""
    node = found("node", "apt-get install nodejs")
    if not _MAIN.exists():
        missing("azurite is not installed: npm ci")
    (port,) = free_ports(1)
    directory.mkdir(parents=True, exist_ok=True)
    command = [node, str(_MAIN), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(directory)]
    command += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    with launched(command, directory / "log", lambda: _has_container(port), {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}):
        yield Azurite(port)


def _has_container(port: int) -> bool:
    """Make the container, which obstore cannot; with the signature that Azure calls a shared key."""
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    signed = f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{_VERSION}\n/{ACCOUNT}/{ACCOUNT}/{CONTAINER}"
    digest = hmac.new(base64.b64decode(KEY), f"{signed}\nrestype:container".encode(), hashlib.sha256).digest()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{ACCOUNT}/{CONTAINER}?restype=container",
        method="PUT",
        headers={
            "x-ms-date": date,
            "x-ms-version": _VERSION,
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
            "Content-Length": "0",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            return answer.status in _CREATED
    except urllib.error.HTTPError as error:
        if error.code in _CREATED:
            return True
        raise
    except OSError:
        return False
