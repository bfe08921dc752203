"""Frames: whatever the pieces they come in, and whatever comes instead."""

from hypothesis import given
from hypothesis import strategies as st

from archimage.hl7.framing import END, START, Frame, Misframed, Reader, TooLong

_TEXT = st.binary(max_size=60).map(lambda data: data.replace(b"\x0b", b"").replace(b"\x1c", b""))


def _framed(*messages: bytes) -> bytes:
    return b"".join(START + one + END for one in messages)


@given(st.lists(_TEXT, max_size=5), st.lists(st.integers(1, 40), max_size=20))
def test_messages_are_the_same_in_whatever_pieces_they_come(messages: list[bytes], cuts: list[int]) -> None:
    data, reader, found = _framed(*messages), Reader(100), []
    for size in [*cuts, 1 << 20]:
        found += reader.receive(data[:size])
        data = data[size:]
    assert found == [Frame(one) for one in messages]
    assert not reader.is_inside


@given(st.binary(max_size=300), st.integers(1, 50))
def test_whatever_comes_ends_in_events_and_no_more_is_held_than_the_limit(data: bytes, size: int) -> None:
    reader = Reader(64)
    for start in range(0, len(data), size):
        for event in reader.receive(data[start : start + size]):
            assert isinstance(event, Frame | TooLong | Misframed)
            assert not isinstance(event, Frame) or len(event.data) <= 64
        assert len(reader.head) <= 64 + size


@given(st.integers(65, 400), st.integers(1, 50))
def test_a_message_that_is_too_long_is_told_once_and_the_next_is_read(length: int, size: int) -> None:
    data, reader, found = _framed(b"MSH|" + b"x" * length, b"MSH|next"), Reader(64), []
    for start in range(0, len(data), size):
        found += reader.receive(data[start : start + size])
    first, second = found
    assert isinstance(first, TooLong)
    assert first.head.startswith(b"MSH|xxx")
    assert second == Frame(b"MSH|next")


def test_a_message_of_the_longest_length_is_taken() -> None:
    assert Reader(64).receive(_framed(b"x" * 64)) == [Frame(b"x" * 64)]


def test_what_never_ends_is_not_waited_for() -> None:
    reader, found = Reader(64), []
    reader.receive(START)
    for _ in range(100):
        found += reader.receive(b"x" * 65)
    assert found == [Misframed("it does not end", b"x" * 65)]


def test_lines_between_frames_are_let_through() -> None:
    assert Reader(64).receive(b"\r\n" + _framed(b"a") + b"\n\r" + _framed(b"b")) == [Frame(b"a"), Frame(b"b")]


def test_what_is_no_frame_is_told_with_the_reason() -> None:
    for data, reason in {
        b"GET / HTTP/1.1": "it does not begin with 0x0B",
        START + b"MSH|" + START: "it has a 0x0B within a message",
        START + b"MSH|\x1cx": "its 0x1C is not followed by 0x0D",
    }.items():
        (found,) = Reader(64).receive(data)
        assert isinstance(found, Misframed)
        assert found.reason == reason


def test_nothing_is_read_after_what_is_no_frame() -> None:
    reader = Reader(64)
    reader.receive(b"x")
    assert reader.receive(_framed(b"a")) == []
