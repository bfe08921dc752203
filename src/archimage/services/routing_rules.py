"""Rules of routing: read from the settings, and looked up against objects. Nothing here blocks or remembers.

An attribute is matched as the keys of queries are: single values, `*` and `?`, ranges of dates and times, names without
regard to case and accents. Of the values that a condition names, and of those that an object has, one that fits is
enough. A rule on studies is met once one object of the study meets all conditions.

Ref: PS3.4 §C.2.2.2 (attribute matching).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from archimage.config_routing import WEEKDAYS, RoutingConfig, RuleConfig
from archimage.dicom.dictionary import dictionary_vr, tag_of_keyword
from archimage.dicom.scan import Header
from archimage.errors import ConfigError, ServiceError
from archimage.model.attributes import ATTRIBUTES, BY_COLUMN, Attribute
from archimage.model.ids import is_ae_title, is_uid
from archimage.model.projects import check_project
from archimage.model.query import Empty, Match, Universal
from archimage.model.routing import (
    Action,
    ActionKind,
    AttributeCondition,
    CalledCondition,
    Condition,
    Finding,
    Path,
    Rule,
    SourceCondition,
    Subject,
    TimeCondition,
    Verdict,
)
from archimage.services.compression_rules import TARGETS
from archimage.services.labels import checked
from archimage.services.matching import parse_match
from archimage.services.modelmatching import UNMATCHED, fits, pattern_of

_TAG: Final = re.compile(r"\(?([0-9A-Fa-f]{4}),\s?([0-9A-Fa-f]{4})\)?")
_SHOWN: Final = 200
_DAY: Final = 24 * 60


def _path_of(attribute: Attribute) -> Path:
    return attribute.tag if attribute.sequence_tag is None else (attribute.sequence_tag, attribute.tag)


_PATHS: Final = {attribute.column: _path_of(attribute) for attribute in ATTRIBUTES}
_INDEXED: Final = frozenset(_path_of(attribute) for attribute in ATTRIBUTES if not attribute.computed)
MODALITIES: Final = BY_COLUMN["modalities_in_study"].tag
INSTANCES: Final = BY_COLUMN["number_of_study_related_instances"].tag
_OF_STUDY: Final = frozenset({MODALITIES, INSTANCES})
_COMPUTED: Final = frozenset(_path_of(attribute) for attribute in ATTRIBUTES if attribute.computed)


def rules_of(settings: RoutingConfig) -> tuple[Rule, ...]:
    """Read the rules; ConfigError names the rule, and what of it cannot be."""
    return tuple(_rule(rule, settings.quiet_s) for rule in settings.rule)


def judge(rule: Rule, subject: Subject) -> Verdict:
    """Look up every condition of a rule against an object, and say what came of each."""
    findings = tuple(Finding(str(one), _is_met(one, subject), _found(one, subject)) for one in rule.conditions)
    return Verdict(
        rule.name,
        "study" if rule.on_study else "instance",
        all(finding.met for finding in findings),
        findings,
        tuple(map(str, rule.actions)),
    )


def matches(rule: Rule, subject: Subject) -> bool:
    """Tell whether an object meets all conditions of a rule."""
    return all(_is_met(condition, subject) for condition in rule.conditions)


def indexed_values(values: Mapping[str, str]) -> dict[Path, tuple[str, ...]]:
    """Return the texts of attributes by their paths, of those that the index has by their columns."""
    return {_PATHS[column]: _split(text) for column, text in values.items() if text}


def header_values(header: Header, paths: Iterable[Path]) -> dict[Path, tuple[str, ...]]:
    """Return the texts of attributes that a header has."""
    found = {}
    for path in paths:
        texts = header.texts(*path) if isinstance(path, tuple) else (header.text(path) or "",)
        values = tuple(value for text in texts for value in _split(text) if value)
        if values:
            found[path] = values
    return found


def study_values(modalities: Sequence[str]) -> dict[Path, tuple[str, ...]]:
    """Return what only a study as a whole has, by the modalities of its instances."""
    return {MODALITIES: tuple(sorted(set(modalities) - {""})), INSTANCES: (str(len(modalities)),)}


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip(" \0") for part in text.split("\\"))


def _rule(settings: RuleConfig, quiet_s: float) -> Rule:
    on_study = settings.on == "study"
    try:
        conditions = tuple(_conditions(settings))
        actions = tuple(_action(text) for text in settings.actions)
    except (ServiceError, ValueError) as error:
        raise ConfigError(f"routing.rule {settings.name!r}: {error}") from None
    rule = Rule(settings.name, on_study, conditions, actions, settings.quiet_s or quiet_s)
    wrong = rule.paths & (_COMPUTED - _OF_STUDY if on_study else _COMPUTED)
    if wrong:
        raise ConfigError(f"routing.rule {settings.name!r}: no object has what it asks for; a study may, or nothing")
    reads_headers = not rule.paths <= _INDEXED | _OF_STUDY
    return replace(rule, reads_headers=reads_headers, asks_of_study=bool(rule.paths & _OF_STUDY))


def _conditions(settings: RuleConfig) -> Iterator[Condition]:
    if settings.source:
        yield SourceCondition(settings.source)
    if settings.called:
        yield CalledCondition(settings.called)
    if settings.hours or settings.weekdays:
        yield _time(settings)
    for name, asked in settings.when.items():
        yield _attribute(name, asked, negated=False)
    for name, asked in settings.unless.items():
        yield _attribute(name, asked, negated=True)


def _attribute(name: str, asked: Sequence[str], *, negated: bool) -> AttributeCondition:
    path = _path(name)
    tag = path if isinstance(path, int) else path[1]
    vr = dictionary_vr(tag)
    if vr == "UN" and tag >> 16 & 1:
        vr = "LO"  # most private elements that anybody asks for hold text
    if vr == "SQ" or vr in UNMATCHED:
        raise ValueError(f"{name} has no text that could be compared")
    found = tuple(parse_match(text, vr, empty_values=True) for text in asked)
    if not found:
        raise ValueError(f"{name} is compared with nothing")
    return AttributeCondition(name, path, vr, found, tuple(asked), negated)


def _path(name: str) -> Path:
    """Read `Keyword`, `(gggg,eeee)`, or two of them with a dot between for what stands in a sequence."""
    outer, dot, inner = name.partition(".")
    return (_tag(outer), _tag(inner)) if dot else _tag(outer)


def _tag(name: str) -> int:
    name = name.strip()
    found = _TAG.fullmatch(name)
    tag = int(found[1] + found[2], 16) if found else tag_of_keyword(name)
    if tag is None:
        raise ValueError(f"{name[:80]!r} is neither the keyword of an attribute nor a tag as `(0018,0015)`")
    return tag


def _time(settings: RuleConfig) -> TimeCondition:
    spans = tuple(_span(text) for text in settings.hours) or ((0, _DAY),)
    days = frozenset(WEEKDAYS.index(day) for day in settings.weekdays or WEEKDAYS)
    return TimeCondition(spans, days, ", ".join((*settings.hours, *settings.weekdays)))


def _span(text: str) -> tuple[int, int]:
    begin, _, end = text.partition("-")
    return _minutes(begin), _minutes(end)


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _action(text: str) -> Action:
    kind, _, argument = text.partition(":")
    action = Action(ActionKind(kind), argument.strip())
    return Action(action.kind, _checked(action))


def _checked(action: Action) -> str:
    """Return the argument of an action as it is used."""
    argument = action.argument
    match action.kind:
        case ActionKind.SEND:
            if not is_ae_title(argument):
                raise ValueError(f"{argument!r} is no AE title of a node")
        case ActionKind.STOW | ActionKind.NOTIFY:
            _check_address(argument, named=action.kind is ActionKind.STOW)
        case ActionKind.TRANSCODE:
            argument = TARGETS.get(argument, argument)
            if not is_uid(argument):
                raise ValueError(f"{argument!r} is no transfer syntax; {', '.join(TARGETS)} have names")
        case ActionKind.DEIDENTIFY:
            check_project(argument)
        case ActionKind.LABEL:
            argument = checked(argument)
        case ActionKind.PLUGIN:
            pass
    return argument


def _check_address(text: str, *, named: bool) -> None:
    """Raise ValueError where a text is no address of the web, nor, if that may be, the name of an archive."""
    if not text.startswith(("http://", "https://")) and not (named and "://" not in text and is_ae_title(text)):
        raise ValueError(f"{text!r} is no address: it begins with http:// or https://")


def _is_met(condition: Condition, subject: Subject) -> bool:
    match condition:
        case SourceCondition(titles):
            return any(pattern_of(title).fullmatch(subject.source_ae_title) for title in titles)
        case CalledCondition(titles):
            called = subject.called_ae_title
            return bool(called) and any(pattern_of(title).fullmatch(called) for title in titles)
        case TimeCondition():
            return _is_within(condition, datetime.fromtimestamp(subject.received_at).astimezone())
    return _has(condition, subject.values.get(condition.path, ())) is not condition.negated


def _has(condition: AttributeCondition, values: Sequence[str]) -> bool:
    """Tell whether one of values is one of those that are asked for."""
    return any(_is_asked(values, condition.vr, match) for match in condition.matches)


def _is_asked(values: Sequence[str], vr: str, match: Match) -> bool:
    found = [value for value in values if value]
    match match:
        case Universal():
            return bool(found)
        case Empty():
            return not found
    return any(fits(value, vr, match) for value in found)


def _is_within(condition: TimeCondition, at: datetime) -> bool:
    """Tell whether a local time lies within."""
    minute, day = at.hour * 60 + at.minute, at.weekday()
    for begin, end in condition.spans:
        if begin < end:
            if begin <= minute < end and day in condition.days:
                return True
        elif (minute >= begin and day in condition.days) or (minute < end and (day - 1) % 7 in condition.days):
            return True
    return False


def _found(condition: Condition, subject: Subject) -> str:
    match condition:
        case SourceCondition():
            return subject.source_ae_title
        case CalledCondition():
            return subject.called_ae_title
        case TimeCondition():
            return f"{datetime.fromtimestamp(subject.received_at).astimezone():%a %Y-%m-%d %H:%M}"
    return "\\".join(subject.values.get(condition.path, ()))[:_SHOWN]
