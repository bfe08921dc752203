"""The audit journal: chained, signed, and honest about what a crash or a disk did to it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from archimage.observe.audit.journal import HEAD_EVERY
from archimage.observe.audit.records import decode
from tests.audit.journals import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty place."""
    return Place(tmp_path)


@contextmanager
def no_file_longer_than(size_bytes: int) -> Iterator[None]:
    """Have the system refuse what goes beyond a size, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_written_verifies(place: Place) -> None:
    journal = place.open()
    journal.write([b"<a/>", b"<b/>"])
    journal.close()
    found = place.verify()
    assert (found.records, found.files, found.unsigned, found.torn_bytes, found.bad) == (5, 1, 0, 0, None)


def test_records_go_on_where_they_ended(place: Place) -> None:
    for number in range(3):
        journal = place.open()
        journal.write([b"<a n='%d'/>" % number])
        journal.close()
    assert place.verify().bad is None
    records = [decode(line) for line in place.lines()]
    assert [record.number for record in records if record] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [record.kind for record in records if record] == ["begin", "head", *["event", "head"] * 3]


def test_a_head_signs_at_most_a_thousand_records(place: Place) -> None:
    journal = place.open()
    for _ in range(26):
        journal.write([b"<a/>"] * 100)
        assert journal.unsigned <= HEAD_EVERY
    found = place.verify()
    assert found.bad is None
    assert 0 < found.unsigned == journal.unsigned <= HEAD_EVERY
    journal.close()
    assert place.verify().unsigned == 0


def test_a_long_journal_has_several_files(place: Place) -> None:
    journal = place.open(file_bytes=1_000)
    for _ in range(20):
        journal.write([b"<a/>"])
    journal.close()
    found = place.verify()
    assert found.bad is None
    assert found.files == len(place.files()) > 3


@pytest.mark.parametrize("cut", [1, 40, 150])
def test_what_a_crash_leaves_of_a_record_is_told_by_the_next_file(place: Place, cut: int) -> None:
    journal = place.open()
    journal.sign()
    journal.write([b"<a/>", b"<b/>"])
    (path,) = place.files()
    path.write_bytes(path.read_bytes()[:-cut])
    torn = place.verify()
    assert torn.bad is None
    assert torn.torn_bytes > 0

    again = place.open()
    assert again.torn_bytes == torn.torn_bytes
    again.write([b"<c/>"])
    again.close()
    found = place.verify()
    assert found.bad is None
    assert found.files == 2
    path.write_bytes(path.read_bytes()[:-1])
    changed = place.verify().bad
    assert changed is not None
    assert changed.reason == "the file before does not end as it says"


@pytest.mark.parametrize("left", range(0, 150, 30))
def test_a_file_whose_first_record_a_crash_cut_short_is_begun_again(place: Place, left: int) -> None:
    place.open().close()
    (first,) = place.files()
    (place.directory / "00000002.audit").write_bytes(first.read_bytes()[:left])
    assert place.verify().bad is None
    place.open().close()
    assert place.verify().bad is None


def test_a_signed_end_that_was_cut_off_is_told_for_good(place: Place) -> None:
    journal = place.open()
    journal.write([b"<a/>", b"<b/>"])
    journal.close()
    (path,) = place.files()
    path.write_bytes(b"".join(place.lines()[:3]))
    cut = place.verify().bad
    assert cut is not None
    assert (cut.number, cut.reason) == (4, "it is missing: a head says that there were 5")

    again = place.open()
    assert again.expected == 5
    again.write([b"<c/>"])
    again.close()
    still = place.verify().bad
    assert still is not None
    assert still.number == 4


def test_a_journal_that_is_gone_is_told(place: Place) -> None:
    journal = place.open()
    journal.write([b"<a/>"])
    journal.close()
    for path in place.files():
        path.unlink()
    found = place.verify()
    assert found.bad is not None
    assert found.bad.number == 1
    assert place.open().expected == 4


def test_a_damaged_end_does_not_keep_the_archive_from_starting(place: Place) -> None:
    journal = place.open()
    journal.write([b"<a/>"])
    journal.close()
    (path,) = place.files()
    path.write_bytes(path.read_bytes()[:-5] + b"0000\n")
    again = place.open()
    assert again.damaged
    again.close()
    found = place.verify().bad
    assert found is not None
    assert found.number == 4


def test_another_key_is_found(place: Place) -> None:
    journal = place.open()
    journal.write([b"<a/>"])
    journal.close()
    found = Place(place.root).verify().bad
    assert found is not None
    assert found.reason == "it was not signed with this key"


def test_a_group_that_the_disk_refuses_counts_for_nothing_and_can_be_written_later(place: Place) -> None:
    journal = place.open()
    journal.write([b"<a/>"])
    before = place.lines()
    with no_file_longer_than(100):
        for _ in range(3):
            with pytest.raises(OSError, match="too large"):
                journal.write([b"<b/>", b"<c/>"])
    assert place.lines() == before
    journal.write([b"<b/>", b"<c/>"])
    journal.close()
    assert place.verify().bad is None
    assert [line for line in place.lines() if b"<b/>" in line or b"<c/>" in line] != []


def test_a_head_that_is_gone_from_its_second_place_is_told_for_good(place: Place) -> None:
    journal = place.open()
    journal.write([b"<a/>"])
    journal.close()
    place.kept.unlink()
    again = place.open()
    assert again.damaged
    again.close()
    found = place.verify().bad
    assert found is not None
    assert found.number == 5


def test_a_head_that_cannot_be_kept_is_kept_later(place: Place) -> None:
    journal = place.open()
    journal.write([b"<a/>"])
    place.kept.unlink()
    place.kept.mkdir()
    for _ in range(3):
        with pytest.raises(OSError, match="directory"):
            journal.sign()
    place.kept.rmdir()
    journal.close()
    assert place.verify().bad is None
    assert [b" head " in line for line in place.lines()] == [False, True, False, True]


def test_heads_that_were_put_back_are_found(place: Place) -> None:
    journal = place.open()
    heads = []
    for _ in range(3):
        journal.write([b"<a/>"])
        journal.sign()
        heads.append(place.kept.read_bytes())
    journal.close()
    place.kept.write_bytes(heads[1])
    assert place.verify().bad is None  # a crash between the two places leaves it so
    place.kept.write_bytes(heads[0])
    found = place.verify().bad
    assert found is not None
    assert found.reason == "the head in the second place was put back to an older one"
    place.kept.unlink()
    assert place.verify().bad is not None
