"""What is known of a patient: his attributes as they are asked for, and what the newest studies tell of him."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from archimage.errors import InvalidQueryError, RefusedOperationError
from archimage.index.sqlite import SqliteIndex
from archimage.model import callers
from archimage.model.access import Grant, Operation, Scope
from archimage.services.datasets import Model, items, text, texts
from archimage.services.identifiers import Key
from archimage.services.query import QueryService
from archimage.services.relevant_patient import told_of
from tests.contract.index_contract import record

_ID: Final = Key(0x00100020, "LO", "P")
_NAME: Final = Key(0x00100010, "PN", "")
_SEX: Final = Key(0x00100040, "CS", "")
_ISSUER: Final = 0x00100021
_TEMPLATES: Final = 0x0040A504
_CONTENT: Final = 0x0040A730
_CONCEPT_NAME: Final = 0x0040A043
_OBSERVED: Final = 0x0040A032


def _template(identifier: str = "9007", resource: str = "DCMR") -> Key:
    inner = (Key(0x00080105, "CS", resource), Key(0x0040DB00, "CS", identifier))
    return Key(_TEMPLATES, "SQ", "", (inner,))


@pytest.fixture
def queries(tmp_path: Path) -> Iterator[QueryService]:
    """Three studies of a patient, the newest of which knows his weight alone; and two patients of one Patient ID."""
    person = {"patient_name": "Müller^Jörg", "patient_sex": "M", "patient_birth_date": "19700101"}
    with closing(SqliteIndex(tmp_path / "index.db", durable=False)) as index:
        index.add(
            [
                record("P", 1, 1, 1, **person, study_date="20240101", patient_age="054Y", patient_size="1.70"),
                record("P", 2, 1, 1, **person, study_date="20240601", patient_size="1.745", patient_weight="80"),
                record(
                    "P", 3, 1, 1, **person, study_date="20240901", patient_weight="82.50000000001", patient_size="tall"
                ),
                record("Q", 4, 1, 1, issuer_of_patient_id="A", study_date="20240101", patient_sex="O"),
                record("Q", 5, 1, 1, issuer_of_patient_id="B", study_date="20240101", modality="MR"),
            ]
        )
        yield QueryService(index)


def _items(told: Model) -> Mapping[str, Model]:
    """Return the items of the container, by the codes of their concepts."""
    (container,) = items(told, _CONTENT)
    return {_concept(one): one for one in items(container, _CONTENT)}


def _concept(item: Model) -> str:
    return text(items(item, _CONCEPT_NAME)[0], 0x00080100)


def _measured(item: Model) -> tuple[float, str, str]:
    """Return a number, its unit and the day on which it was observed."""
    (measured,) = items(item, 0x0040A300)
    (unit,) = items(measured, 0x004008EA)
    value: Any = measured["0040A30A"]["Value"][0]
    return float(value), text(unit, 0x00080100), text(item, _OBSERVED)


def test_a_patient_is_told_of_from_his_newest_studies(queries: QueryService) -> None:
    told = told_of(queries, [_ID, _NAME, _template()])
    assert told is not None
    assert (text(told, 0x00100020), text(told, 0x00100010)) == ("P", "Müller^Jörg")
    assert (text(told, 0x0040A040), _concept(told), bool(text(told, _OBSERVED))) == ("CONTAINER", "111517", True)
    (template,) = items(told, _TEMPLATES)
    assert (texts(template, 0x00080105), texts(template, 0x0040DB00)) == (["DCMR"], ["9007"])
    assert [_concept(one) for one in items(told, _CONTENT)] == ["121118"]
    found = _items(told)
    assert list(found) == ["121033", "121032", "8302-2", "29463-7"]
    assert _measured(found["121033"]) == (54, "a", "20240101")
    assert _measured(found["8302-2"]) == (174.5, "cm", "20240601")
    assert _measured(found["29463-7"]) == (82.5, "kg", "20240901")
    assert text(items(found["121032"], 0x0040A168)[0], 0x00080100) == "M"


def test_attributes_are_told_as_far_as_they_are_asked_for(queries: QueryService) -> None:
    told = told_of(queries, [_ID, _SEX, Key(0x00100030, "DA", ""), Key(0x00080060, "CS", ""), _template()])
    assert told is not None
    document = {"0040A032", "0040A040", "0040A043", "0040A504", "0040A730"}
    assert set(told) - document == {"00100020", "00100030", "00100040"}


@pytest.mark.parametrize("patient", ["nobody", "*", "?", "p"])
def test_who_is_not_known_has_no_answer(queries: QueryService, patient: str) -> None:
    assert told_of(queries, [Key(0x00100020, "LO", patient), _template()]) is None


def test_one_of_several_patients_is_named_by_the_issuer(queries: QueryService) -> None:
    asked = [Key(0x00100020, "LO", "Q"), _template()]
    with pytest.raises(RefusedOperationError) as refused:
        told_of(queries, asked)
    assert refused.value.status == 0xC100
    told = told_of(queries, [*asked, Key(_ISSUER, "LO", "A")])
    assert told is not None
    assert (text(told, _ISSUER), list(_items(told))) == ("A", ["121032"])
    nothing = told_of(queries, [*asked, Key(_ISSUER, "LO", "B")])
    assert nothing is not None
    assert items(nothing, _CONTENT) == ()


def test_who_was_granted_a_part_is_answered_from_that_part(queries: QueryService) -> None:
    asked = [Key(0x00100020, "LO", "Q"), Key(_ISSUER, "LO", ""), _template()]
    with callers.under(Grant(Operation.QUERY, ((Scope(modalities=frozenset({"CT"})),),))):
        told = told_of(queries, asked)
        assert told is not None
        assert text(told, _ISSUER) == "A"
    with callers.under(Grant(Operation.QUERY, ((Scope(studies=frozenset({"1.1"})),),))):
        assert told_of(queries, asked) is None
        told = told_of(queries, [_ID, _template()])
        assert told is not None
        assert _measured(_items(told)["8302-2"]) == (170, "cm", "20240101")
        assert "29463-7" not in _items(told)


@pytest.mark.parametrize("template", [_template("9000"), _template("3802"), _template("9007", "99LOCAL")])
def test_another_template_is_refused(queries: QueryService, template: Key) -> None:
    with pytest.raises(RefusedOperationError) as refused:
        told_of(queries, [_ID, template])
    assert (refused.value.status, refused.value.offending) == (0xC200, (_TEMPLATES,))


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [_ID],
        [_template()],
        [_ID, Key(_TEMPLATES, "SQ", "")],
        [_ID, Key(_TEMPLATES, "SQ", "", _template().items * 2)],
        [_ID, Key(_TEMPLATES, "SQ", "", ((),))],
        [_ID, _template("")],
        [_ID, _template(resource="")],
        [Key(0x00100020, "LO", ""), _template()],
        [Key(0x00100020, "LO", "P\\Q"), _template()],
        [_ID, Key(_ISSUER, "LO", "A\\B"), _template()],
    ],
)
def test_a_query_that_is_none_is_told_so(queries: QueryService, keys: Sequence[Key]) -> None:
    with pytest.raises(InvalidQueryError):
        told_of(queries, keys)


def test_a_small_limit_of_matches_hides_nobody(queries: QueryService, tmp_path: Path) -> None:
    with closing(SqliteIndex(tmp_path / "index.db")) as index:
        told = told_of(QueryService(index, max_results=1), [_ID, _template()])
        assert told is not None
        assert list(_items(told)) == ["121032", "29463-7"]
