"""What somebody types to find a study or patient, as an SQL expression, and the labels that a study must have.

Every word must be found: at the beginning of a word of the name, in any script; in the patient's ID; of a study also in
its accession number or its description, or as its UID. Without regard to case. A word of one or two characters is found
where a word of these begins, a longer one anywhere in it.

There are two forms of it, which mean the same. `found` leads to the rows through indexes, however few or many they are.
`tested` looks at one row after another, for whoever walks along the order of a list and stops after a page of it.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select

from archimage.errors import InvalidQueryError
from archimage.index import matching
from archimage.index.dialect import Dialect
from archimage.index.schema import label, name_key, patient, study
from archimage.model import names
from archimage.model.attributes import Level

_MAX_WORDS: Final = 8
_BREAK: Final = "  "
"""Stands before every word of a text: with one character of a word it makes the shortest thing to look for."""
_LONG: Final = 3  # characters
_LONGEST: Final = 256
"""So many characters of a value are looked at, several times what the standard allows (PS3.5 §6.2): the trigrams of one
that a peer made as long as it liked would hold up everybody who stores."""
_patient: Final = patient.alias("inner_patient")


def found(
    text: str, level: Level, dialect: Dialect, *, limit: ColumnElement[int] | None = None
) -> list[ColumnElement[bool]]:
    """Return the conditions on rows of a level, that of patients or of studies, for finding them.

    limit tells that no more rows are wanted, of whoever has no other condition: of one word no more are then looked at.
    """
    words = _words(text, level)
    return [_found(word, level, dialect, limit if len(words) == 1 else None) for word in words]


def tested(text: str, level: Level, dialect: Dialect) -> list[ColumnElement[bool]]:
    """Return the same conditions for testing row after row."""
    return [_tested(word, level, dialect) for word in _words(text, level)]


def labelled(labels: tuple[str, ...]) -> list[ColumnElement[bool]]:
    """Return the conditions on studies that have all of these labels."""
    return [
        study.c.study_instance_uid.in_(select(label.c.study_instance_uid).where(label.c.name == matching.clean(name)))
        for name in labels
    ]


def _words(text: str, level: Level) -> list[str]:
    if level not in {Level.PATIENT, Level.STUDY}:
        raise InvalidQueryError(f"free text finds patients and studies, not the level {level}")
    words = matching.clean(text).split()
    if len(words) > _MAX_WORDS:
        raise InvalidQueryError(f"more than {_MAX_WORDS} words")
    return words


def _found(word: str, level: Level, dialect: Dialect, limit: ColumnElement[int] | None) -> ColumnElement[bool]:
    patients, studies = (dialect.holding(rows, _sought(word)).limit(limit) for rows in (patient, study))
    of_patient = or_(_named(patient.c.patient_name, word), patient.c.pk.in_(patients))
    if level is Level.PATIENT:
        return of_patient
    return or_(
        study.c.patient_pk.in_(select(patient.c.pk).where(of_patient).correlate(None)),
        study.c.pk.in_(studies),
        study.c.study_instance_uid == word,
    )


def _tested(word: str, level: Level, dialect: Dialect) -> ColumnElement[bool]:
    if level is Level.PATIENT:
        return _holds(patient, word, dialect)
    of_patient = exists().where(_patient.c.pk == study.c.patient_pk, _holds(_patient, word, dialect))
    described = _broken(study.c.accession_number).concat(_broken(study.c.study_description))
    return or_(of_patient, _within(described, word, dialect), study.c.study_instance_uid == word)


def _holds(table: Any, word: str, dialect: Dialect) -> ColumnElement[bool]:
    return or_(_named(table.c.patient_name, word), _within(_broken(table.c.patient_id), word, dialect))


def _named(name: ColumnElement[Any], word: str) -> ColumnElement[bool]:
    """Find the names of which a word begins so; `Doe^Jane` is two words, and both must, the longest first.

    A number with dots is many words: they stand beside one another, for a database parses only so deep.
    """
    parts = {frozenset(spellings) for spellings in names.query_words(word)} - {frozenset()}
    if not parts:
        return false()
    ordered = sorted(parts, key=lambda part: (-max(map(len, part)), sorted(part)))
    return and_(*(name.in_(_beginning(part)) for part in ordered))


def _beginning(spellings: frozenset[str]) -> Any:
    """Select the names that have a word which begins in one of these ways."""
    begins = or_(*(matching.between(name_key.c.key, spelling, spelling) for spelling in sorted(spellings)))
    return select(name_key.c.name).where(name_key.c.kind == names.WORD, begins).correlate(None)


def _sought(word: str) -> str:
    """Return what to look for in a text whose words stand behind breaks."""
    return word if len(word) >= _LONG else _BREAK + word


def _broken(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Put a break before every word of a column, as `Dialect.holding` knows it."""
    return func.replace(" " + func.coalesce(func.substr(column, 1, _LONGEST), ""), " ", _BREAK)


def _within(text: ColumnElement[Any], word: str, dialect: Dialect) -> ColumnElement[bool]:
    """Find a word in a text; databases fold the case of ASCII at least, and the rest is spelled out."""
    spellings = {word} if word.isascii() else {word, word.lower(), word.upper()}
    return or_(*(dialect.contains(text, _sought(spelling)) for spelling in sorted(spellings)))
