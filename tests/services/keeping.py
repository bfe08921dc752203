"""Archives to back up and to scrub: small, with something in every kind of place."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from archimage.app import App, build
from archimage.automation.backups import backup_service, restore_archive
from archimage.config import Config, StorageConfig
from archimage.config_scrub import ScrubConfig
from archimage.index.dumping import IndexDumps
from archimage.index.sqlite import SqliteIndex
from archimage.model.backups import Summary
from archimage.model.nodes import Node
from archimage.ports.storage import BlobStore
from archimage.services.restoring import Restored
from archimage.services.store import Expected
from archimage.storage.backups import BackupDirectory, StoredBackup
from archimage.storage.filesystem import FileReader, FilesystemBlobStore
from archimage.storage.secrets import project_secret
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.wire import CT

EXPLICIT: Final = "1.2.840.10008.1.2.1"


class Meddling(FilesystemBlobStore):
    """Lets something happen right before the first object is opened."""

    def __init__(self, directory: Path, meddle: Callable[[], object]) -> None:
        super().__init__(directory, "meddling")
        self._meddle: Callable[[], object] | None = meddle

    def open(self, path: str, size_bytes: int | None = None) -> FileReader:
        """Meddle once, then open."""
        meddle, self._meddle = self._meddle, None
        if meddle is not None:
            meddle()
        return super().open(path, size_bytes)


@contextmanager
def opened(directory: Path, scrub: ScrubConfig | None = None) -> Iterator[App]:
    """Open an archive."""
    config = Config(storage=StorageConfig(directory=directory), scrub=scrub or ScrubConfig(every_days=0))
    with closing(build(config)) as app:
        yield app


def store(app: App, count: int = 1, *, pixels: bytes = b"\1\2\3\4" * 64) -> list[str]:
    """Store so many objects; return their UIDs."""
    uids = [new_uid() for _ in range(count)]
    for uid in uids:
        app.services.store.store(Expected(EXPLICIT, CT, uid), [dataset(uid, pixels=pixels)])
    return uids


def furnish(app: App) -> None:
    """Have something in places other than objects and the index's four levels."""
    directory = app.config.storage.directory
    project_secret(directory, "trial")
    (directory / "access.toml").write_text("# policy\n")
    film = directory / "print" / "1.2.3" / "1.json"
    film.parent.mkdir(parents=True)
    film.write_text("{}")
    app.services.nodes.add(Node("ELSEWHERE", "10.0.0.1", 104, "Größe"))


def back_up(app: App, target: Path, blobs: BlobStore | None = None) -> Summary:
    """Make a backup; return what it tells of itself."""
    into = BackupDirectory.make(target)
    service = backup_service(app.index, blobs or app.blobs, app.config.storage.directory)
    with closing(into.begin()) as draft:
        for _ in service.run(draft):
            pass
        made = draft.id
    return into.open(made).summary


def restored(target: Path, directory: Path, at: str = "") -> Restored:
    """Restore a backup; return what that tells."""
    *_, done = restore_archive(BackupDirectory(target).open(at), Config(storage=StorageConfig(directory=directory)))
    return done


def dump_of(directory: Path) -> list[bytes]:
    """Return all tables of an archive that nobody uses."""
    with closing(SqliteIndex(directory / "index.db")) as index:
        return list(IndexDumps(index).dump())


def objects_of(directory: Path) -> dict[str, bytes]:
    """Return the bytes of all objects of an archive by their paths."""
    place = directory / "objects"
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def kept_in(backup: StoredBackup) -> set[str]:
    """Return the paths of the other files that a backup holds."""
    return {file.path for file in backup.files()}


def path_of(app: App, uid: str) -> Path:
    """Return the file of an object."""
    stored = app.index.lookup(uid)
    assert stored is not None
    return app.config.storage.directory / "objects" / stored.path


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


DAMAGES: Final[dict[str, Callable[[Path], object]]] = {
    "a bit of the pixels": lambda path: _flip(path, -3),
    "a bit of the prefix": lambda path: _flip(path, 129),
    "the end": lambda path: path.write_bytes(path.read_bytes()[:-2]),
    "more than there was": lambda path: path.write_bytes(path.read_bytes() + b"\0\0"),
    "the file": lambda path: path.unlink(),
    "its directory": lambda path: shutil.rmtree(path.parent),
}
"""What a disk does to files."""
