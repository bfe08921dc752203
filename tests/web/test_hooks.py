"""Calls to receivers end in time, whatever these do."""

import ssl
import time

import pytest

from archimage.errors import UnavailableError
from archimage.web.hooks import HookCalls
from tests.web.dripping import FAR_S, HEAD, dripping
from tests.web.fhir.receiver import Receiver

_WITHIN_S = 0.5


def test_the_status_of_an_answer_is_told_and_a_redirection_is_one() -> None:
    receiver, call = Receiver(), HookCalls(ssl.create_default_context)
    with receiver.listening():
        assert call("POST", receiver.address, {"X-One": "1"}, b"told") == 200
        receiver.status, receiver.location = 302, f"{receiver.address}/elsewhere"
        assert call("PUT", receiver.address, {}, b"") == 302
    first, second = receiver.heard
    assert (first.method, first.body, first.headers["x-one"], second.path) == ("POST", b"told", "1", "/hook")


def test_a_receiver_that_goes_on_for_ever_is_given_up() -> None:
    began = time.monotonic()
    with dripping(HEAD) as address, pytest.raises(UnavailableError, match="does not answer within"):
        HookCalls(ssl.create_default_context, _WITHIN_S)("POST", address, {}, b"told")
    assert _WITHIN_S <= time.monotonic() - began < FAR_S


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/", "http://nowhere.invalid/", "https://127.0.0.1:1/", "http://[/"]
)
def test_what_cannot_be_reached_is_told(address: str) -> None:
    with pytest.raises(UnavailableError, match="called in vain"):
        HookCalls(ssl.create_default_context)("POST", address, {}, b"")
