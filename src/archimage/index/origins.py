"""Who asked for something that is done later, as text: who he was, and as far as what he was granted it."""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from archimage.model.access import UNLIMITED, Grant, Operation, Principal, Scope
from archimage.model.callers import Caller

_SCOPE: Final = ("patients", "studies", "labels", "modalities")
_PRINCIPAL: Final = ("address", "ae_title", "user", "token")


def encode_origin(caller: Caller | None, grant: Grant) -> str:
    """Return text for both; of who asked only what is told of him later, as his rights were looked at when he asked."""
    plain: dict[str, Any] = {}
    if caller is not None:
        principal = {name: getattr(caller.principal, name) for name in _PRINCIPAL}
        plain["caller"] = {"door": caller.door, "request": caller.request, "principal": principal}
    if grant != UNLIMITED:
        plain["grant"] = {
            "operation": grant.operation,
            "within": [[_plain(scope) for scope in extent] for extent in grant.within],
            "destinations": None if grant.destinations is None else sorted(grant.destinations),
        }
    return orjson.dumps(plain).decode()


def decode_origin(text: str) -> tuple[Caller | None, Grant]:
    """Return who asked, None where nobody did, and what he was granted."""
    plain = orjson.loads(text)
    caller, grant = None, UNLIMITED
    if found := plain.get("caller"):
        caller = Caller(found["door"], found["request"], Principal(**found["principal"]))
    if found := plain.get("grant"):
        operation = None if found["operation"] is None else Operation(found["operation"])
        within = tuple(tuple(_scope(scope) for scope in extent) for extent in found["within"])
        destinations = None if found["destinations"] is None else frozenset(found["destinations"])
        grant = Grant(operation, within, destinations)
    return caller, grant


def _plain(scope: Scope) -> dict[str, Sequence[str]]:
    return {name: sorted(getattr(scope, name)) for name in _SCOPE}


def _scope(plain: dict[str, Sequence[str]]) -> Scope:
    return Scope(**{name: frozenset(plain[name]) for name in _SCOPE})
