"""The rules of routing and what they did, for those who look on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from archimage.model.routing import Routed, Rule
from archimage.ports.routing import RoutedStudies
from archimage.services.routing import Router

SHOWN: Final = 1_000


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """A rule in words, and for how many studies it stands how."""

    name: str
    on: str
    conditions: Sequence[str]
    actions: Sequence[str]
    studies: Mapping[str, int]
    instances: int


class RoutingStatus:
    """Tells; all of it blocks."""

    def __init__(self, router: Router, routed: RoutedStudies) -> None:
        self._router = router
        self._routed = routed

    @property
    def waiting(self) -> int:
        """How many studies wait in this process, counted once for each rule."""
        return self._router.waiting

    def rules(self) -> Sequence[RuleStatus]:
        """Return every rule, in their order."""
        counts = self._routed.counts()
        return [_status(rule, [one[1:] for one in counts if one[0] == rule.name]) for rule in self._router.rules]

    def find(self, *, rule: str = "", study: str = "", state: str = "", limit: int = 100) -> Sequence[Routed]:
        """Return how rules stand with studies, what changed last first."""
        return self._routed.find(rule=rule, study=study, state=state, limit=min(limit, SHOWN))


def _status(rule: Rule, counts: Sequence[tuple[str, int, int]]) -> RuleStatus:
    return RuleStatus(
        rule.name,
        "study" if rule.on_study else "instance",
        [str(condition) for condition in rule.conditions],
        [str(action) for action in rule.actions],
        {state: studies for state, studies, _ in counts},
        sum(instances for _, _, instances in counts),
    )
