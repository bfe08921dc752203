"""Events as values."""

from archimage.protocol.events import Aborted, DataReceived


def test_the_words_for_the_log_make_no_difference() -> None:
    assert Aborted(2, 6, by_peer=False, detail="one") == Aborted(2, 6, by_peer=False, detail="other")


def test_data_is_compared_by_its_bytes() -> None:
    assert DataReceived(1, memoryview(b"abc"), True) == DataReceived(1, memoryview(bytearray(b"abc")), True)
    assert DataReceived(1, memoryview(b"abc"), True) != DataReceived(1, memoryview(b"abd"), True)
