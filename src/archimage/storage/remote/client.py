"""Settings to clients of obstore.

There is one for what somebody waits for, who is to have an answer within seconds; one for reading, which goes on for as
long as something comes; and there are others for uploads, which may take as long as a slow line needs and are tried
again by whoever has them done.
"""

import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from archimage.config_object_store import ObjectStoreConfig
from archimage.errors import ConfigError
from archimage.storage.remote.faults import why

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig  # there while types are checked only

Store = S3Store | AzureStore | GCSStore | MemoryStore

_CONNECTING_S: Final = 5.0
_READING_S: Final = 600.0
_REGION: Final = "us-east-1"
_FIRST_PAUSE: Final = timedelta(milliseconds=100)
_LONGEST_PAUSE: Final = timedelta(seconds=2)


class Clients:
    """The ways to one store, by how long one try may take."""

    def __init__(self, config: ObjectStoreConfig) -> None:
        """Make the first; nothing is sent yet. ConfigError where the settings fit no store."""
        self._config = config
        self._made: dict[float, Store] = {}
        self._lock = threading.Lock()
        half_s = config.timeout_s / 2
        self.waited_for = self._of_memory() or self._make(half_s, config.retries, half_s)
        self.reading = self._of_memory() or self._make(_READING_S, config.retries, half_s, silent_s=half_s)

    def patient(self, timeout_s: float) -> Store:
        """Return a client whose single requests have so long, and which does not try again by itself."""
        with self._lock:
            found = self._made.get(timeout_s)
            if found is None:
                found = self._made[timeout_s] = self._of_memory() or self._make(timeout_s, 0, 0.0)
            return found

    def _of_memory(self) -> Store | None:
        if self._config.scheme != "memory":
            return None
        return getattr(self, "waited_for", None) or MemoryStore()

    def _make(self, timeout_s: float, retries: int, retry_s: float, silent_s: float | None = None) -> Store:
        options: ClientConfig = {
            "timeout": timedelta(seconds=timeout_s),
            "read_timeout": timedelta(seconds=silent_s or timeout_s),
            "connect_timeout": timedelta(seconds=min(silent_s or timeout_s, _CONNECTING_S)),
            "allow_http": self._config.endpoint.startswith("http://"),
        }
        retrying: RetryConfig = {
            "max_retries": retries,
            "retry_timeout": timedelta(seconds=retry_s),
            "backoff": {"init_backoff": _FIRST_PAUSE, "max_backoff": _LONGEST_PAUSE, "base": 2},
        }
        try:
            return _client(self._config, {"client_options": options, "retry_config": retrying})
        except Exception as error:  # obstore tells in errors of many kinds what it cannot use
            raise ConfigError(f"object_store cannot be used: {why(error)}") from error


def _client(config: ObjectStoreConfig, common: dict[str, Any]) -> Store:
    make = {"s3": _s3, "az": _azure, "gs": _google}[config.scheme]
    return make(config, config.prefix or None, common)


def _s3(config: ObjectStoreConfig, prefix: str | None, common: dict[str, Any]) -> Store:
    found = {
        "endpoint": config.endpoint,
        "region": config.region or _REGION,
        "access_key_id": config.key_id,
        "secret_access_key": config.secret.get_secret_value(),
        "server_side_encryption": config.encryption,
        "sse_kms_key_id": config.encryption_key,
    }
    return S3Store(config.bucket, prefix=prefix, **_given(found), **common)


def _azure(config: ObjectStoreConfig, prefix: str | None, common: dict[str, Any]) -> Store:
    found = {
        "endpoint": config.endpoint,
        "account_name": config.key_id,
        "account_key": config.secret.get_secret_value(),
    }
    return AzureStore(config.bucket, prefix=prefix, **_given(found), **common)


def _google(config: ObjectStoreConfig, prefix: str | None, common: dict[str, Any]) -> Store:
    key = config.secret.get_secret_value()
    if config.endpoint and not key:  # a store of one's own, which asks for no account of Google's
        names = ("client_email", "private_key", "private_key_id")
        key = json.dumps({"gcs_base_url": config.endpoint, "disable_oauth": True, **dict.fromkeys(names, "")})
    found = {"base_url": config.endpoint, "service_account_key": key}
    return GCSStore(config.bucket, prefix=prefix, **_given(found), **common)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is not set: obstore then takes it from the environment or the machine."""
    return {name: value for name, value in values.items() if value}
