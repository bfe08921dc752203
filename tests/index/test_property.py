"""Random records and random queries: the index finds what a naive evaluation over plain dictionaries finds."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archimage.index.sqlite import SqliteIndex
from archimage.index.statements import level_of
from archimage.model.attributes import BY_COLUMN, Attribute, Level
from archimage.model.query import Condition, DateTimeRange, Exact, Match, Query, Range, UIDList, Universal, Wildcard
from archimage.model.records import InstanceRecord
from tests.contract.index_contract import paths, record, rows

LEVELS = tuple(Level)
TEXTS = st.text("aB%_[*?'\\", min_size=1, max_size=3).map(lambda text: text.strip("\\")).filter(bool)
PLAIN = TEXTS.map(lambda text: text.replace("\\", "")).filter(bool)
NAMES = st.sampled_from(["Doe^John", "DOE^", "Roe^Jane=Doe", "Doe^Ann\\Roe", "Poe^^X"])
DATES = st.sampled_from(["20200101", "20200131", "20200201", "20211231"])
TIMES = st.sampled_from(["10", "1000", "1030", "103059.5", "110000.000001", "2359"])
NUMBERS = st.sampled_from(["1", "01", "2", "10", "-3"])
VALUES: dict[str, st.SearchStrategy[str]] = {
    "issuer_of_patient_id": st.sampled_from(["X", "Y"]),
    "patient_name": NAMES,
    "other_patient_ids": TEXTS,
    "study_date": DATES,
    "study_time": TIMES,
    "accession_number": PLAIN,
    "study_description": PLAIN,
    "modality": st.sampled_from(["CT", "SR"]),
    "series_number": NUMBERS,
    "operators_name": NAMES,
    "image_type": TEXTS,
    "content_date": DATES,
    "rows": NUMBERS,
}


@st.composite
def records(draw: st.DrawFn) -> InstanceRecord:
    """Draw a record in a small hierarchy, so that records meet."""
    few = st.integers(1, 2)
    given_values = draw(st.fixed_dictionaries({}, optional=VALUES))
    instance = draw(st.integers(1, 3))
    study, series = draw(few), draw(few)
    patient = draw(st.sampled_from(["P", "Q", None]))
    made = {
        "patient_id": patient,
        "modality": None,
        "series_number": None,
        "sop_instance_uid": f"9.{instance}.{series}",
    }
    return record("", study, series, instance, **{**made, **given_values})


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    """Draw a condition whose value fits its attribute."""
    column = draw(st.sampled_from([*VALUES, "modalities_in_study", "patient_id", "sop_instance_uid"]))
    attribute = BY_COLUMN[column]
    values = VALUES.get(column, st.sampled_from(["CT", "SR", "P", "9.1.1", "9.2.1"]))
    return Condition(attribute, draw(fitting(attribute, draw(values), draw(st.none() | values))))


def fitting(attribute: Attribute, value: str, end: str | None) -> st.SearchStrategy[Match]:
    """Choose among the matches that an attribute has."""
    if attribute.vr in ("DA", "TM"):
        return of(Exact(value), Range(value, end), Range(end, value), Universal())
    if attribute.vr in ("IS", "US"):
        return of(Exact(value), Range(value, end), Range(None, value))
    if attribute.vr == "PN":
        names = (Exact(name) for name in ("doe^john", "DOE", "roe", "roe^jane=doe", "poe^^x"))
        return of(*names, *(Wildcard(pattern) for pattern in ("d*", "*o*", "?oe", "DOE^*", "*^^x", "po*^x=poe*")))
    return of(Exact(value), Wildcard(value), Wildcard(f"{value[0]}*"), UIDList((value, "CT")))


def of(*matches: Match) -> st.SearchStrategy[Match]:
    """Choose among matches."""
    return st.sampled_from(matches)


QUERIES = st.builds(Query, st.sampled_from(LEVELS), st.lists(conditions(), max_size=3).map(tuple))


class Naive:
    """The index as dictionaries: the rows of each level by key, each knowing the key above it."""

    def __init__(self) -> None:
        self.tables: dict[Level, dict[Any, tuple[Any, dict[str, str]]]] = {level: {} for level in LEVELS}

    def add(self, batch: list[InstanceRecord]) -> None:
        """Insert or replace."""
        latest = {record.sop_instance_uid: record for record in batch}
        for uid in latest:
            self.tables[Level.IMAGE].pop(uid, None)
        for uid, added in latest.items():
            self._add(uid, dict(added.values))
        self._prune()

    def remove(self, uids: list[str]) -> None:
        """Forget."""
        for uid in uids:
            self.tables[Level.IMAGE].pop(uid, None)
        self._prune()

    def _add(self, uid: str, values: dict[str, str]) -> None:
        study = values["study_instance_uid"]
        identity = (values.get("patient_id", ""), values.get("issuer_of_patient_id", ""))
        person = (*identity, "" if identity[0] else study)
        owner = self.tables[Level.STUDY].get(study, (person, {}))[0]
        keys = {
            Level.PATIENT: owner,
            Level.STUDY: study,
            Level.SERIES: (study, values["series_instance_uid"]),
            Level.IMAGE: uid,
        }
        above: Any = None
        for level, key in keys.items():
            _, row = self.tables[level].setdefault(key, (above, {}))
            own = {column: value for column, value in values.items() if BY_COLUMN[column].level is level}
            if level is not Level.PATIENT or owner[:2] == identity:
                row.update({**own, **row})
            above = key

    def _prune(self) -> None:
        for upper, lower in ((Level.SERIES, Level.IMAGE), (Level.STUDY, Level.SERIES), (Level.PATIENT, Level.STUDY)):
            used = {above for above, _ in self.tables[lower].values()}
            self.tables[upper] = {key: row for key, row in self.tables[upper].items() if key in used}

    def line(self, level: Level, key: Any) -> dict[Level, Any]:
        """Return the keys from a row up to its patient."""
        found = {level: key}
        for at in reversed(LEVELS[1 : level.depth + 1]):
            found[LEVELS[at.depth - 1]] = self.tables[at][found[at]][0]
        return found

    def below(self, level: Level, key: Any, deeper: Level) -> Iterator[dict[Level, Any]]:
        """Walk the lines of the rows of a deeper level under a row."""
        lines = (self.line(deeper, other) for other in self.tables[deeper])
        return (line for line in lines if line[level] == key)

    def meets(self, line: Mapping[Level, Any], condition: Condition | DateTimeRange) -> bool:
        """Evaluate a condition on the rows of a line."""
        assert isinstance(condition, Condition)
        level, column = condition.attribute.level, condition.attribute.column
        if column == "modalities_in_study":
            series = self.below(Level.STUDY, line[level], Level.SERIES)
            found = [self.tables[Level.SERIES][other[Level.SERIES]][1].get("modality") for other in series]
            return any(matches(condition.attribute, value, condition.match) for value in found)
        return matches(condition.attribute, self.tables[level][line[level]][1].get(column), condition.match)

    def find(self, query: Query) -> list[Any]:
        """Return the keys of the matches."""
        deepest = max(map(level_of, query.conditions), key=lambda level: level.depth, default=query.level)
        deepest = max(deepest, query.level, key=lambda level: level.depth)
        return [
            key
            for key in self.tables[query.level]
            if any(
                all(self.meets(line, condition) for condition in query.conditions)
                for line in self.below(query.level, key, deepest)
            )
        ]


def matches(attribute: Attribute, value: str | None, match: Match) -> bool:
    """Evaluate a match on one row's value."""
    if isinstance(match, Universal) or (isinstance(match, Wildcard) and not match.pattern.strip("*")):
        return True
    if value is None:
        return False
    if attribute.vr == "PN":
        return name_matches(value, match)
    values = value.split("\\") if attribute.multiple else [value]
    return any(COMPARE.get(attribute.vr, text_matches)(one, match) for one in values)


def name_matches(value: str, match: Match) -> bool:
    """Evaluate a match on a name of Latin letters: each group of the query fits some group of the name."""
    groups = [group.rstrip("^").casefold() for one in value.split("\\") for group in one.split("=")]
    asked = match.value if isinstance(match, Exact) else match.pattern if isinstance(match, Wildcard) else ""
    wild = isinstance(match, Wildcard)
    parts = [part.rstrip("^").casefold() for part in asked.split("=")]
    return all(any(text_matches(group, Wildcard(part) if wild else Exact(part)) for group in groups) for part in parts)


def text_matches(value: str, match: Match) -> bool:
    """Evaluate a match on a text."""
    match match:
        case Exact(wanted):
            return value == wanted
        case UIDList(wanted):
            return value in wanted
        case Wildcard(pattern):
            parts = {"*": ".*", "?": "."}
            expression = "".join(parts.get(letter, re.escape(letter)) for letter in pattern)
            return re.fullmatch(expression, value, re.DOTALL) is not None
        case _:
            raise AssertionError(match)


def number_matches(value: str, match: Match) -> bool:
    """Evaluate a match on a number."""
    low, high = (match.low, match.high) if isinstance(match, Range) else (None, None)
    if isinstance(match, Exact):
        low = high = match.value
    return (low is None or float(low) <= float(value)) and (high is None or float(value) <= float(high))


def time_matches(value: str, match: Match) -> bool:
    """Evaluate a match on a date or time: padded to full length, down for what begins and up for what ends."""
    low, high = (match.low, match.high) if isinstance(match, Range) else (None, None)
    if isinstance(match, Exact):
        low = high = match.value

    def pad(text: str, filler: str) -> str:
        return text.replace(".", "").ljust(12, filler)

    return (low is None or pad(low, "0") <= pad(value, "0")) and (high is None or pad(value, "0") <= pad(high, "9"))


COMPARE: dict[str, Callable[[str, Match], bool]] = {
    "IS": number_matches,
    "US": number_matches,
    "DA": time_matches,
    "TM": time_matches,
}
STEPS = st.lists(
    st.lists(records(), min_size=1, max_size=4) | st.lists(st.sampled_from(["9.1.1", "9.2.2", "9.3.1"])), max_size=5
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an empty index once; a copy is quicker than the migrations."""
    path = tmp_path_factory.mktemp("empty") / "index.db"
    SqliteIndex(path).close()
    return path


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.lists(QUERIES, min_size=1, max_size=6))
def test_the_index_finds_what_a_naive_evaluation_finds(
    empty: Path, steps: list[list[InstanceRecord] | list[str]], queries: list[Query]
) -> None:
    naive = Naive()
    with tempfile.TemporaryDirectory() as folder:
        index = SqliteIndex(Path(shutil.copy(empty, folder)), durable=False)
        for step in steps:
            apply(index, naive, step)
        for query in queries:
            compare(index, naive, query)
        index.remove(paths(index.all_instances()))
        assert index.count(Query(Level.PATIENT)) == 0
        index.close()


def apply(index: SqliteIndex, naive: Naive, step: list[Any]) -> None:
    """Do the same to both."""
    if step and isinstance(step[0], InstanceRecord):
        index.add(step)
        naive.add(step)
    else:
        index.remove(step)
        naive.remove(step)


def compare(index: SqliteIndex, naive: Naive, query: Query) -> None:
    """Compare matches, their values and counts, and what retrieval gets."""
    expected = naive.find(query)
    assert index.count(query) == len(expected)
    asked = [BY_COLUMN[column] for column in VALUES if BY_COLUMN[column].level.depth <= query.level.depth]
    count = {Level.PATIENT: "patient", Level.STUDY: "study", Level.SERIES: "series"}.get(query.level)
    if count:
        asked.append(BY_COLUMN[f"number_of_{count}_related_instances"])
    found = rows(index, Query(query.level, query.conditions, tuple(asked)))
    wanted = [expected_row(naive, query.level, key, [attribute.column for attribute in asked]) for key in expected]
    assert sorted(found, key=sorted_items) == sorted(wanted, key=sorted_items)
    below = {line[Level.IMAGE] for key in expected for line in naive.below(query.level, key, Level.IMAGE)}
    assert sorted(paths(index.instances(query))) == sorted(below)


def sorted_items(row: dict[str, str]) -> list[tuple[str, str]]:
    """Make rows comparable."""
    return sorted(row.items())


def expected_row(naive: Naive, level: Level, key: Any, columns: list[str]) -> dict[str, str]:
    """Make the row that the index should give."""
    line = naive.line(level, key)
    known = {column: value for at, row in line.items() for column, value in naive.tables[at][row][1].items()}
    if level is not Level.IMAGE:
        known[columns[-1]] = str(sum(1 for _ in naive.below(level, key, Level.IMAGE)))
    uids = ("patient_id", "study_instance_uid", "series_instance_uid", "sop_instance_uid")
    kept = {*columns, *uids[: level.depth + 1]}
    return {column: value for column, value in known.items() if column in kept}
