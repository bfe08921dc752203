"""What somebody types to find a study or patient, as an SQL expression, and the labels that a study must have.

Every word must be found: at the beginning of a word of the name, in any script; in the patient's ID; of a study also in
its accession number or its description, or as its UID. Without regard to case.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, or_, select

from archimage.errors import InvalidQueryError
from archimage.index import matching, names
from archimage.index.dialect import Dialect
from archimage.index.schema import label, name_key, patient, study
from archimage.model.attributes import Level

_MAX_WORDS: Final = 8


def found(text: str, level: Level, dialect: Dialect) -> list[ColumnElement[bool]]:
    """Return the conditions on rows of a level, that of patients or of studies."""
    if level not in {Level.PATIENT, Level.STUDY}:
        raise InvalidQueryError(f"free text finds patients and studies, not the level {level}")
    words = matching.clean(text).split()
    if len(words) > _MAX_WORDS:
        raise InvalidQueryError(f"more than {_MAX_WORDS} words")
    translate = _of_patient if level is Level.PATIENT else _of_study
    return [translate(word, dialect) for word in words]


def labelled(labels: tuple[str, ...]) -> list[ColumnElement[bool]]:
    """Return the conditions on studies that have all of these labels."""
    return [
        study.c.study_instance_uid.in_(select(label.c.study_instance_uid).where(label.c.name == matching.clean(name)))
        for name in labels
    ]


def _of_patient(word: str, dialect: Dialect) -> ColumnElement[bool]:
    return or_(patient.c.patient_name.in_(_named(word)), _within(patient.c.patient_id, word, dialect))


def _of_study(word: str, dialect: Dialect) -> ColumnElement[bool]:
    patients = select(patient.c.pk).where(_of_patient(word, dialect)).correlate(None)
    return or_(
        study.c.patient_pk.in_(patients),
        _within(study.c.accession_number, word, dialect),
        _within(study.c.study_description, word, dialect),
        study.c.study_instance_uid == word,
    )


def _named(word: str) -> Any:
    """Select the names of which a word begins so; `Doe^Jane` is two words, and both must."""
    chosen = select(name_key.c.name).where(name_key.c.kind == names.WORD)
    result = None
    for spellings in names.query_words(word):
        begins = or_(*(matching.between(name_key.c.key, spelling, spelling) for spelling in sorted(spellings)))
        more = chosen.where(begins).correlate(None)
        result = more if result is None else more.where(name_key.c.name.in_(result))
    return chosen.where(name_key.c.key == "") if result is None else result


def _within(column: ColumnElement[Any], word: str, dialect: Dialect) -> ColumnElement[bool]:
    """Find a word anywhere in a column; databases fold the case of ASCII at least, and the rest is spelled out."""
    spellings = {word} if word.isascii() else {word, word.lower(), word.upper()}
    return or_(*(dialect.contains(column, spelling) for spelling in sorted(spellings)))
