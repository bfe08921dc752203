"""Looks at an object store that is to keep objects: a probe is put, read and deleted, as objects are."""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import obstore
from obstore.exceptions import AlreadyExistsError, GenericError, NotSupportedError

from archimage.config_object_store import ObjectStoreConfig
from archimage.errors import BlobNotFoundError, UnavailableError
from archimage.storage.remote.client import Clients, Store
from archimage.storage.remote.faults import remote_errors

_PROBE = ".archimage-doctor-"


@dataclass(frozen=True, slots=True)
class StoreCheckup:
    """What was found.

    put_s, get_s    what the probe took, seconds
    ahead_s         how far the store's clock is ahead of ours, seconds; it tells whole ones
    creates_only    it refuses to overwrite where it is asked to
    has_versions    it keeps what was deleted or replaced
    """

    put_s: float
    get_s: float
    ahead_s: float
    creates_only: bool
    has_versions: bool


def check_up(config: ObjectStoreConfig, clock: Callable[[], float] = time.time) -> StoreCheckup:
    """Put a probe, read it, try to overwrite it, and delete it.

    Raises:
        BlobNotFoundError: there is no such bucket or container.
        OutOfResourcesError: it is full.
        UnavailableError: it does not answer, refuses us, or does not give what it was given.
    """
    store = Clients(config).waited_for
    key, data = f"{_PROBE}{secrets.token_hex(8)}", secrets.token_bytes(4096)
    _list(store)
    began = clock()
    with remote_errors(f"put {key}"):
        version = obstore.put(store, key, data, mode="create", use_multipart=False).get("version")
    ended = clock()
    try:
        return _looked(store, key, data, (began, ended, clock), version is not None)
    finally:
        with suppress(FileNotFoundError), remote_errors(f"delete {key}"):
            obstore.delete(store, key)


def _list(store: Store) -> None:
    with remote_errors("list a few objects"):
        try:
            next(iter(obstore.list(store, chunk_size=10)), None)
        except GenericError as error:
            if "status code: 404" in str(error):
                raise FileNotFoundError from error
            raise


def _looked(
    store: Store, key: str, data: bytes, times: tuple[float, float, Callable[[], float]], has_versions: bool
) -> StoreCheckup:
    began, ended, clock = times
    with remote_errors(f"read {key}"):
        asked = clock()
        found = obstore.get(store, key)
        given = found.bytes().to_bytes()
        took = clock() - asked
        put_at: datetime = found.meta["last_modified"]
    if given != data:
        raise UnavailableError(f"read {key}: the object store gives something else than it was given")
    at = put_at.astimezone(UTC).timestamp()
    ahead = at - ended if at > ended else min(0.0, at + 1.0 - began)
    return StoreCheckup(ended - began, took, ahead, _creates_only(store, key, data), has_versions)


def _creates_only(store: Store, key: str, data: bytes) -> bool:
    try:
        with remote_errors(f"put {key} again"):
            try:
                obstore.put(store, key, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return True
            except NotSupportedError:
                return False
    except BlobNotFoundError:
        return False
    return False
