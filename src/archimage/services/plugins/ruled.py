"""Plugins that rules of routing name: whether they are there, and have the hook that rules run."""

from collections.abc import Iterable, Mapping
from typing import Final

from archimage.errors import ConfigError
from archimage.model.routing import Rule

ROUTED: Final = "on_routed"
"""The hook."""


def check(rules: Iterable[Rule], hooks: Mapping[str, frozenset[str] | None]) -> None:
    """Raise ConfigError where a rule cannot have a plugin run; hooks are those of each plugin, None where not known."""
    for rule, name in ((one, name) for one in rules for name in one.plugins):
        if name not in hooks:
            there = ", ".join(sorted(hooks)) or "none"
            raise ConfigError(f"routing.rule {rule.name!r}: no plugin {name!r} is there; those that are: {there}")
        known = hooks[name]
        if known is not None and ROUTED not in known:
            had = ", ".join(sorted(known)) or "none"
            raise ConfigError(f"routing.rule {rule.name!r}: the plugin {name!r} has no hook {ROUTED}; it has: {had}")
