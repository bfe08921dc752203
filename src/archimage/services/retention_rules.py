"""Which rule decides about a study: the first of the settings' that fits it."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from archimage.config_object_store import HOT
from archimage.config_retention import RetentionRule
from archimage.model.retention import StudyFacts

DAY_S: Final = 86_400.0
KEEP: Final = "keep"
MOVE: Final = "move"
HELD: Final = "on legal hold"
SPARED: Final = "used lately"


class RuleBook:
    """The rules, in their order; a study that was used within spare_days stays, whatever they say."""

    def __init__(self, rules: Sequence[RetentionRule], spare_days: float) -> None:
        self.rules = rules
        self._spare_s = spare_days * DAY_S

    def configure(self, rules: Sequence[RetentionRule], spare_days: float) -> None:
        """Go on with other rules, at once: what is at work deletes nothing more by those that are gone."""
        self.rules, self._spare_s = rules, spare_days * DAY_S

    def as_it_is(self) -> "RuleBook":
        """Return the rules of now, whatever becomes of them."""
        return RuleBook(self.rules, self._spare_s / DAY_S)

    @property
    def makes_room(self) -> bool:
        """Tell whether there is a rule for when the quota is reached."""
        return any(rule.when_full and rule.action != KEEP for rule in self.rules)

    def decide(self, facts: StudyFacts, now: float, *, full: bool = False) -> RetentionRule | None:
        """Return the rule that decides about a study, None where none fits; full has those count that wait for it."""
        return next((rule for rule in self.rules if (full or not rule.when_full) and _fits(rule, facts, now)), None)

    def concerns(self, rule: RetentionRule, facts: StudyFacts) -> bool:
        """Tell whether a rule that decides about a study has something to do with it."""
        return rule.action != KEEP and (rule.action != MOVE or facts.outside(rule.to).instances > 0)

    def stays(self, facts: StudyFacts, now: float, to: str = "") -> str:
        """Say why a study stays that a rule would delete or move to a tier, empty where it goes."""
        if facts.held:
            return HELD
        if to == HOT:
            return ""
        return SPARED if now - facts.used_at < self._spare_s else ""


def _fits(rule: RetentionRule, facts: StudyFacts, now: float) -> bool:
    ages = (
        (rule.older_than_days, _made_at(facts)),
        (rule.unused_days, facts.used_at),
        (rule.arrived_days, facts.received_at),
    )
    lists = (
        (rule.modalities, facts.modalities),
        (rule.labels, facts.labels),
        (rule.source_ae_titles, facts.source_ae_titles),
        (rule.stations, facts.stations),
    )
    old = all(not days or now - moment >= days * DAY_S for days, moment in ages)
    used = not rule.used_days or now - facts.used_at <= rule.used_days * DAY_S
    return old and used and all(not wanted or not there.isdisjoint(wanted) for wanted, there in lists)


def _made_at(facts: StudyFacts) -> float:
    """Return when a study was made: its date or, where that cannot be read, when the last of it came."""
    try:
        return datetime.strptime(facts.study_date[:8], "%Y%m%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return facts.received_at


def within_hours(hours: str, now: float) -> bool:
    """Tell whether a moment lies in these hours of the local day, as `22-5`; the second may be of the next day."""
    hour, (first, last) = time.localtime(now).tm_hour, map(int, hours.split("-"))
    return first <= hour < last if first < last else hour >= first or hour < last
