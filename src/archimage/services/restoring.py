"""Restoring an archive from a backup, and looking whether backups can be restored.

Objects come first, then the other files, and the index last: until all is there, there is no archive. What the backup
has lost is told, and does not keep the rest from being restored: its row stays, so that the scrubber tells of it until
there is another copy.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from archimage.errors import IntegrityError
from archimage.model.backups import KeptObject
from archimage.model.tiers import hot_path
from archimage.ports.backup import Backup, Belongings
from archimage.ports.storage import BlobStore

_STEP: Final = 64  # objects between two looks at how far it is
_PROBLEMS: Final = 1000

FillIndex = Callable[[Iterator[bytes], Iterable[str]], None]
"""Makes the index of the lines of a dump, without the instances of these UIDs."""


@dataclass(slots=True)
class Restored:
    """How far a restoration, or a verification, is; problems name what is damaged, at most a thousand."""

    objects: int = 0
    files: int = 0
    size_bytes: int = 0
    damaged: int = 0
    problems: list[str] = field(default_factory=list)

    def tell(self, name: str, reason: str) -> None:
        """Note a problem."""
        self.damaged += 1
        if len(self.problems) < _PROBLEMS:
            self.problems.append(f"{name}: {reason}")


def restore(backup: Backup, blobs: BlobStore, belongings: Belongings, fill: FillIndex) -> Iterator[Restored]:
    """Restore a backup into an archive that holds nothing; yield the same Restored as it grows.

    Raises:
        IntegrityError: a list of the backup or its dump is damaged.
        OutOfResourcesError: there is no room.
    """
    done, removed = Restored(), []
    for kept in backup.objects():
        if kept.state == "removed":
            removed.append(kept.row.stored.sop_instance_uid)
        else:
            _restore_object(backup, blobs, kept, done)
        if not done.objects % _STEP:
            yield done
    for file in backup.files():
        try:
            belongings.write(file.path, backup.read(file.sha256), file.mode)
        except IntegrityError as error:
            done.tell(file.path, str(error))
            continue
        done.files += 1
        done.size_bytes += file.size_bytes
        yield done
    blobs.sync()
    fill(backup.index(), removed)
    yield done


def _restore_object(backup: Backup, blobs: BlobStore, kept: KeptObject, done: Restored) -> None:
    path = hot_path(kept.row.stored.path)
    if not kept.sha256:
        done.tell(path, "it was missing when the backup was made")
        return
    writer = blobs.create()
    try:
        for piece in backup.read(kept.sha256):
            writer.write([piece])
        writer.finish()
        writer.close()
        blobs.place(writer.name, path)
    except IntegrityError as error:
        writer.discard()
        done.tell(path, str(error))
        return
    except BaseException:
        writer.discard()
        raise
    done.objects += 1
    done.size_bytes += kept.size_bytes
    if kept.state:
        done.tell(path, "it was damaged when the backup was made")


def verify(backups: Iterable[Backup]) -> Iterator[Restored]:
    """Read everything that backups hold, and compare it with its digests; yield the same Restored as it grows.

    What several of them hold is read once.
    """
    done, seen = Restored(), set[bytes]()
    for backup in backups:
        try:
            for _ in backup.index():
                pass
            for kept in backup.objects():
                _check_object(backup, kept, seen, done)
                if not done.objects % _STEP:
                    yield done
            for file in backup.files():
                done.files += _is_sound(backup, file.sha256, file.path, seen, done)
                yield done
        except IntegrityError as error:
            done.tell(backup.summary.id, str(error))
    yield done


def _check_object(backup: Backup, kept: KeptObject, seen: set[bytes], done: Restored) -> None:
    if kept.sha256:
        done.objects += _is_sound(backup, kept.sha256, kept.row.stored.path, seen, done)


def _is_sound(backup: Backup, sha256: str, path: str, seen: set[bytes], done: Restored) -> bool:
    """Read bytes that were not read before; tell whether they were, and are well."""
    if (key := bytes.fromhex(sha256)) in seen:
        return False
    seen.add(key)
    try:
        done.size_bytes += sum(map(len, backup.read(sha256)))
    except IntegrityError as error:
        done.tell(path, str(error))
        return False
    return True
