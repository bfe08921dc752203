"""Tests of storage.lanes."""

import os
import threading
from pathlib import Path

import pytest

from archimage.errors import StorageError
from archimage.storage.lanes import Lane, Turn, recovery_turn, take_abandoned_lanes, take_free_lane


def test_each_taker_gets_a_lane_of_its_own_and_one_that_was_let_go_is_taken_again(tmp_path: Path) -> None:
    first, second = take_free_lane(tmp_path), take_free_lane(tmp_path)
    assert (first.name, second.name) == ("0", "1")
    first.close()
    third = take_free_lane(tmp_path)
    assert third.name == "0"
    assert third.journal_directory == tmp_path / "journal" / "0"
    second.close()
    third.close()


def test_only_lanes_that_nobody_holds_are_abandoned(tmp_path: Path) -> None:
    lanes = [take_free_lane(tmp_path) for _ in range(3)]
    lanes[0].close()
    lanes[2].close()
    abandoned = list(take_abandoned_lanes(tmp_path))
    assert [lane.name for lane in abandoned] == ["0", "2"]
    assert Lane.take(tmp_path, "2") is None
    for lane in (*abandoned, lanes[1]):
        lane.close()


def test_a_lane_is_let_go_when_its_holder_dies(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        take_free_lane(tmp_path)
        os._exit(0)
    os.waitpid(child, 0)
    lane = take_free_lane(tmp_path)
    assert lane.name == "0"
    lane.close()


def test_lanes_are_recovered_by_one_at_a_time_and_the_dead_hold_nobody_up(tmp_path: Path) -> None:
    entered, seen = threading.Event(), list[str]()

    def second() -> None:
        entered.set()
        with recovery_turn(tmp_path):
            seen.append("second")

    child = os.fork()
    if child == 0:
        with recovery_turn(tmp_path):
            os._exit(0)
    os.waitpid(child, 0)
    thread = threading.Thread(target=second)
    with recovery_turn(tmp_path):
        thread.start()
        entered.wait(10)
        thread.join(0.05)
        seen.append("first")
    thread.join(10)
    assert seen == ["first", "second"]


def test_one_at_a_time_has_a_turn(tmp_path: Path) -> None:
    first = Turn.take(tmp_path / "turn.lock")
    assert first is not None
    assert Turn.take(tmp_path / "turn.lock") is None
    first.close()
    second = Turn.take(tmp_path / "turn.lock")
    assert second is not None
    second.close()
    with pytest.raises(StorageError, match=r"open turn\.lock"):
        Turn.take(tmp_path / "absent" / "turn.lock")


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    with pytest.raises(StorageError, match="open lane 0"):
        take_free_lane(tmp_path)


def test_there_is_an_end_to_lanes(tmp_path: Path) -> None:
    held = [take_free_lane(tmp_path) for _ in range(512)]
    with pytest.raises(StorageError, match="512 processes"):
        take_free_lane(tmp_path)
    for lane in held:
        lane.close()
