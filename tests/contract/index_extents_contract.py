"""What somebody may see of an index; subclasses give fixtures `index` and `labels`, both empty."""

import pytest

from archimage.model.access import Extent, Scope, Within
from archimage.model.attributes import BY_COLUMN, Level
from archimage.model.query import Condition, Exact, OrderBy, Query
from archimage.ports.index import Index, Labels
from tests.contract.index_contract import record, rows

CT = Scope(modalities=frozenset({"CT"}))
P1 = Scope(patients=frozenset({"P1"}))
TRIAL = Scope(labels=frozenset({"trial"}))
SECOND = Scope(studies=frozenset({"1.2"}))
UIDS = {Level.STUDY: "study_instance_uid", Level.SERIES: "series_instance_uid", Level.IMAGE: "sop_instance_uid"}


def shown(index: Index, level: Level, *within: Extent, **more: object) -> set[str]:
    """Return the unique keys of all that may be seen at a level."""
    query = Query(level, within=within, **more)  # type: ignore[arg-type]
    found = [row[UIDS.get(level, "patient_id")] for row in rows(index, query)]
    assert len(found) == index.count(query)
    return set(found)


class ExtentsContract:
    """The suite: P1 has study 1.1 of CT and SR, P2 has 1.2 of MR and 1.3 of CT, which is labelled."""

    @pytest.fixture(autouse=True)
    def _three_studies(self, index: Index, labels: Labels) -> None:
        mr, sr = {"modality": "MR"}, {"modality": "SR"}
        index.add([record("P1", 1, 1, 1), record("P1", 1, 1, 2), record("P1", 1, 2, 1, **sr)])
        index.add([record("P2", 2, 1, 1, **mr), record("P2", 3, 1, 1)])
        assert labels.add("1.3", "trial", 9)

    @pytest.mark.parametrize(
        ("within", "patients", "studies", "series"),
        [
            ((), {"P1", "P2"}, {"1.1", "1.2", "1.3"}, {"1.1.1", "1.1.2", "1.2.1", "1.3.1"}),
            (((Scope(),),), {"P1", "P2"}, {"1.1", "1.2", "1.3"}, {"1.1.1", "1.1.2", "1.2.1", "1.3.1"}),
            (((),), set(), set(), set()),
            (((P1,),), {"P1"}, {"1.1"}, {"1.1.1", "1.1.2"}),
            (((SECOND,),), {"P2"}, {"1.2"}, {"1.2.1"}),
            (((TRIAL,),), {"P2"}, {"1.3"}, {"1.3.1"}),
            (((CT,),), {"P1", "P2"}, {"1.1", "1.3"}, {"1.1.1", "1.3.1"}),
            (((P1, SECOND),), {"P1", "P2"}, {"1.1", "1.2"}, {"1.1.1", "1.1.2", "1.2.1"}),
            (((CT,), (P1,)), {"P1"}, {"1.1"}, {"1.1.1"}),
            (((CT,), (SECOND,)), set(), set(), set()),
            (((Scope(patients=P1.patients, modalities=frozenset({"SR", "MR"})),),), {"P1"}, {"1.1"}, {"1.1.2"}),
            (((Scope(labels=frozenset({"' OR 1=1 --"})),),), set(), set(), set()),
        ],
    )
    def test_all_levels_show_what_lies_within(
        self, index: Index, within: Within, patients: set[str], studies: set[str], series: set[str]
    ) -> None:
        assert shown(index, Level.PATIENT, *within) == patients
        assert shown(index, Level.STUDY, *within) == studies
        assert shown(index, Level.SERIES, *within) == series
        assert {uid.rpartition(".")[0] for uid in shown(index, Level.IMAGE, *within)} == series

    def test_retrieval_gives_the_visible_instances_of_a_match_alone(self, index: Index) -> None:
        condition = (Condition(BY_COLUMN["study_instance_uid"], Exact("1.1")),)
        found = [one for page in index.instances(Query(Level.STUDY, condition, within=((CT,),))) for one in page]
        assert [one.sop_instance_uid for one in found] == ["1.1.1.1", "1.1.1.2"]
        assert not [*index.instances(Query(Level.STUDY, condition, within=((SECOND,),)))]

    @pytest.mark.parametrize("text", ["P", ""])
    def test_every_way_of_listing_keeps_to_it(self, index: Index, text: str) -> None:
        order = (OrderBy(BY_COLUMN["patient_id"]),)
        for more in ({}, {"limit": 10}, {"limit": 10, "order_by": order}, {"order_by": order}):
            assert shown(index, Level.STUDY, (P1,), text=text, **more) == {"1.1"}
        query = Query(Level.STUDY, text=text, within=((P1,),))
        keys = index.some(query, 10)
        assert len(keys) == 1
        by_keys = Query(Level.STUDY, within=((P1,),), among=tuple(keys), limit=5)
        assert [row["study_instance_uid"] for row in rows(index, by_keys)] == ["1.1"]

    def test_a_condition_that_leads_by_itself_does_too(self, index: Index) -> None:
        for column, value in (("modalities_in_study", "CT"), ("patient_id", "P2"), ("study_instance_uid", "1.2")):
            condition = (Condition(BY_COLUMN[column], Exact(value)),)
            assert shown(index, Level.STUDY, (P1,), conditions=condition) <= {"1.1"}
