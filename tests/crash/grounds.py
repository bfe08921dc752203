"""What an archive stands on in a storm: where its index and its objects are, and what of that is killed as well."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Final, Protocol

from archimage.model.records import StoredInstance
from tests.attacks.server import Server, wait_until
from tests.object_store.serving import SERIES, settings_of
from tests.servers.postgresql import PostgresqlServer
from tests.servers.seaweedfs import SeaweedFS
from tests.web.stowing import STUDY, ask

_SETTLED_WITHIN_S: Final = 60.0
_HEALED_WITHIN_S: Final = 10.0


class Neighbour(Protocol):
    """A server that the archive works with."""

    def kill(self) -> None:
        """Kill it as `kill -9` does."""

    def start(self) -> None:
        """Start it again, and wait until it answers."""


class Ground:
    """Objects as files in the archive's directory; the index there too, or in a PostgreSQL."""

    longest_life_s = 0.4
    settled_within_s = 0.0

    def __init__(self, database: PostgresqlServer | None = None) -> None:
        self.neighbours: Sequence[Neighbour] = () if database is None else (database,)
        self.settings: Mapping[str, object] = {} if database is None else {"index__url": database.url}

    def placed(self, server: Server, /) -> set[str]:
        """List the paths of what is kept."""
        return server.files()

    def left(self, server: Server) -> Sequence[Path]:
        """List what is on its way."""
        return server.incoming()

    def data(self, server: Server, row: StoredInstance) -> bytes:
        """Return an object's file; nothing where there is none."""
        file = server.directory / "objects" / row.path
        return file.read_bytes() if file.exists() else b""


class Bucket(Ground):
    """Objects in an object store, below a prefix of their own, each read as the archive gives it."""

    longest_life_s = 1.5
    settled_within_s = _SETTLED_WITHIN_S

    def __init__(self, store: SeaweedFS, mode: str, database: PostgresqlServer | None = None) -> None:
        super().__init__(database)
        self._store = store
        self._prefix = secrets.token_hex(8)
        kept = settings_of(store.settings(self._prefix), mode=mode, cache_bytes=1 << 20)
        self.settings = {**self.settings, **kept}
        self.neighbours = (*self.neighbours, store)

    def placed(self, _server: Server, /) -> set[str]:
        """List the keys that the object store has."""
        return {key for key in self._store.keys(self._prefix) if key.endswith(".dcm")}

    def left(self, server: Server) -> Sequence[Path]:
        """List what is yet to be uploaded, or removed there."""
        places = (server.directory / name for name in ("objects", "uploading", "removed", "incoming"))
        return [path for place in places for path in place.rglob("*") if path.is_file()]

    def data(self, server: Server, row: StoredInstance) -> bytes:
        """Return an object as the archive gives it, at once or a moment after the object store is back."""
        found: list[bytes] = []

        def is_given() -> bool:
            with suppress(OSError, HTTPException):
                address = f"/studies/{STUDY}/series/{SERIES}/instances/{row.sop_instance_uid}"
                answer = ask(server.http_port, "GET", address, headers={"Accept": "application/dicom"})
                if answer.status == 200:
                    found.append(answer.body)
            return bool(found)

        return found[0] if wait_until(is_given, _HEALED_WITHIN_S) else b""
