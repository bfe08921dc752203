"""Presentation context and role negotiation: pure functions of what was proposed and what is supported.

Ref: PS3.8 §7.1.1.13, §9.3.2.2; PS3.7 §D.3.3.4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from archimage.protocol.items import (
    AsyncOperationsWindow,
    ContextAnswer,
    ContextResult,
    PresentationContext,
    RoleSelection,
)

__all__ = [
    "ANY",
    "SYNCHRONOUS",
    "ContextResult",
    "NegotiatedContext",
    "PresentationContext",
    "SupportedContext",
    "agreed_window",
    "answer_roles",
    "answer_window",
    "negotiate",
    "settle",
]

ANY: Final = ("*",)
"""Transfer syntaxes of a SupportedContext that takes whatever is proposed, the peer's first."""

SYNCHRONOUS: Final = AsyncOperationsWindow(1, 1)


@dataclass(frozen=True, slots=True)
class SupportedContext:
    """What we take for one abstract syntax; transfer syntaxes in our order of preference, or ANY.

    scu_role: we may be its SCU when a requestor offers to be the SCP; scp_role: we may be its SCP.
    """

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    scu_role: bool = False
    scp_role: bool = True


@dataclass(frozen=True, slots=True)
class NegotiatedContext:
    """The outcome for one presentation context; the roles are ours."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    result: int
    as_scu: bool
    as_scp: bool

    @property
    def accepted(self) -> bool:
        """Tell whether messages may travel on it."""
        return self.result == ContextResult.ACCEPTANCE


def negotiate(
    proposed: Sequence[PresentationContext],
    supported: Mapping[str, SupportedContext],
    roles: Sequence[RoleSelection] = (),
    *,
    fallback: SupportedContext | None = None,
) -> tuple[NegotiatedContext, ...]:
    """Answer each proposed context, as the acceptor.

    roles: what the requestor selects; fallback: stands in for abstract syntaxes that are not in supported.
    """
    selected = {role.sop_class_uid: role for role in roles}
    return tuple(
        _answer(context, supported.get(context.abstract_syntax, fallback), selected.get(context.abstract_syntax))
        for context in proposed
    )


def _answer(
    context: PresentationContext, supported: SupportedContext | None, role: RoleSelection | None
) -> NegotiatedContext:
    if supported is None:
        return _refused(context, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED)
    transfer_syntax = _choose(context.transfer_syntaxes, supported.transfer_syntaxes)
    if transfer_syntax is None:
        return _refused(context, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED)
    as_scp = supported.scp_role and (role is None or role.scu_role)
    as_scu = supported.scu_role and role is not None and role.scp_role
    if not as_scp and not as_scu:
        return _refused(context, ContextResult.USER_REJECTION)
    return NegotiatedContext(
        context.context_id, context.abstract_syntax, transfer_syntax, ContextResult.ACCEPTANCE, as_scu, as_scp
    )


def _choose(proposed: tuple[str, ...], ours: tuple[str, ...]) -> str | None:
    candidates = proposed if ours == ANY else (syntax for syntax in ours if syntax in proposed)
    return next(iter(candidates), None)


def _refused(context: PresentationContext, result: int) -> NegotiatedContext:
    return NegotiatedContext(context.context_id, context.abstract_syntax, "", result, as_scu=False, as_scp=False)


def answer_roles(contexts: Sequence[NegotiatedContext], roles: Sequence[RoleSelection]) -> tuple[RoleSelection, ...]:
    """Return the acceptor's answer to the role selections of accepted contexts."""
    ours = {context.abstract_syntax: context for context in contexts if context.accepted}
    return tuple(
        RoleSelection(uid, scu_role=ours[uid].as_scp, scp_role=ours[uid].as_scu)
        for uid in (role.sop_class_uid for role in roles)
        if uid in ours
    )


def settle(
    proposed: Sequence[PresentationContext],
    answers: Sequence[ContextAnswer],
    selected: Sequence[RoleSelection],
    answered: Sequence[RoleSelection],
) -> tuple[NegotiatedContext, ...]:
    """Combine what we proposed with what the acceptor answered, as the requestor.

    A context that the acceptor passes over is refused without a reason; an accepted transfer syntax that was not
    proposed is refused too.
    """
    by_id = {answer.context_id: answer for answer in answers}
    asked = {role.sop_class_uid: role for role in selected}
    given = {role.sop_class_uid: role for role in answered}
    return tuple(
        _settle_one(context, by_id.get(context.context_id), _roles(context.abstract_syntax, asked, given))
        for context in proposed
    )


def _roles(uid: str, asked: Mapping[str, RoleSelection], given: Mapping[str, RoleSelection]) -> tuple[bool, bool]:
    """Return whether we are SCU and SCP; without an answer the requestor is the SCU."""
    if uid not in asked or uid not in given:
        return True, False
    return asked[uid].scu_role and given[uid].scu_role, asked[uid].scp_role and given[uid].scp_role


def _settle_one(
    context: PresentationContext, answer: ContextAnswer | None, roles: tuple[bool, bool]
) -> NegotiatedContext:
    if answer is None:
        return _refused(context, ContextResult.NO_REASON)
    if answer.result != ContextResult.ACCEPTANCE:
        return _refused(context, answer.result)
    if answer.transfer_syntax not in context.transfer_syntaxes:
        return _refused(context, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED)
    return NegotiatedContext(context.context_id, context.abstract_syntax, answer.transfer_syntax, answer.result, *roles)


def answer_window(
    asked: AsyncOperationsWindow | None, max_invoked: int, max_performed: int
) -> AsyncOperationsWindow | None:
    """Return the acceptor's answer to an asynchronous operations window, or None where none was asked for.

    max_invoked, max_performed: operations that we, the acceptor, would invoke and perform at a time; 0 is no limit.
    """
    if asked is None:
        return None
    return AsyncOperationsWindow(_lower(asked.invoked, max_performed), _lower(asked.performed, max_invoked))


def agreed_window(asked: AsyncOperationsWindow | None, answered: AsyncOperationsWindow | None) -> AsyncOperationsWindow:
    """Return the window both sides keep to; where one of them said nothing it is synchronous."""
    if asked is None or answered is None:
        return SYNCHRONOUS
    return AsyncOperationsWindow(_lower(asked.invoked, answered.invoked), _lower(asked.performed, answered.performed))


def _lower(first: int, second: int) -> int:
    """Return the tighter of two limits, where 0 is no limit."""
    return min(first, second) if first and second else first or second
