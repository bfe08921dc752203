"""Presentation contexts, roles and windows, PS3.8 §7.1.1.13 and PS3.7 §D.3.3."""

import pytest

from archimage.protocol.items import AsyncOperationsWindow, ContextAnswer, RoleSelection
from archimage.protocol.negotiation import (
    ANY,
    SYNCHRONOUS,
    ContextResult,
    NegotiatedContext,
    PresentationContext,
    SupportedContext,
    agreed_window,
    answer_roles,
    answer_window,
    negotiate,
    settle,
)

CT, SR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.11"
IMPLICIT, EXPLICIT, J2K = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"


def _one(
    supported: SupportedContext | None,
    *,
    syntaxes: tuple[str, ...] = (IMPLICIT, EXPLICIT),
    role: RoleSelection | None = None,
) -> NegotiatedContext:
    known = {supported.abstract_syntax: supported} if supported else {}
    roles = (role,) if role else ()
    return negotiate((PresentationContext(7, CT, syntaxes),), known, roles)[0]


def test_our_preference_decides_the_transfer_syntax() -> None:
    assert _one(SupportedContext(CT, (J2K, EXPLICIT, IMPLICIT))).transfer_syntax == EXPLICIT


def test_preference_is_that_of_the_sop_class() -> None:
    proposed = (PresentationContext(1, CT, (EXPLICIT, J2K)), PresentationContext(3, SR, (EXPLICIT, J2K)))
    supported = {CT: SupportedContext(CT, (J2K, EXPLICIT)), SR: SupportedContext(SR, (EXPLICIT, J2K))}

    assert [context.transfer_syntax for context in negotiate(proposed, supported)] == [J2K, EXPLICIT]


def test_any_takes_the_peers_first() -> None:
    assert _one(SupportedContext(CT, ANY), syntaxes=("1.2.3.4", IMPLICIT)).transfer_syntax == "1.2.3.4"


def test_an_unknown_abstract_syntax_is_refused() -> None:
    refused = _one(None)

    assert (refused.result, refused.accepted) == (ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, False)


def test_a_fallback_stands_in_for_unknown_abstract_syntaxes() -> None:
    proposed = (PresentationContext(1, "1.2.3", (EXPLICIT,)),)

    accepted = negotiate(proposed, {}, fallback=SupportedContext("", ANY))[0]

    assert (accepted.abstract_syntax, accepted.accepted) == ("1.2.3", True)


@pytest.mark.parametrize("ours", [(J2K,), ANY])
def test_no_common_transfer_syntax_is_refused(ours: tuple[str, ...]) -> None:
    offered = () if ours == ANY else (IMPLICIT,)

    assert _one(SupportedContext(CT, ours), syntaxes=offered).result == ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED


@pytest.mark.parametrize(
    ("wanted", "allowed", "ours"),
    [
        (None, (True, True), (False, True)),
        ((True, True), (True, True), (True, True)),
        ((False, True), (True, True), (True, False)),
        ((True, True), (False, True), (False, True)),
        ((True, False), (True, True), (False, True)),
    ],
)
def test_roles_are_what_both_sides_want(
    wanted: tuple[bool, bool] | None, allowed: tuple[bool, bool], ours: tuple[bool, bool]
) -> None:
    supported = SupportedContext(CT, ANY, scu_role=allowed[0], scp_role=allowed[1])

    context = _one(supported, role=RoleSelection(CT, *wanted) if wanted else None)

    assert (context.as_scu, context.as_scp) == ours


def test_a_context_without_a_role_is_refused() -> None:
    only_scu = SupportedContext(CT, ANY, scu_role=True, scp_role=False)

    assert _one(only_scu).result == ContextResult.USER_REJECTION


def test_roles_are_answered_for_accepted_contexts_only() -> None:
    contexts = (
        NegotiatedContext(1, CT, EXPLICIT, 0, as_scu=True, as_scp=False),
        NegotiatedContext(3, SR, "", 3, as_scu=False, as_scp=False),
    )
    asked = (RoleSelection(CT, scu_role=True, scp_role=True), RoleSelection(SR, scu_role=True, scp_role=True))

    assert answer_roles(contexts, asked) == (RoleSelection(CT, scu_role=False, scp_role=True),)


def test_the_requestor_settles_what_was_answered() -> None:
    proposed = tuple(PresentationContext(number, CT, (EXPLICIT,)) for number in (1, 3, 5, 7))
    answers = (
        ContextAnswer(1, 0, EXPLICIT),
        ContextAnswer(3, 4, ""),
        ContextAnswer(5, 0, J2K),
        ContextAnswer(9, 0, J2K),
    )

    settled = settle(proposed, answers, (), ())

    assert [(context.context_id, context.result) for context in settled] == [(1, 0), (3, 4), (5, 4), (7, 2)]
    assert (settled[0].as_scu, settled[0].as_scp) == (True, False)


@pytest.mark.parametrize(
    ("answered", "ours"),
    [(None, (True, False)), ((False, True), (False, True)), ((True, True), (True, True))],
)
def test_the_requestors_roles_need_an_answer(answered: tuple[bool, bool] | None, ours: tuple[bool, bool]) -> None:
    proposed = (PresentationContext(1, CT, (EXPLICIT,)),)
    given = (RoleSelection(CT, *answered),) if answered else ()

    settled = settle(proposed, (ContextAnswer(1, 0, EXPLICIT),), (RoleSelection(CT, True, True),), given)

    assert (settled[0].as_scu, settled[0].as_scp) == ours


def test_no_window_is_answered_where_none_was_asked_for() -> None:
    assert answer_window(None, 4, 4) is None


@pytest.mark.parametrize(
    ("asked", "invoked", "performed", "answer"),
    [((8, 1), 1, 4, (4, 1)), ((0, 0), 0, 4, (4, 0)), ((3, 2), 0, 0, (3, 2)), ((0, 5), 3, 0, (0, 3))],
)
def test_the_tighter_window_holds(
    asked: tuple[int, int], invoked: int, performed: int, answer: tuple[int, int]
) -> None:
    assert answer_window(AsyncOperationsWindow(*asked), invoked, performed) == AsyncOperationsWindow(*answer)


def test_a_window_needs_both_sides() -> None:
    window = AsyncOperationsWindow(5, 2)

    assert agreed_window(window, None) == agreed_window(None, window) == SYNCHRONOUS
    assert agreed_window(window, AsyncOperationsWindow(3, 0)) == AsyncOperationsWindow(3, 2)
