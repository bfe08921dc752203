"""Rules of routing, what they are looked up against, and where they stand with a study."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from archimage.model.query import Match
from archimage.model.records import StoredInstance

Path = int | tuple[int, int]
"""A tag, or that of a sequence and a tag in its items."""


class ActionKind(StrEnum):
    """What can be done."""

    SEND = "send"
    STOW = "stow"
    TRANSCODE = "transcode"
    DEIDENTIFY = "deidentify"
    LABEL = "label"
    NOTIFY = "notify"
    PLUGIN = "plugin"


SHAPING = frozenset({ActionKind.TRANSCODE, ActionKind.DEIDENTIFY})
"""Actions that do nothing by themselves: they say in which form what comes after them sends."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a rule does, with whom or what."""

    kind: ActionKind
    argument: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.argument}"


@dataclass(frozen=True, slots=True)
class AttributeCondition:
    """One of matches must fit one of the attribute's values; negated: none may."""

    name: str
    path: Path
    vr: str
    matches: tuple[Match, ...]
    asked: tuple[str, ...]
    negated: bool = False

    def __str__(self) -> str:
        return f"{self.name} {'is not' if self.negated else 'is'} {' or '.join(self.asked)}"


@dataclass(frozen=True, slots=True)
class SourceCondition:
    """The sender's AE title must fit one of these, in which `*` and `?` stand for anything."""

    titles: tuple[str, ...]

    def __str__(self) -> str:
        return f"source AE is {' or '.join(self.titles)}"


@dataclass(frozen=True, slots=True)
class CalledCondition:
    """What the sender called this archive by must fit one of these AE titles, in which `*` and `?` stand for anything.

    What came over no association called nobody.
    """

    titles: tuple[str, ...]

    def __str__(self) -> str:
        return f"called AE is {' or '.join(self.titles)}"


@dataclass(frozen=True, slots=True)
class TimeCondition:
    """Arrival must lie within one of spans, minutes of the day; one that ends before it begins goes over midnight.

    days are 0 for Monday to 6; for what comes after midnight in such a span the day is that on which it began.
    """

    spans: tuple[tuple[int, int], ...]
    days: frozenset[int]
    asked: str

    def __str__(self) -> str:
        return f"arrival is {self.asked}"


Condition = AttributeCondition | SourceCondition | CalledCondition | TimeCondition


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: all conditions must be met; on_study tells that it waits until a study is quiet."""

    name: str
    on_study: bool
    conditions: tuple[Condition, ...]
    actions: tuple[Action, ...]
    quiet_s: float
    reads_headers: bool = False
    """Tells that an attribute is asked for that the index does not have."""
    asks_of_study: bool = False
    """Tells that something is asked for that only a study as a whole has."""

    @property
    def paths(self) -> frozenset[Path]:
        """The attributes that are asked for."""
        return frozenset(one.path for one in self.conditions if isinstance(one, AttributeCondition))

    @property
    def destination(self) -> str:
        """Whom the rule works for: the first that it sends to, else the first plugin that it has run."""
        told = (ActionKind.SEND, ActionKind.STOW, ActionKind.NOTIFY)
        runs = next((str(action) for action in self.actions if action.kind is ActionKind.PLUGIN), "")
        return next((action.argument for action in self.actions if action.kind in told), runs)

    @property
    def plugins(self) -> tuple[str, ...]:
        """The plugins that it has run, by name."""
        return tuple(action.argument for action in self.actions if action.kind is ActionKind.PLUGIN)


@dataclass(frozen=True, slots=True)
class Subject:
    """An object as rules see it: texts of its attributes, who sent it, when it came (seconds since 1970, UTC).

    called_ae_title is what the sender called this archive by, empty where it came over no association.
    """

    values: Mapping[Path, tuple[str, ...]]
    source_ae_title: str
    received_at: float
    called_ae_title: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a condition is met, and what was found."""

    condition: str
    met: bool
    found: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of an object."""

    rule: str
    on: str
    matches: bool
    findings: tuple[Finding, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrived:
    """An instance that is kept: its number, which grows as instances come, when and from whom it came, its attributes.

    values maps columns of the index to texts; called_ae_title is what the sender called this archive by.
    """

    number: int
    received_at: float
    source_ae_title: str
    stored: StoredInstance
    values: Mapping[str, str]
    called_ae_title: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to which arrival a rule has done its work for a study: what is beyond either is still to be done."""

    number: int = 0
    received_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Routed:
    """How a rule stands with a study; instances counts those for which all was done. changed_at: seconds since 1970."""

    rule: str
    study_instance_uid: str
    mark: Mark = field(default_factory=Mark)
    state: str = "waiting"
    instances: int = 0
    job: int = 0
    error: str = ""
    changed_at: float = 0.0
