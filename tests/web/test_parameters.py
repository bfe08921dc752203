"""Query parameters are bounded, decoded once, and typed."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.errors import ExcessiveRequestError, InvalidRequestError
from archimage.web.dicomweb.parameters import MAX_PARAMETERS, MAX_QUERY_BYTES, Parameters

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(st.lists(st.tuples(TEXTS.filter(bool), TEXTS), max_size=10))
def test_what_is_encoded_is_read_back(pairs: list[tuple[str, str]]) -> None:
    assert Parameters.parse(urlencode(pairs).encode()).pairs == tuple(pairs)


def test_percent_signs_are_decoded_once() -> None:
    assert Parameters.parse(b"a=%2525").one("a") == "%25"


def test_of_several_values_all_are_there() -> None:
    query = Parameters.parse(b"a=1&b=2&a=3,4&&a")
    assert query.all("a") == ["1", "3,4", ""]
    assert query.split("a") == ["1", "3", "4"]
    assert query.joined("a") == "1, 3,4, "
    assert (query.one("b"), query.one("c"), query.joined("c")) == ("2", None, None)


def test_what_has_one_value_is_refused_when_it_is_given_twice() -> None:
    query = Parameters.parse(b"a=1&a=1")
    for read in (query.one, query.number, query.flag, lambda name: query.integer(name, default=0, low=0, high=9)):
        with pytest.raises(InvalidRequestError, match="a is given 2 times"):
            read("a")


@pytest.mark.parametrize("query", [b"a=%ff", b"a=%00", b"%c3%28=1"])
def test_what_is_no_text_is_refused(query: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        Parameters.parse(query)


def test_no_more_than_any_request_needs_is_read() -> None:
    with pytest.raises(ExcessiveRequestError, match="bytes"):
        Parameters.parse(b"a" * (MAX_QUERY_BYTES + 1))
    with pytest.raises(ExcessiveRequestError, match="parameters"):
        Parameters.parse(b"&".join([b"a=1"] * (MAX_PARAMETERS + 1)))


def test_whole_numbers_are_capped_and_checked() -> None:
    query = Parameters.parse(b"limit=1000000000&low=0&bad=-1&word=x&huge=" + b"9" * 30)
    assert query.integer("limit", default=5, low=0, high=100) == 100
    assert query.integer("none", default=5, low=0, high=100) == 5
    for name in ("bad", "word", "huge"):
        with pytest.raises(InvalidRequestError, match=name):
            query.integer(name, default=5, low=0, high=100)
    with pytest.raises(InvalidRequestError, match="from 1 on"):
        query.integer("low", default=5, low=1, high=100)


def test_numbers_flags_and_choices_are_checked() -> None:
    query = Parameters.parse(b"number=-1.5e2&flag=TRUE&off=false&word=x")
    assert query.number("number") == -150.0
    assert query.number("none") is None
    assert query.flag("flag")
    assert not query.flag("off")
    assert not query.flag("none")
    assert query.choice("word", frozenset({"x", "y"})) == "x"
    assert query.choice("none", frozenset({"x"})) is None
    for check in (query.flag, query.number, lambda name: query.choice(name, frozenset({"a"}))):
        with pytest.raises(InvalidRequestError, match="word"):
            check("word")


@given(st.text(max_size=30))
def test_any_query_is_read_or_refused(text: str) -> None:
    raw = quote(text, safe="&=%+").encode()
    try:
        found = Parameters.parse(raw)
    except InvalidRequestError:
        return
    assert all("\0" not in name + value for name, value in found.pairs)
