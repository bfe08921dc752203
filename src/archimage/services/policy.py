"""The access policy as a person writes it: TOML with one table for each rule (docs/access.md)."""

import ipaddress
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from archimage.errors import ConfigError
from archimage.model.access import Operation, Rule, Scope
from archimage.model.ids import is_ae_title, is_uid

MAX_RULES: Final = 1_000
MAX_VALUES: Final = 10_000
"""Values of one kind in one rule."""
MAX_LENGTH: Final = 256
ALL: Final = "all"
"""Stands for every operation."""

STARTER: Final = """\
# Who may do what with which part of this archive; docs/access.md tells the rest.
# Rules only allow. What none of them allows is refused.

[[rule]]
name = "Administrators do everything"
roles = ["administrator"]
allow = ["all"]

[[rule]]
name = "Readers find and look"
roles = ["reader"]
allow = ["echo", "query", "retrieve", "move-to", "worklist"]

[[rule]]
name = "Editors also bring in, label and correct"
roles = ["editor"]
allow = ["echo", "query", "retrieve", "move-to", "worklist", "print", "store", "modify"]

[[rule]]
name = "Auditors read the audit trail"
roles = ["auditor"]
allow = ["audit"]

[[rule]]
name = "Nodes that are entered here exchange images"
nodes = true
allow = ["echo", "store", "query", "retrieve", "move-to", "worklist", "print"]
"""
"""The policy of an archive that has users and no policy of its own."""

_SCOPE: Final = tuple(field.name for field in fields(Scope))
_NAMING: Final = ("ae_titles", "addresses", "certificates", "users", "roles", "tokens")
"""What principals are named by."""
_SETS: Final = (*_NAMING, "destinations")
_FLAGS: Final = ("everyone", "nodes")
_KEYS: Final = frozenset({"name", "allow", *_FLAGS, *_SETS, *_SCOPE})


def parse(text: str) -> tuple[Rule, ...]:
    """Read a policy.

    Raises:
        ConfigError: it is none; the message names the rule, what is wrong with it, and what is allowed.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the access policy is not TOML: {error}") from None
    return rules_of(tree.get("rule", []), [key for key in tree if key != "rule"])


def rules_of(listed: object, others: Sequence[str] = ()) -> tuple[Rule, ...]:
    """Make rules of tables, as TOML or JSON has them; others are keys beside them, which must not be there."""
    if others:
        raise ConfigError(f"the access policy has the key {others[0]!r}; it holds tables [[rule]] alone")
    if not isinstance(listed, list) or len(listed) > MAX_RULES:
        raise ConfigError(f"the access policy holds tables [[rule]], at most {MAX_RULES}")
    return tuple(_rule(number, table) for number, table in enumerate(listed, 1))


def _rule(number: int, table: object) -> Rule:
    try:
        if not isinstance(table, dict):
            raise ValueError("it is no table")
        return _read(table)
    except ValueError as error:
        name = table.get("name") if isinstance(table, dict) else None
        called = f" ({name!r})" if isinstance(name, str) else ""
        raise ConfigError(f"rule {number} of the access policy{called}: {error}") from None


def _read(table: Mapping[str, Any]) -> Rule:
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no key; the keys are {', '.join(sorted(_KEYS))}")
    name = table.get("name", "")
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_LENGTH or not name.isprintable():
        raise ValueError("it needs a name, of printable characters on one line")
    everyone, nodes = table.get("everyone", False), table.get("nodes", False)
    if not (isinstance(everyone, bool) and isinstance(nodes, bool)):
        raise ValueError("everyone and nodes are true or false")
    sets = {key: _values(key, table.get(key, [])) for key in _SETS}
    if everyone == (nodes or any(sets[key] for key in _NAMING)):
        raise ValueError(f"whom it lets is told by nodes, {', '.join(_NAMING)}; or it has everyone = true, alone")
    return Rule(
        name.strip(),
        _operations(table.get("allow")),
        everyone=everyone,
        nodes=nodes,
        ae_titles=sets["ae_titles"],
        addresses=sets["addresses"],
        certificates=sets["certificates"],
        users=sets["users"],
        roles=sets["roles"],
        tokens=sets["tokens"],
        scope=Scope(*(_values(key, table.get(key, [])) for key in _SCOPE)),
        destinations=sets["destinations"],
    )


def _values(key: str, listed: object) -> frozenset[str]:
    if not isinstance(listed, list) or len(listed) > MAX_VALUES:
        raise ValueError(f"{key} is a list of texts, at most {MAX_VALUES}")
    for value in listed:
        if not isinstance(value, str) or not 0 < len(value) <= MAX_LENGTH or not value.isprintable():
            raise ValueError(f"{key} has {value!r}; each is a printable text of at most {MAX_LENGTH} characters")
        _check(key, value)
    return frozenset(_plain(key, value) for value in listed)


def _plain(key: str, value: str) -> str:
    """Write a value in the one way in which it is compared."""
    if key == "certificates":
        kind, separator, rest = value.lower().partition(":")
        return f"{kind}:{rest.replace(':', '')}" if kind == "sha256" else kind + separator + rest
    return value.upper() if key == "modalities" else value


def _check(key: str, value: str) -> None:
    """Raise ValueError where a value cannot be one of its kind."""
    if key == "addresses":
        try:
            ipaddress.ip_network(value)
        except ValueError as error:
            raise ValueError(f"addresses: {error}; each is an IP address or a network, as 10.1.0.0/16") from None
    if key in {"ae_titles", "destinations"} and not is_ae_title(value):
        raise ValueError(f"{key}: {value!r} is no AE title, which has 1 to 16 printable ASCII characters")
    if key == "studies" and not is_uid(value):
        raise ValueError(f"studies: {value!r} is no UID")


def _operations(listed: object) -> frozenset[Operation]:
    known = ", ".join((*Operation, ALL))
    if not isinstance(listed, list) or not listed:
        raise ValueError(f"allow lists at least one of {known}")
    if ALL in listed:
        return frozenset(Operation)
    try:
        return frozenset(map(Operation, listed))
    except ValueError:
        wrong = next(value for value in listed if value not in tuple(Operation))
        raise ValueError(f"allow has {wrong!r}; the operations are {known}") from None


def tables(rules: Iterable[Rule]) -> list[dict[str, object]]:
    """Return rules as tables, without what they leave open."""
    return [_table(rule) for rule in rules]


def _table(rule: Rule) -> dict[str, object]:
    table: dict[str, object] = {"name": rule.name}
    table |= {key: True for key in _FLAGS if getattr(rule, key)}
    table |= {key: sorted(getattr(rule, key)) for key in _SETS if getattr(rule, key)}
    table |= table_of(rule.scope)
    whole = rule.allow == frozenset(Operation)
    table["allow"] = [ALL] if whole else [operation.value for operation in Operation if operation in rule.allow]
    return table


def table_of(scope: Scope) -> dict[str, list[str]]:
    """Return a scope as a table."""
    return {key: sorted(getattr(scope, key)) for key in _SCOPE if getattr(scope, key)}
