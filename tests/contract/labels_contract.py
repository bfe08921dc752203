"""What every table of labels does; subclasses give fixtures `index` and `labels`, both empty."""

import pytest

from archimage.model.attributes import Level
from archimage.model.query import Query
from archimage.ports.index import Index, Labels
from tests.contract.index_contract import record


class LabelsContract:
    """The suite."""

    @pytest.fixture(autouse=True)
    def _two_studies(self, index: Index) -> None:
        index.add([record("P", 1, 1, 1), record("P", 2, 1, 1)])

    def test_a_study_has_the_labels_that_it_was_given_by_name(self, labels: Labels) -> None:
        for name in ("urgent", "Ärzte 100%", "urgent"):
            assert labels.add("1.1", name, 9)
        assert labels.of(["1.1", "1.2"]) == {"1.1": ["urgent", "Ärzte 100%"]}
        labels.remove("1.1", "urgent")
        labels.remove("1.1", "never given")
        assert labels.of(["1.1"]) == {"1.1": ["Ärzte 100%"]}

    def test_no_study_that_is_not_kept_has_a_label_and_none_too_many(self, labels: Labels) -> None:
        assert not labels.add("9.9", "urgent", 9)
        assert labels.add("1.1", "a", 1)
        assert not labels.add("1.1", "b", 1)
        assert labels.counts() == {"a": 1}

    def test_labels_are_counted(self, labels: Labels) -> None:
        for uid, name in (("1.1", "a"), ("1.2", "a"), ("1.2", "b")):
            labels.add(uid, name, 9)
        assert labels.counts() == {"a": 2, "b": 1}

    def test_studies_are_found_by_all_of_several_labels(self, index: Index, labels: Labels) -> None:
        for uid, name in (("1.1", "a"), ("1.2", "a"), ("1.2", "b")):
            labels.add(uid, name, 9)
        assert index.count(Query(Level.STUDY, labels=("a",))) == 2
        assert index.count(Query(Level.STUDY, labels=("a", "b"))) == 1
        assert index.count(Query(Level.STUDY, labels=("c",))) == 0

    def test_a_study_that_is_removed_takes_its_labels_along(self, index: Index, labels: Labels) -> None:
        labels.add("1.1", "a", 9)
        with index.writing() as writer:
            writer.remove("1.1")
        assert labels.of(["1.1"]) == {}
        index.add([record("P", 1, 1, 1)])
        assert labels.of(["1.1"]) == {}
