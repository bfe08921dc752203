"""Variable items and user information, PS3.8 §9.3.2 and PS3.7 Annex D.3.3."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.errors import RemoteProtocolError
from archimage.protocol.items import (
    ContextAnswer,
    PresentationContext,
    UserIdentity,
    UserInformation,
    decode_answer,
    decode_context,
    decode_user_information,
    encode_answer,
    encode_context,
    encode_user_information,
)
from archimage.protocol.wire import encode_item
from tests.protocol import strategies
from tests.protocol.joined import refusal


@given(strategies.contexts)
def test_proposed_contexts_round_trip(context: PresentationContext) -> None:
    assert decode_context(encode_context(context)) == context


@given(strategies.answers)
def test_answered_contexts_round_trip(answer: ContextAnswer) -> None:
    assert decode_answer(encode_answer(answer)) == answer


@given(strategies.user_information)
def test_user_information_round_trips(information: UserInformation) -> None:
    assert decode_user_information(encode_user_information(information)) == information


def test_a_proposed_context_has_the_bytes_of_the_standard() -> None:
    encoded = encode_context(PresentationContext(3, "1.2", ("1.3",)))

    assert encoded == bytes.fromhex("03000000 30000003 312e32 40000003 312e33")


def test_an_even_context_id_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="even"):
        decode_context(encode_context(PresentationContext(2, "1.2", ("1.3",))))


@pytest.mark.parametrize("count", [0, 2])
def test_a_context_needs_one_abstract_syntax(count: int) -> None:
    with pytest.raises(RemoteProtocolError, match="abstract syntaxes"):
        decode_context(bytes((1, 0, 0, 0)) + encode_item(0x30, b"1.2") * count)


@pytest.mark.parametrize("count", [0, 2])
def test_acceptance_needs_one_transfer_syntax(count: int) -> None:
    with pytest.raises(RemoteProtocolError, match="transfer syntaxes"):
        decode_answer(bytes((1, 0, 0, 0)) + encode_item(0x40, b"1.2") * count)


def test_a_refused_context_need_not_name_a_transfer_syntax() -> None:
    assert decode_answer(bytes((1, 0, 3, 0))) == ContextAnswer(1, 3, "")


def test_unknown_items_are_passed_over() -> None:
    known = PresentationContext(1, "1.2", ("1.3",))
    information = UserInformation(16384, "1.2.3")

    assert decode_context(encode_context(known) + encode_item(0x99, b"?")) == known
    assert decode_user_information(encode_item(0x99, b"?") + encode_user_information(information)) == information


def test_a_second_user_identity_is_refused() -> None:
    identity = encode_user_information(UserInformation(user_identity=UserIdentity(1, b"ann")))
    item = encode_item(0x58, bytes.fromhex("01 00 0003 616e6e 0000"))

    assert item in identity
    with pytest.raises(RemoteProtocolError, match="58H stands twice"):
        decode_user_information(identity + item)


def test_credentials_stay_out_of_the_representation() -> None:
    information = UserInformation(user_identity=UserIdentity(2, b"ann", b"secret"), user_identity_response=b"ticket")

    assert not any(word in repr(information) for word in ("ann", "secret", "ticket"))


def test_what_is_left_out_has_defaults() -> None:
    assert decode_user_information(b"") == UserInformation(max_pdu_length=16384)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    for decode in (decode_context, decode_answer, decode_user_information):
        assert refusal(partial(decode, data)) in {None, (2, 6)}
