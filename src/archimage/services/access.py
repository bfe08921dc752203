"""Who may do what: every door asks here, and gets what it keeps to, or NotAuthorisedError.

While nobody has made rules or users, everybody may do everything: that is the trial on one machine. From the first user
on the rules hold that the policy has, or those of `policy.STARTER` where there is none.
"""

import ipaddress
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Final, Protocol

from archimage.errors import ConfigError, ConflictError, InvalidRequestError, NotAuthorisedError, StorageError
from archimage.logger import logger
from archimage.model.access import UNLIMITED, Extent, Grant, Operation, Principal, Rights, Rule, Scope
from archimage.model.nodes import Node
from archimage.services import policy

HOLD_S: Final = 1.0
"""So long rules, users and nodes are taken to be what they were."""
REMEMBERED: Final = 4_096
"""Principals whose rights are known."""
_EVERYTHING: Final = Rights(tuple(Grant(operation) for operation in Operation))
_log = logger("security")

FindNode = Callable[[str], Node | None]


class PolicyText(Protocol):
    """Keeps the text of the policy, for every process."""

    def read(self) -> str | None:
        """Return it, None where there is none; StorageError where it cannot be read."""

    def write(self, text: str) -> None:
        """Put text in its place for good; StorageError where it cannot be written."""


class AccessService:
    """Decides by the policy; asking for a decision hardly ever blocks: now and then a small file is read again."""

    def __init__(self, text: PolicyText, has_users: Callable[[], bool], node: FindNode) -> None:
        """Read the policy; node finds the node of an AE title.

        Raises:
            ConfigError: it is none.
            StorageError: it cannot be read.
        """
        self.changed: Callable[[str, bool], None] = lambda _description, _good: None
        """Hears that the policy is another one, or that one is not taken."""
        self._text = text
        self._has_users = has_users
        self._node = node
        self._known: dict[Principal, Rights] = {}
        self._refused: str | None = None
        self._read: str | None = text.read()
        self._rules = () if self._read is None else policy.parse(self._read)
        self._open = self._is_open()
        self._due = time.monotonic() + HOLD_S

    @property
    def rules(self) -> Sequence[Rule]:
        """The rules that hold; none while everybody may do everything."""
        self._refresh()
        return () if self._open else self._in_force()

    @property
    def is_open(self) -> bool:
        """Tell whether everybody may do everything, because nobody has made rules or users."""
        self._refresh()
        return self._open

    @property
    def has_policy(self) -> bool:
        """Tell whether there is a policy, beside the one that users bring with them."""
        return self._read is not None

    @property
    def has_users(self) -> bool:
        """Tell whether anybody can log in."""
        return self._has_users()

    @property
    def text(self) -> str:
        """The policy that holds, as it is written; empty while everybody may do everything."""
        self._refresh()
        return self._read if self._read is not None else "" if self._open else policy.STARTER

    def replace(self, text: str, principal: Principal) -> None:
        """Have another policy hold from now on, for somebody who may still change it then.

        Raises:
            InvalidRequestError: it is none; the message says what is wrong.
            ConflictError: he could not change it any more.
            StorageError: it cannot be kept.
        """
        try:
            rules = policy.parse(text)
        except ConfigError as error:
            raise InvalidRequestError(str(error)) from None
        after = [rule for rule in rules if fits(rule, principal, self._node)]
        if not any(Operation.ADMINISTER in rule.allow and rule.scope.is_all for rule in after):
            raise ConflictError(
                f"by these rules {_called(principal)} could not change them any more",
                next_step="Let yourself administer the archive: add a user, log in, and allow that user's role.",
            )
        self._text.write(text)
        self._due = 0.0
        self._refresh()

    def rights(self, principal: Principal) -> Rights:
        """Return all that somebody may do."""
        self._refresh()
        found = self._known.get(principal)
        if found is None:
            found = _limited(self._granted(principal), principal)
            if len(self._known) < REMEMBERED:
                self._known[principal] = found
        return found

    def permit(self, principal: Principal, operation: Operation, destination: str | None = None) -> Grant:
        """Return what somebody may do of an operation; destination is the AE title to which something is to be sent.

        Raises:
            NotAuthorisedError: it is nothing.
        """
        if self.is_open and principal.restriction is None:
            return UNLIMITED
        grant = self.rights(principal).of(operation)
        if grant is None:
            raise NotAuthorisedError(f"{_called(principal)} may not {_IN_WORDS[operation]}")
        if destination is not None and grant.destinations is not None and destination not in grant.destinations:
            raise NotAuthorisedError(f"{_called(principal)} may not have anything sent to {destination}")
        return grant

    def may(self, principal: Principal) -> bool:
        """Tell whether somebody may do anything at all."""
        return self.is_open or bool(self.rights(principal).grants)

    def _granted(self, principal: Principal) -> Rights:
        """Return what the rules grant, whatever a token leaves of it."""
        if self._open:
            return _EVERYTHING
        if principal.restriction is not None and not principal.user:
            return _EVERYTHING  # a share is a right in itself, and as narrow as its restriction
        rules = [rule for rule in self._in_force() if fits(rule, principal, self._node)]
        return Rights(tuple(grant for operation in Operation if (grant := _union(rules, operation)) is not None))

    def _in_force(self) -> tuple[Rule, ...]:
        return self._rules if self._read is not None else _starter()

    def _is_open(self) -> bool:
        return self._read is None and not self._has_users()

    def _refresh(self) -> None:
        """Take over what has changed since a moment ago; a policy that is none leaves the one before in force."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + HOLD_S
        try:
            text = self._text.read()
        except StorageError as error:  # a disk that does not answer changes nobody's rights
            _log.error("the access policy stays as it was", reason=str(error))
        else:
            if text != self._read:
                self._take(text)
        with suppress(StorageError):  # nor does such an index
            self._open = self._is_open()
        self._known = {}

    def _take(self, text: str | None) -> None:
        try:
            rules = () if text is None else policy.parse(text)
        except ConfigError as error:
            if text != self._refused:
                _log.error("the access policy stays as it was", reason=str(error))
                self.changed(f"a new access policy was not taken: {error}", False)
            self._refused = text
            return
        self._refused = None
        self._read, self._rules = text, rules
        _log.info("the access policy has changed", rules=len(rules))
        self.changed(f"the access policy has changed: {len(rules)} rules", True)


_IN_WORDS: Final = {
    Operation.ECHO: "ask whether this archive answers",
    Operation.STORE: "store anything",
    Operation.QUERY: "search",
    Operation.RETRIEVE: "retrieve anything",
    Operation.MOVE_TO: "have anything sent",
    Operation.WORKLIST: "use the worklist",
    Operation.PRINT: "print",
    Operation.DELETE: "delete anything",
    Operation.HOLD: "place studies on legal hold",
    Operation.MODIFY: "change anything",
    Operation.ADMINISTER: "look after this archive",
    Operation.AUDIT: "read the audit trail",
}


@lru_cache(maxsize=1)
def _starter() -> tuple[Rule, ...]:
    return policy.parse(policy.STARTER)


def _called(principal: Principal) -> str:
    return principal.name or "nobody that is known"


def fits(rule: Rule, principal: Principal, node: FindNode) -> bool:
    """Tell whether somebody is one of those whom a rule lets."""
    if rule.everyone:
        return True
    one_of = (
        (rule.ae_titles, {principal.ae_title}),
        (rule.certificates, principal.certificate),
        (rule.users, {principal.user} if principal.user else frozenset()),
        (rule.roles, principal.roles),
        (rule.tokens, {principal.token} if principal.token else frozenset()),
    )
    if any(wanted and wanted.isdisjoint(has) for wanted, has in one_of):
        return False
    if rule.addresses and not any(_is_in(principal.address, network) for network in rule.addresses):
        return False
    return not rule.nodes or _is_node(principal, node(principal.ae_title) if principal.ae_title else None)


def _is_in(address: str, network: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found) in _network(network)


@lru_cache(maxsize=1_024)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)


def _is_node(principal: Principal, node: Node | None) -> bool:
    """Tell whether somebody calls from the address of the node whose AE title he has, if that is told by a number."""
    if node is None:
        return False
    try:
        ipaddress.ip_address(node.host)
    except ValueError:
        return True
    return _is_in(principal.address, node.host)


def _union(rules: Iterable[Rule], operation: Operation) -> Grant | None:
    """Return what several rules together allow of an operation."""
    allowing = [rule for rule in rules if operation in rule.allow]
    if not allowing:
        return None
    extent: Extent = tuple(dict.fromkeys(rule.scope for rule in allowing))
    anywhere = any(not rule.destinations for rule in allowing)
    destinations = None if anywhere else frozenset[str]().union(*(rule.destinations for rule in allowing))
    return Grant(operation, () if any(scope.is_all for scope in extent) else (extent,), destinations)


def _limited(rights: Rights, principal: Principal) -> Rights:
    """Return what a token leaves of rights."""
    restriction = principal.restriction
    if restriction is None:
        return rights
    left = [grant for grant in rights if restriction.operations is None or grant.operation in restriction.operations]
    return Rights(tuple(_narrowed(grant, restriction.scope) for grant in left))


def _narrowed(grant: Grant, scope: Scope) -> Grant:
    return grant if scope.is_all else replace(grant, within=(*grant.within, (scope,)))
