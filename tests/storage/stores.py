"""Stores of objects as the settings make them."""

import secrets
from pathlib import Path

import pytest

from archimage.config_object_store import ObjectStoreConfig
from archimage.storage.filesystem import FilesystemBlobStore
from archimage.storage.remote.store import RemoteObjects
from archimage.storage.spooled import SpooledBlobStore
from tests.servers.azurite import Azurite
from tests.servers.faulty import FaultyProxy
from tests.servers.seaweedfs import BUCKET, SeaweedFS


def settings(kind: str, request: pytest.FixtureRequest, **others: object) -> ObjectStoreConfig:
    """Return settings of a kind of store, below a prefix that nobody else uses."""
    prefix = secrets.token_hex(8)
    match kind:
        case "memory":
            found: dict[str, object] = {"url": "memory://"}
        case "s3":
            s3: SeaweedFS = request.getfixturevalue("s3")
            found = s3.settings(prefix)
        case "google":  # the XML API of Google is that of S3, as far as it is used here
            google: FaultyProxy = request.getfixturevalue("google")
            found = {"url": f"gs://{BUCKET}/{prefix}", "endpoint": google.endpoint}
        case _:
            azure: Azurite = request.getfixturevalue("azure")
            found = azure.settings(prefix)
    return ObjectStoreConfig.model_validate({**found, "part_bytes": 5 << 20, "timeout_s": 4.0, **others})


def spooled(directory: Path, config: ObjectStoreConfig, lane: str = "0") -> SpooledBlobStore:
    """Open a store."""
    return SpooledBlobStore(directory, FilesystemBlobStore(directory, lane), RemoteObjects(config))
