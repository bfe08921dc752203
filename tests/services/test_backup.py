"""What is in a backup comes back as it was; what happens while one is made harms neither it nor the archive."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archimage.app import App
from archimage.errors import ConfigError, ConflictError, IntegrityError, NotFoundError, OutOfResourcesError
from archimage.model.backups import KeptObject, ObjectRow, decode_file, decode_object, encode_object
from archimage.model.records import StoredInstance
from archimage.services.backup import Known
from archimage.services.restoring import Restored
from archimage.services.restoring import verify as read_all
from archimage.storage.backups import BackupDirectory
from archimage.storage.belongings import FilesystemBelongings
from archimage.storage.filesystem import FileReader, FilesystemBlobStore
from tests.services.keeping import (
    DAMAGES,
    Meddling,
    back_up,
    dump_of,
    furnish,
    kept_in,
    objects_of,
    opened,
    path_of,
    restored,
    store,
)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """An open archive of five objects, and of something of everything else."""
    with opened(tmp_path / "data") as archive:
        store(archive, 5)
        furnish(archive)
        yield archive


def test_every_object_and_every_table_comes_back_as_it_was(app: App, tmp_path: Path) -> None:
    summary = back_up(app, tmp_path / "backups")
    before = objects_of(tmp_path / "data")
    assert (summary.totals.objects, summary.totals.copied, summary.totals.problems) == (5, 5, [])
    done = restored(tmp_path / "backups", tmp_path / "new")
    assert (done.objects, done.damaged) == (5, 0)
    assert objects_of(tmp_path / "new") == before
    assert len(before) == 5
    assert dump_of(tmp_path / "new") == dump_of(tmp_path / "data")


def test_what_stands_in_other_files_comes_back_with_its_permissions(app: App, tmp_path: Path) -> None:
    back_up(app, tmp_path / "backups")
    restored(tmp_path / "backups", tmp_path / "new")
    for name in ("deidentification/trial.secret", "access.toml", "print/1.2.3/1.json", "audit/signing.key"):
        old, new = tmp_path / "data" / name, tmp_path / "new" / name
        assert new.read_bytes() == old.read_bytes(), name
        assert new.stat().st_mode == old.stat().st_mode, name


def test_what_can_be_made_again_and_what_is_of_this_moment_stays_out(app: App, tmp_path: Path) -> None:
    cache = tmp_path / "data" / "cache" / "metadata" / "x"
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_bytes(b"made")
    back_up(app, tmp_path / "backups")
    tops = {path.split("/")[0] for path in kept_in(BackupDirectory(tmp_path / "backups").open())}
    assert tops - {"audit-heads"} == {"access.toml", "audit", "deidentification", "print"}


def test_a_restored_archive_takes_and_gives_objects(app: App, tmp_path: Path) -> None:
    back_up(app, tmp_path / "backups")
    restored(tmp_path / "backups", tmp_path / "new")
    with opened(tmp_path / "new") as again:
        assert again.index.counts().instances == 5
        assert [node.ae_title for node in again.services.nodes.all()] == ["ELSEWHERE"]
        store(again, 2)
        assert again.index.counts().instances == 7


def test_the_next_backup_copies_only_what_is_new(app: App, tmp_path: Path) -> None:
    back_up(app, tmp_path / "backups")
    store(app, 2)
    second = back_up(app, tmp_path / "backups")
    assert (second.totals.objects, second.totals.copied) == (7, 2)
    assert restored(tmp_path / "backups", tmp_path / "new").objects == 7


def test_an_older_backup_can_be_restored_too(app: App, tmp_path: Path) -> None:
    first = back_up(app, tmp_path / "backups")
    state = dump_of(tmp_path / "data")
    store(app, 2)
    back_up(app, tmp_path / "backups")
    assert restored(tmp_path / "backups", tmp_path / "old", first.id).objects == 5
    assert dump_of(tmp_path / "old") == state
    with pytest.raises(NotFoundError, match="no backup 2001"):
        BackupDirectory(tmp_path / "backups").open("2001")


def test_what_is_removed_while_it_is_copied_is_left_out_with_its_row(app: App, tmp_path: Path) -> None:
    (uid,) = store(app)
    blobs = Meddling(tmp_path / "data", lambda: _remove(app, uid))
    summary = back_up(app, tmp_path / "backups", blobs)
    assert (summary.totals.objects, summary.totals.problems) == (5, [])
    restored(tmp_path / "backups", tmp_path / "new")
    assert dump_of(tmp_path / "new") == dump_of(tmp_path / "data")
    assert objects_of(tmp_path / "new") == objects_of(tmp_path / "data")


def test_what_is_removed_in_every_round_is_noted_and_its_row_goes(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archimage.services.backup.ROUNDS", 1)
    (uid,) = store(app)
    summary = back_up(app, tmp_path / "backups", Meddling(tmp_path / "data", lambda: _remove(app, uid)))
    assert (summary.totals.objects, summary.totals.removed, summary.totals.problems) == (5, 1, [])
    assert restored(tmp_path / "backups", tmp_path / "new").damaged == 0
    with opened(tmp_path / "new") as again:
        assert again.index.lookup(uid) is None
        assert again.index.counts().instances == 5


def test_what_is_stored_while_it_is_made_waits_for_the_next_one(app: App, tmp_path: Path) -> None:
    back_up(app, tmp_path / "backups", Meddling(tmp_path / "data", lambda: store(app, 3)))
    assert restored(tmp_path / "backups", tmp_path / "new").objects == 5
    assert back_up(app, tmp_path / "backups").totals.copied == 3


def _remove(app: App, uid: str) -> None:
    app.services.removal.remove_instance("1.2.826.0.1.3680043.8.499.1", "1.2.826.0.1.3680043.8.499.2", uid)


def test_a_backup_that_is_interrupted_leaves_the_former_ones_and_what_was_copied(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archimage.services.backup._BATCH", 2)
    first = back_up(app, tmp_path / "backups")
    store(app, 9)
    opening = iter(range(100))

    class Failing(FilesystemBlobStore):
        def open(self, path: str, size_bytes: int | None = None) -> FileReader:
            if next(opening) == 5:
                raise OutOfResourcesError("the disk is full")
            return super().open(path, size_bytes)

    with pytest.raises(OutOfResourcesError):
        back_up(app, tmp_path / "backups", Failing(tmp_path / "data", "failing"))
    assert BackupDirectory(tmp_path / "backups").ids() == [first.id]
    assert restored(tmp_path / "backups", tmp_path / "old").objects == 5
    again = back_up(app, tmp_path / "backups")
    assert (again.totals.objects, again.totals.copied) == (14, 4)  # the last batch that was whole stays
    assert [path.name for path in (tmp_path / "backups" / "backups").iterdir() if path.name != first.id] == [again.id]
    assert restored(tmp_path / "backups", tmp_path / "new").damaged == 0
    assert objects_of(tmp_path / "new") == objects_of(tmp_path / "data")


def test_of_two_at_once_the_second_is_refused(app: App, tmp_path: Path) -> None:
    target = BackupDirectory.make(tmp_path / "backups")
    with closing(target.begin()), pytest.raises(ConflictError, match="another backup"):
        target.begin()
    assert back_up(app, tmp_path / "backups").totals.objects == 5


@pytest.mark.parametrize("damage", ["a bit of the pixels", "the file"])
def test_a_damaged_object_is_told_and_taken_from_an_earlier_backup(app: App, tmp_path: Path, damage: str) -> None:
    (uid,) = store(app)
    back_up(app, tmp_path / "backups")
    whole = path_of(app, uid).read_bytes()
    DAMAGES[damage](path_of(app, uid))
    assert back_up(app, tmp_path / "backups").totals.problems == []  # it is not even read again
    restored(tmp_path / "backups", tmp_path / "new")
    assert whole in objects_of(tmp_path / "new").values()
    elsewhere = back_up(app, tmp_path / "elsewhere")
    assert (elsewhere.totals.damaged, elsewhere.totals.missing) == ((1, 0), (0, 1))[damage == "the file"]
    assert len(elsewhere.totals.problems) == 1
    assert restored(tmp_path / "elsewhere", tmp_path / "worse").damaged == 1


def test_verification_finds_every_bit(app: App, tmp_path: Path) -> None:
    summary = back_up(app, tmp_path / "backups")
    target = BackupDirectory(tmp_path / "backups")
    assert _verified(target).damaged == 0
    assert _verified(target).objects == len({kept.sha256 for kept in target.open().objects()}) == 5
    flipped, gone, *_ = sorted(target.content(kept.sha256) for kept in target.open().objects())
    DAMAGES["a bit of the pixels"](flipped)
    gone.unlink()
    assert _verified(target).damaged == 2
    done = restored(tmp_path / "backups", tmp_path / "new")
    assert (done.objects, done.damaged) == (3, 2)
    assert len(objects_of(tmp_path / "new")) == 3
    DAMAGES["a bit of the pixels"](tmp_path / "backups" / "backups" / summary.id / "index.gz")
    assert any("index.gz" in problem for problem in _verified(target).problems)
    with pytest.raises(IntegrityError, match=r"index\.gz"):
        restored(tmp_path / "backups", tmp_path / "never")


def _verified(target: BackupDirectory) -> Restored:
    *_, done = read_all(target.all())
    return done


def test_backups_that_are_pruned_take_along_only_what_no_other_one_needs(app: App, tmp_path: Path) -> None:
    (uid,) = store(app)
    back_up(app, tmp_path / "backups")
    _remove(app, uid)
    last = back_up(app, tmp_path / "backups")
    target = BackupDirectory(tmp_path / "backups")
    with closing(target.begin()), pytest.raises(ConflictError):
        target.prune(1)
    removed = target.prune(1)
    assert (removed.backups, target.ids()) == (1, [last.id])
    assert removed.contents >= 1
    assert target.prune(1) == (0, 0, 0)
    assert _verified(target).damaged == 0
    assert restored(tmp_path / "backups", tmp_path / "new").objects == 5


def test_a_directory_that_holds_something_is_neither_a_target_nor_restored_into(app: App, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="something else"):
        BackupDirectory.make(other)
    with pytest.raises(ConfigError, match="holds no backups"):
        BackupDirectory(other)
    back_up(app, tmp_path / "backups")
    for place in (other, tmp_path / "data"):
        with pytest.raises(ConfigError, match=r"not empty|in use"):
            restored(tmp_path / "backups", place)
    assert (other / "thesis.txt").read_text() == "mine"


def test_an_archive_that_is_half_restored_is_not_opened_and_is_restored_anew(app: App, tmp_path: Path) -> None:
    back_up(app, tmp_path / "backups")
    content = next(iter(BackupDirectory(tmp_path / "backups").open().files()))
    index = tmp_path / "backups" / "backups" / BackupDirectory(tmp_path / "backups").ids()[0] / "index.gz"
    kept = index.read_bytes()
    index.write_bytes(kept[:-1])
    with pytest.raises(IntegrityError):
        restored(tmp_path / "backups", tmp_path / "new")
    with pytest.raises(ConfigError, match="not restored to its end"), opened(tmp_path / "new"):
        pass
    index.write_bytes(kept)
    assert restored(tmp_path / "backups", tmp_path / "new").objects == 5
    assert (tmp_path / "new" / content.path).exists()
    with opened(tmp_path / "new") as again:
        assert again.index.counts().instances == 5


OUTSIDE = ("../escaped", "/etc/escaped", "a/../../escaped", "", "a\0b")


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_file_outside_is_not_written(tmp_path: Path, path: str) -> None:
    with pytest.raises(IntegrityError, match="no file of an archive"):
        FilesystemBelongings(tmp_path / "new").write(path, [b"x"], 0o644)


@pytest.mark.parametrize("name", ["objects", "files", "index"])
def test_a_backup_that_names_a_file_outside_is_refused_whichever_of_its_lists_does(
    app: App, tmp_path: Path, name: str
) -> None:
    summary = back_up(app, tmp_path / "backups")
    for path in OUTSIDE:
        _forge(tmp_path / "backups" / "backups" / summary.id, name, path)
        with pytest.raises(IntegrityError, match="no file of an archive"):
            restored(tmp_path / "backups", tmp_path / "new")
        assert not list(tmp_path.rglob("escaped"))
        shutil.rmtree(tmp_path / "new")


def test_a_summary_that_names_other_lists_is_refused(app: App, tmp_path: Path) -> None:
    summary = back_up(app, tmp_path / "backups")
    file = tmp_path / "backups" / "backups" / summary.id / "backup.json"
    file.write_text(file.read_text().replace('"files.gz"', '"../../elsewhere.gz"'))
    with pytest.raises(IntegrityError, match="summary"):
        BackupDirectory(tmp_path / "backups").open()


@pytest.mark.parametrize("digest", ["ab", "../" * 21 + "a", "AB" * 32, 7])
def test_bytes_are_named_by_nothing_but_digests(digest: object) -> None:
    line = b'{"path": "a", "sha256": %s, "size_bytes": 1, "mode": 420}' % json.dumps(digest).encode()
    with pytest.raises(IntegrityError, match="damaged"):
        decode_file(line)


def _forge(backup: Path, name: str, path: str) -> None:
    """Have a list name a path, with all that tells that the list is whole."""
    lines = [json.loads(line) for line in gzip.decompress((backup / f"{name}.gz").read_bytes()).splitlines()]
    if name == "index":
        at = next(number for number, line in enumerate(lines) if "table" in line and line["table"] == "instance")
        lines[at + 1][lines[at]["columns"].index("file_path")] = path
    else:
        lines[0]["path"] = path
    told = gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    (backup / f"{name}.gz").write_bytes(told)
    summary = json.loads((backup / "backup.json").read_text())
    summary[name] |= {"sha256": hashlib.sha256(told).hexdigest(), "size_bytes": len(told)}
    (backup / "backup.json").write_text(json.dumps(summary))


def test_a_backup_of_a_newer_archimage_is_refused(app: App, tmp_path: Path) -> None:
    summary = back_up(app, tmp_path / "backups")
    file = tmp_path / "backups" / "backups" / summary.id / "backup.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"format": 2}))
    with pytest.raises(IntegrityError, match="newer"):
        BackupDirectory(tmp_path / "backups").open()
    (tmp_path / "backups" / "archimage-backups.json").write_text('{"format": 2}')
    with pytest.raises(ConfigError, match="newer"):
        BackupDirectory(tmp_path / "backups")


def test_what_is_known_is_found_in_lists_of_any_order_of_runs() -> None:
    def kept(pk: int, digest: bytes) -> KeptObject:
        return KeptObject(ObjectRow(pk, StoredInstance(f"1.{pk}", "1", "1", f"{pk}.dcm", 9, 4, digest)), "ab" * 32, 9)

    first = [kept(pk, b"a") for pk in (1, 2, 5, 9)]
    second = [kept(2, b"b"), kept(9, b"a")]
    known = Known([iter(first), iter(second)])
    assert known.of(kept(2, b"b").row) == [kept(2, b"b")]
    assert known.of(kept(4, b"a").row) == []
    assert known.of(kept(9, b"a").row) == [kept(9, b"a")] * 2
    assert known.of(kept(10, b"a").row) == []
    assert decode_object(encode_object(first[0])) == first[0]
