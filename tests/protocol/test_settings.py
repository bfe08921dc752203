"""What one side brings to an association."""

from dataclasses import replace

import pytest

from archimage.errors import LocalProtocolError
from archimage.protocol.items import AsyncOperationsWindow, PresentationContext
from archimage.protocol.settings import AssociationSettings, complete_request
from tests.protocol.joined import REQUEST, SYNTAXES


def test_the_calling_title_may_be_another_than_ours() -> None:
    completed = complete_request(replace(REQUEST, calling_ae_title="OTHER"), AssociationSettings("SCU"))

    assert completed.calling_ae_title == "OTHER"


@pytest.mark.parametrize(("invoked", "performed", "window"), [(1, 1, None), (4, 1, AsyncOperationsWindow(4, 1))])
def test_a_window_is_asked_for_where_it_says_something(
    invoked: int, performed: int, window: AsyncOperationsWindow | None
) -> None:
    settings = AssociationSettings("SCU", max_operations_invoked=invoked, max_operations_performed=performed)

    assert complete_request(REQUEST, settings).user_information.async_operations == window


@pytest.mark.parametrize("title", ["", "   ", "A" * 17, "A\\B", "A\nB", "Ä"])
def test_a_title_that_may_not_be_sent_is_our_own_mistake(title: str) -> None:
    with pytest.raises(LocalProtocolError, match="AE title"):
        complete_request(replace(REQUEST, called_ae_title=title), AssociationSettings("SCU"))


@pytest.mark.parametrize("ids", [(), (2,), (1, 1), (257,), (-1,)])
def test_context_ids_that_may_not_be_sent_are_our_own_mistake(ids: tuple[int, ...]) -> None:
    contexts = tuple(PresentationContext(number, "1.2.3", SYNTAXES) for number in ids)

    with pytest.raises(LocalProtocolError, match="context ids"):
        complete_request(replace(REQUEST, contexts=contexts), AssociationSettings("SCU"))


def test_our_maximum_is_a_limit_that_can_be_kept() -> None:
    with pytest.raises(LocalProtocolError, match="max_pdu_length"):
        AssociationSettings("SCU", max_pdu_length=0)
