"""Objects that are sent to an object store before they are accepted, while other nodes delete and send there too."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from queue import SimpleQueue

import pytest

from archimage.config_object_store import ObjectStoreConfig
from archimage.dicom.scan import ScanLimits
from archimage.errors import DuplicateInstanceError, UnavailableError
from archimage.index.sqlite import SqliteIndex
from archimage.services.derived import Derived
from archimage.services.intake import Answer, Arrival, Intake, Outcome
from archimage.services.layout import Layout
from archimage.services.room import Room
from archimage.services.spooling import REMEMBERED_S, Pace, SpoolService
from archimage.services.store import Durability, StoreService
from archimage.storage.cache import FilesystemCache
from archimage.storage.filesystem import FilesystemBlobStore
from archimage.storage.journal import Journal
from archimage.storage.remote.store import RemoteObjects
from archimage.storage.spooled import SpooledBlobStore
from tests.attacks.datasets import dataset, new_uid
from tests.services.parts import expected


class HoldingIntake(Intake):
    """Lets what was sent ahead wait until a test has done something."""

    held: "SimpleQueue[Arrival]"

    def submit(self, arrival: Arrival) -> None:
        """Keep it."""
        self.held.put(arrival)

    def take(self, arrival: Arrival) -> None:
        """Go on with one that was kept."""
        super().submit(arrival)


class Node:
    """One of several, over one index and one object store."""

    def __init__(self, directory: Path, index: SqliteIndex, remote: RemoteObjects, held: ExitStack) -> None:
        self.directory, self.index, self.remote = directory, index, remote
        files = FilesystemBlobStore(directory, "0")
        self.blobs = held.enter_context(closing(SpooledBlobStore(directory, files, remote)))
        journal = held.enter_context(closing(Journal(directory / "journal" / "0", segment_bytes=1 << 20)))
        cache = FilesystemCache(directory / "derived", 1 << 20), FilesystemCache(directory / "transcoded", 1 << 20)
        self.intake = HoldingIntake(self.blobs, journal, index, Derived(*cache), replace=False)
        self.intake.held = SimpleQueue()
        held.enter_context(closing(self.intake))
        self.store = StoreService(
            self.blobs,
            self.intake,
            Durability(1 << 20, flush=True),
            Layout.UID,
            ScanLimits(),
            lambda _event: None,
            Room(directory, 0),
        )
        self.now = 1_000.0
        self.spool = SpoolService(
            self.blobs, index, lambda: None, self.blobs.uploading, Pace(8.0), now=lambda: self.now
        )

    def begin(self, uid: str, data: bytes) -> "SimpleQueue[Answer]":
        """Have an object sent ahead; what becomes of it comes after `let_go`."""
        answers: SimpleQueue[Answer] = SimpleQueue()
        self.store.begin(expected(uid)).finish([data], answers.put)
        self._sent = self.intake.held.get(timeout=10)
        return answers

    def let_go(self) -> None:
        """Go on with what was sent ahead."""
        self.intake.take(self._sent)

    def sweep(self) -> None:
        """Delete in the object store what is to be deleted there, and what was sent ahead long ago."""
        for path in (self.directory / "ahead").iterdir():
            os.utime(path, (1, 1))
        while self.spool.work():
            pass

    def kept(self, uid: str) -> bytes:
        """Return what the object store has of an instance."""
        stored = self.index.lookup(uid)
        assert stored is not None
        return self.remote.get(stored.path, stored.data_set_offset, stored.size_bytes).data


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """Two nodes that acknowledge what the object store has, and keep nothing themselves."""
    with ExitStack() as held:
        index = held.enter_context(closing(SqliteIndex(tmp_path / "index.db")))
        remote = RemoteObjects(ObjectStoreConfig(url="memory://", mode="write-through", cache_bytes=0))
        yield Node(tmp_path / "one", index, remote, held), Node(tmp_path / "two", index, remote, held)


def _stored(answers: "SimpleQueue[Answer]") -> str:
    """Return the path of what was stored."""
    answer = answers.get(timeout=10)
    assert isinstance(answer, Outcome)
    assert answer.kind == "stored"
    return answer.record.path


def _is_noted(node: Node, path: str) -> bool:
    with node.index.writing() as writer:
        return writer.deletions([path]) == {path}


def test_what_another_node_deletes_before_it_is_accepted_is_sent_elsewhere(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    uid, data, answers, path = _sent_and_deleted(one, other)
    other.sweep()
    assert _keys(one) == []
    one.let_go()
    assert _stored(answers) != path  # the object store may carry out the deletion once more
    assert one.kept(uid) == data


def test_what_is_about_to_be_deleted_when_it_is_accepted_stays(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    uid, data, answers, path = _sent_and_deleted(one, other)
    one.let_go()
    assert _stored(answers) == path
    other.sweep()
    assert one.kept(uid) == data
    assert not _is_noted(one, path)
    assert not list((other.directory / "removed").iterdir())


def test_of_two_that_are_sent_to_one_path_neither_writes_over_the_other(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    uid = new_uid()
    first, second = dataset(uid, pixels=b"first "), dataset(uid, pixels=b"second")
    of_first, of_second = one.begin(uid, first), other.begin(uid, second)
    (path,) = _keys(one)
    other.let_go()
    elsewhere = _stored(of_second)
    assert elsewhere != path
    assert one.remote.get(path, 0, 9_999).data.endswith(b"first ")
    one.let_go()
    assert isinstance(of_first.get(timeout=10), DuplicateInstanceError)
    one.sweep()
    other.sweep()
    assert _keys(one) == [elsewhere]
    assert one.kept(uid) == second


def test_what_is_sent_again_while_it_is_being_deleted_is_not_left_there(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a refusal: whoever was refused sends again at once, and what was sent before is deleted meanwhile."""
    node, _ = nodes
    uid = new_uid()
    data, began = dataset(uid), []
    node.begin(uid, data)
    (path,) = _keys(node)
    node.blobs.delete(path)
    delete = node.remote.delete

    def deleting(paths: Sequence[str]) -> None:
        delete(paths)
        began.append(node.begin(uid, data))

    with monkeypatch.context() as patched:
        patched.setattr(node.remote, "delete", deleting)
        assert node.spool.work()
    node.let_go()
    elsewhere = _stored(began.pop())
    assert set(_keys(node)) == {path, elsewhere}
    node.sweep()
    assert _keys(node) == [elsewhere]
    assert node.kept(uid) == data


def test_a_deletion_is_noted_before_the_object_store_is_told_and_for_hours_after(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, _ = nodes
    first, second = _removed(node), _removed(node)

    def refuse(_paths: object) -> None:
        raise UnavailableError("it is away")

    with monkeypatch.context() as patched:
        patched.setattr(node.blobs, "remove", refuse)
        with pytest.raises(UnavailableError):
            node.spool.work()
    assert _is_noted(node, first)
    assert set(_keys(node)) == {first, second}
    node.now += REMEMBERED_S - 1
    node.sweep()
    assert _keys(node) == []
    assert _is_noted(node, first)
    node.now += REMEMBERED_S + 1
    third = _removed(node)
    node.sweep()
    assert not _is_noted(node, first)
    assert _is_noted(node, third)


def _sent_and_deleted(one: Node, other: Node) -> tuple[str, bytes, "SimpleQueue[Answer]", str]:
    """Have a node send an object ahead, and another one about to delete it; return UID, data, answers, and path."""
    uid = new_uid()
    data = dataset(uid)
    answers = one.begin(uid, data)
    (path,) = _keys(one)
    other.blobs.delete(path)
    return uid, data, answers, path


def _removed(node: Node) -> str:
    """Store an object and remove it; return its path, at which the object store has it still."""
    uid = new_uid()
    answers = node.begin(uid, dataset(uid))
    node.let_go()
    path = _stored(answers)
    node.index.remove([uid])
    node.blobs.delete(path)
    return path


def _keys(node: Node) -> list[str]:
    return list(node.remote.paths())
