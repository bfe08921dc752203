"""Plugins that rules of routing have run, wired. Implements `ports.routing.RuleHooks`."""

from collections.abc import Sequence
from typing import Final

from archimage.errors import NotFoundError
from archimage.logger import logger
from archimage.model.records import StoredInstance
from archimage.model.routing import Rule
from archimage.services.catalogue import CatalogueService
from archimage.services.plugins import events, ruled
from archimage.services.plugins.service import PluginService

_log: Final = logger("plugin")


class RoutedPlugins:
    """Has them run, and tells of rules that cannot have one run."""

    def __init__(self, service: PluginService | None, catalogue: CatalogueService) -> None:
        """Have plugins run by service; None where there is no plugin."""
        self._service = service
        self._catalogue = catalogue
        self._rules: Sequence[Rule] = ()
        if service is not None:
            service.hear_of_hooks(self._loaded)

    def check(self, rules: Sequence[Rule]) -> None:
        """Raise ConfigError where a rule names a plugin that is not there, or that was loaded and has no such hook."""
        ruled.check(rules, {} if self._service is None else self._service.hooks())
        self._rules = tuple(rules)

    def run(self, name: str, rule: Rule, study_instance_uid: str, instances: Sequence[StoredInstance]) -> None:
        """Run a plugin's hook for what a rule acts on, unless the study was removed meanwhile."""
        if self._service is None:
            raise NotFoundError(f"no plugin {name!r} is there")
        try:
            study = self._catalogue.study(study_instance_uid)
        except NotFoundError:
            return
        self._service.route(name, events.routed(rule, study, instances))

    def _loaded(self, name: str, hooks: frozenset[str]) -> None:
        """Tell of rules that a plugin which was loaded has no hook for; other rules go on."""
        if ruled.ROUTED not in hooks:
            for rule in self._rules:
                if name in rule.plugins:
                    _log.error("a rule has a plugin run without the hook", rule=rule.name, plugin=name)
