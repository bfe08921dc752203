"""Tests of storage.journal: what is committed is replayed, whatever else happens."""

import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archimage.errors import OutOfResourcesError, StorageError
from archimage.ports.journal import JournalEntry, Replay
from archimage.storage.journal import Commit, Journal, committed, replay, retire, segments
from tests.storage.faults import divert, file_size_limit

_SEGMENT = 1 << 20
_LIMIT = 128 << 10


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "journal"


def _open(directory: Path, *, durable: bool = True) -> Journal:
    return Journal(directory, segment_bytes=_SEGMENT, durable=durable)


def _keep(journal: Journal, *data: bytes) -> None:
    """Commit a group."""
    journal.commit([JournalEntry(b"payload", one) for one in data]).applied()


def _keep_many(journal: Journal) -> None:
    """Keep more than all segments hold."""
    for _ in range(200):
        _keep(journal, bytes(100_000))


def _replayed(directory: Path) -> list[bytes]:
    """Return the data of every commit."""
    return _data_of(replay(directory))


def _data_of(commits: Replay) -> list[bytes]:
    found = list(commits)
    assert {payload for payload, _ in found} <= {b"payload"}
    return [data for _, data in found]


def test_what_is_committed_is_replayed_in_order(directory: Path) -> None:
    journal = _open(directory)
    for data in (b"one", b"two"):
        _keep(journal, data)
    journal.close()
    assert _replayed(directory) == [b"one", b"two"]


def test_a_group_is_committed_together(directory: Path) -> None:
    journal = _open(directory)
    group = [bytes((number,)) * 5_000 for number in range(70)]
    _keep(journal, *group)
    journal.close()
    assert _replayed(directory) == group


def test_a_checkpoint_gives_the_room_back(directory: Path) -> None:
    journal = _open(directory)
    asked: list[bool] = []
    journal.on_sealed = lambda: asked.append(True)
    for number in range(60):
        _keep(journal, bytes((number,)) * 60_000)
    assert asked
    checkpoint = journal.seal()
    assert not checkpoint.is_empty
    assert sum(1 for _ in checkpoint.replay()) == 60
    checkpoint.recycle()
    assert journal.seal().is_empty
    assert _replayed(directory) == []
    before = segments(directory)
    _keep(journal, b"after")
    assert sorted(segments(directory)) == sorted(before)
    journal.close()
    assert _replayed(directory) == [b"after"]


def test_a_checkpoint_waits_until_its_commits_are_applied(directory: Path) -> None:
    journal = _open(directory)
    commit = journal.commit([JournalEntry(b"payload", b"slow")])
    sealed = threading.Event()

    def seal() -> None:
        journal.seal()
        sealed.set()

    thread = threading.Thread(target=seal)
    thread.start()
    assert not sealed.wait(0.1)
    commit.applied()
    assert sealed.wait(5)
    thread.join()
    journal.close()


def test_what_is_revoked_is_not_replayed(directory: Path) -> None:
    journal = _open(directory)
    commit = journal.commit([JournalEntry(b"payload", b"no")])
    commit.revoke()
    commit.applied()
    _keep(journal, b"yes")
    journal.close()
    assert _replayed(directory) == [b"yes"]


@pytest.mark.parametrize("device", ["/dev/full", "/dev/null"], ids=["write", "flush"])
def test_a_failed_commit_does_not_count_and_its_segment_is_never_used_again(directory: Path, device: str) -> None:
    journal = _open(directory)
    _keep(journal, b"before")
    (broken,) = segments(directory)
    divert(broken, device)
    with pytest.raises(StorageError) if device == "/dev/null" else pytest.raises(OutOfResourcesError):
        _keep(journal, b"refused")
    _keep(journal, b"after")
    assert _replayed(directory) == [b"before", b"after"]
    journal.seal().recycle()
    assert broken not in segments(directory)
    _keep(journal, b"last")
    journal.close()
    assert _replayed(directory) == [b"last"]


def test_a_segment_that_cannot_be_used_again_is_removed(directory: Path) -> None:
    journal = _open(directory)
    _keep(journal, b"x")
    (broken,) = segments(directory)
    divert(broken, "/dev/full")
    journal.seal().recycle()
    assert broken not in segments(directory)
    _keep(journal, b"y")
    journal.close()
    assert _replayed(directory) == [b"y"]


def test_a_full_disk_refuses_and_is_tried_again(directory: Path) -> None:
    journal = _open(directory)
    with file_size_limit(_SEGMENT // 2):
        with pytest.raises(OutOfResourcesError):
            _keep_many(journal)
        with pytest.raises(OutOfResourcesError):
            journal.prepare()
    _keep(journal, b"room again")
    journal.close()
    assert _replayed(directory)[-1] == b"room again"


def test_nobody_waits_for_room_that_a_checkpoint_failed_to_make(directory: Path) -> None:
    journal = _open(directory)
    journal.on_sealed = lambda: threading.Thread(target=lambda: journal.seal().give_up()).start()
    with pytest.raises(OutOfResourcesError, match="full"):
        _keep_many(journal)
    journal.seal().recycle()
    _keep(journal, b"room again")
    journal.close()
    assert _replayed(directory)[-1] == b"room again"


def test_a_group_of_the_promised_size_fits_and_one_larger_than_a_segment_is_refused(directory: Path) -> None:
    journal = _open(directory)
    _keep(journal, bytes(journal.group_bytes))
    with pytest.raises(OutOfResourcesError, match="do not fit"):
        _keep(journal, bytes(2 * _SEGMENT))
    journal.close()


def test_a_segment_is_at_hand_once_prepared(directory: Path) -> None:
    journal = _open(directory)
    journal.prepare()
    journal.prepare()
    assert len(segments(directory)) == 2
    journal.close()


def test_relaxed_durability_survives_the_end_of_the_process(directory: Path) -> None:
    journal = _open(directory, durable=False)
    _keep(journal, b"x")
    journal.close()
    assert _replayed(directory) == [b"x"]


def test_segments_are_adopted_after_they_were_retired_and_those_of_another_size_are_not(directory: Path) -> None:
    journal = _open(directory)
    _keep(journal, b"old")
    journal.close()
    (directory / "odd.journal").write_bytes(bytes(4096))
    retire(directory)
    assert _replayed(directory) == []
    journal = _open(directory)
    assert [path.name == "odd.journal" for path in segments(directory)] == [False]
    _keep(journal, b"new")
    journal.close()
    assert _replayed(directory) == [b"new"]


def test_a_journal_that_cannot_be_made_is_told(directory: Path) -> None:
    with file_size_limit(_SEGMENT // 2), pytest.raises(OutOfResourcesError, match="make the ingest journal"):
        _open(directory)


class _Model:
    """A journal and what it should hold."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.journal = _open(directory)
        self.committed: list[bytes] = []
        self._count = 0

    def keep(self, sizes: Sequence[int]) -> None:
        """Commit a group."""
        group = []
        for size in sizes:
            self._count += 1
            group.append(self._count.to_bytes(4) * (size // 4))
        _keep(self.journal, *group)
        self.committed += group

    def revoke(self, sizes: Sequence[int]) -> None:
        """Commit a group and take it back."""
        commit = self.journal.commit([JournalEntry(b"payload", b"gone" * (size // 4)) for size in sizes])
        commit.revoke()
        commit.applied()

    def checkpoint(self, _sizes: Sequence[int]) -> None:
        """Make everything durable elsewhere."""
        self.journal.seal().recycle()
        self.committed.clear()

    def crash(self, _sizes: Sequence[int]) -> None:
        """Lose the process, replay, and begin anew."""
        self.journal.close()
        assert _replayed(self.directory) == self.committed
        retire(self.directory)
        self.committed.clear()
        self.journal = _open(self.directory)


_STEPS: list[Callable[[_Model, Sequence[int]], None]] = [
    _Model.keep,
    _Model.keep,
    _Model.revoke,
    _Model.checkpoint,
    _Model.crash,
]


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(_STEPS), st.lists(st.integers(4, _LIMIT), min_size=1, max_size=4)), max_size=20
    )
)
def test_whatever_happens_exactly_what_was_committed_is_replayed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Callable[[_Model, Sequence[int]], None], list[int]]]
) -> None:
    model = _Model(tmp_path_factory.mktemp("journal") / "journal")
    for step, sizes in steps:
        step(model, sizes)
    model.crash([])
    model.journal.close()


def test_many_threads_commit_beside_checkpoints_and_lose_nothing(directory: Path) -> None:
    journal = _open(directory)
    due, ended = threading.Event(), threading.Event()
    journal.on_sealed = due.set
    kept: list[bytes] = []
    durable: list[bytes] = []

    def send(number: int) -> None:
        sizes = random.Random(number)  # noqa: S311 - sizes
        for count in range(60):
            data = f"{number}.{count}.".encode() * sizes.randrange(1, 8_000)
            commit: Commit = journal.commit([JournalEntry(b"payload", data)])
            kept.append(data)
            commit.applied()

    def checkpoint() -> None:
        while not ended.is_set() or due.is_set():
            due.wait(0.05)
            due.clear()
            sealed = journal.seal()
            durable.extend(_data_of(sealed.replay()))
            sealed.recycle()

    checkpointing = threading.Thread(target=checkpoint)
    senders = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in (checkpointing, *senders):
        thread.start()
    for thread in senders:
        thread.join(60)
    ended.set()
    checkpointing.join(60)
    journal.close()
    assert sorted(durable + _replayed(directory)) == sorted(kept)


def test_the_payloads_of_all_lanes_are_read_while_they_are_in_use(tmp_path: Path) -> None:
    journals = [_open(tmp_path / "journal" / name) for name in ("0", "1")]
    for number, journal in enumerate(journals):
        journal.commit([JournalEntry(b"of lane %d" % number, b"data")]).applied()
    assert sorted(committed(tmp_path)) == [b"of lane 0", b"of lane 1"]
    journals[0].seal().recycle()
    assert list(committed(tmp_path)) == [b"of lane 1"]
    for journal in journals:
        journal.close()


def test_journals_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="read the ingest journals"):
        list(committed(tmp_path))
