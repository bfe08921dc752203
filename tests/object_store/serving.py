"""A server of ours over an object store, what it is sent, and what is to be found of that."""

import secrets
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.attacks.datasets import STUDY_INSTANCE_UID, dataset, identifier, new_uid
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import Peer, querying
from tests.servers.seaweedfs import SeaweedFS
from tests.web.stowing import STUDY, ask

SERIES: Final = "1.2.826.0.1.3680043.8.499.2"
FRAME_BYTES: Final = 512 * 512 * 2
UPLOADED_WITHIN_S: Final = 30.0


def settings_of(found: Mapping[str, object], **others: object) -> dict[str, object]:
    """Return settings of `object_store` as the environment names them."""
    return {f"object_store__{name}": value for name, value in {**found, **others}.items()}


class Archive:
    """A running server, and the keys that it has in the object store."""

    def __init__(self, server: Server, store: SeaweedFS, prefix: str) -> None:
        self.server = server
        self.store = store
        self.prefix = prefix

    def keys(self) -> set[str]:
        """Return what the object store has."""
        return self.store.keys(self.prefix)

    def waiting(self) -> list[Path]:
        """Return what lies on the local disk and is yet to be uploaded."""
        places = (self.server.directory / name for name in ("objects", "uploading"))
        return [path for place in places for path in place.rglob("*") if path.is_file()]

    def send(self, uid: str, data: bytes) -> int:
        """C-STORE on an association of its own; return the status."""
        with Peer.associated(self.server.port) as peer:
            return peer.store(uid, data)

    def is_uploaded(self, *uids: str) -> bool:
        """Wait until the object store has objects, and nothing waits."""
        wanted = {f"{STUDY}/{SERIES}/{uid}.dcm" for uid in uids}
        return wait_until(lambda: wanted <= self.keys() and not self.waiting(), UPLOADED_WITHIN_S)

    def found(self) -> int:
        """Return how many matches a C-FIND for the study has."""
        with Peer.associated(self.server.port, querying()) as peer:
            matches, status = peer.find(identifier("STUDY", {STUDY_INSTANCE_UID: ("UI", STUDY.encode())}))
        assert status == 0
        return len(matches)

    def get(self, uid: str, rest: str = "", accept: str = "*/*") -> tuple[int, bytes]:
        """GET something of an instance by DICOMweb; return status and body."""
        address = f"/studies/{STUDY}/series/{SERIES}/instances/{uid}{rest}"
        answer = ask(self.server.http_port, "GET", address, headers={"Accept": accept})
        return answer.status, answer.body

    def frame(self, uid: str, number: int) -> tuple[int, bytes]:
        """GET a frame as it is stored; return status and its bytes, between the lines of multipart."""
        status, body = self.get(uid, f"/frames/{number}", 'multipart/related; type="application/octet-stream"')
        return status, body.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0] if status == 200 else body


@contextmanager
def archive(
    directory: Path, store: SeaweedFS, prefix: str = "", options: tuple[str, ...] = (), **settings: object
) -> Iterator[Archive]:
    """Run a server over a prefix of the bucket; settings are those of `object_store`."""
    prefix = prefix or secrets.token_hex(8)
    with running(directory, options, settings_of(store.settings(prefix), **settings)) as server:
        yield Archive(server, store, prefix)


def frames_of(pixels: bytes) -> tuple[str, bytes]:
    """Make a CT of 512 x 512 pixels with as many frames as there are bytes; return its UID and data set."""
    uid = new_uid()
    described = {0x00280010: 512, 0x00280011: 512, 0x00280100: 16, 0x00280101: 16, 0x00280102: 15}
    more = [
        (0x00280002, "US", b"\1\0"),
        (0x00280004, "CS", b"MONOCHROME2 "),
        (0x00280008, "IS", str(len(pixels) // FRAME_BYTES).encode()),
        (0x00280101, "US", b""),
        (0x00280102, "US", b""),
        (0x00280103, "US", b"\0\0"),
    ]
    replaced = {tag: struct.pack("<H", value) for tag, value in described.items()}
    return uid, dataset(uid, replaced=replaced, more=tuple(more), pixels=pixels)
