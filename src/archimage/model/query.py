"""A query as the services and the index understand it, whoever asked.

Ref: PS3.4 §C.2.2.2 (attribute matching).
"""

from dataclasses import dataclass, field

from archimage.model.access import Within
from archimage.model.attributes import Attribute, Level


@dataclass(frozen=True, slots=True)
class Exact:
    """Single value matching; names match without regard to case and accents."""

    value: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`*` any run of characters, `?` any one."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Range:
    """Range matching of DA, TM, DT (and numbers); None is an open end; both ends count."""

    low: str | None
    high: str | None


@dataclass(frozen=True, slots=True)
class UIDList:
    """Any of these values."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Universal:
    """Everything matches, also an absent value."""


@dataclass(frozen=True, slots=True)
class Empty:
    """Attributes that are absent or have no value (PS3.4 §C.2.2.2.7)."""


Match = Exact | Wildcard | Range | UIDList | Universal | Empty


@dataclass(frozen=True, slots=True)
class Condition:
    """One key and what its value must match."""

    attribute: Attribute
    match: Match


@dataclass(frozen=True, slots=True)
class DateTimeRange:
    """Combined date and time matching of a DA and a TM attribute; the ends are `YYYYMMDDHHMMSS.FFFFFF` or shorter.

    Ref: PS3.4 §C.2.2.2.5.1.
    """

    date: Attribute
    time: Attribute
    match: Range


@dataclass(frozen=True, slots=True)
class OrderBy:
    """A sort key."""

    attribute: Attribute
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Match every condition; give back `requested` of each match, and the unique keys of its level and those above.

    Conditions may stand at any level: those below `level` match when any child does (relational queries).
    limit None is no limit; fuzzy asks for semantic matching of person names. text is what somebody types to find
    patients or studies, and labels are those that a study must have. among are the matches by the index's keys,
    where these few are known already: conditions, text and labels are then looked at no more. merged asks for patients
    of one Patient ID as one, whoever issued it, or who they are that have none. within is what may be seen: matches lie
    in each of these extents.
    """

    level: Level
    conditions: tuple[Condition | DateTimeRange, ...] = ()
    requested: tuple[Attribute, ...] = ()
    order_by: tuple[OrderBy, ...] = field(default=())
    limit: int | None = None
    offset: int = 0
    fuzzy: bool = False
    text: str = ""
    labels: tuple[str, ...] = ()
    among: tuple[int, ...] | None = None
    merged: bool = False
    within: Within = ()
