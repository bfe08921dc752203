"""What the tables of retention do; fixtures `index`, `holds`, `labels`, `accesses` and `retention`, all empty."""

from dataclasses import replace

import pytest

from archimage.model.holds import Hold
from archimage.model.retention import RunState, StudyFacts
from archimage.model.tiers import Share
from archimage.ports.hold import Holds
from archimage.ports.index import Index, Labels
from archimage.ports.retention import Accesses, Retention
from tests.contract.index_contract import record


class RetentionContract:
    """The suite."""

    @pytest.fixture(autouse=True)
    def _studies(self, index: Index) -> None:
        """Two studies: one of three instances of two series, one of a single instance."""
        of_mr = replace(
            record("P", 1, 2, 1, modality="MR", station_name="MR1"), received_at=30.0, source_ae_title="OTHER"
        )
        dated = [record("P", 1, 1, number, study_date="20240102", station_name="CT1") for number in (1, 2)]
        lone = replace(record("Q", 2, 1, 1), received_at=50.0)
        index.add([replace(dated[0], received_at=10.0), replace(dated[1], received_at=20.0), of_mr, lone])

    def test_all_that_rules_ask_for_is_told(
        self, retention: Retention, holds: Holds, labels: Labels, accesses: Accesses
    ) -> None:
        holds.place(Hold("1.1", "ann", "Case 7", 5.0))
        for name in ("a", "b"):
            labels.add("1.1", name, 9)
        accesses.note({"1.1": 70.0})
        first, second = retention.page(0, 9)
        assert first == StudyFacts(
            key=first.key,
            study_instance_uid="1.1",
            patient_id="P",
            study_date="20240102",
            held=True,
            accessed_at=70.0,
            received_at=30.0,
            instances=3,
            size_bytes=3004,
            modalities=frozenset({"CT", "MR"}),
            stations=frozenset({"CT1", "MR1"}),
            source_ae_titles=frozenset({"MOD", "OTHER"}),
            labels=frozenset({"a", "b"}),
            shares={"hot": Share(3, 3004)},
        )
        assert (second.study_instance_uid, second.study_date, second.held) == ("1.2", "", False)
        assert (second.accessed_at, second.received_at, second.labels) == (0.0, 50.0, frozenset())
        assert (retention.facts("1.1"), retention.facts("9.9")) == (first, None)

    def test_studies_come_in_pages_in_the_order_in_which_they_came(self, retention: Retention) -> None:
        (first,) = retention.page(0, 1)
        (second,) = retention.page(first.key, 1)
        assert [first.study_instance_uid, second.study_instance_uid] == ["1.1", "1.2"]
        assert list(retention.page(second.key, 1)) == []

    def test_times_of_access_only_grow_and_go_with_their_study(
        self, index: Index, retention: Retention, accesses: Accesses
    ) -> None:
        for at in (70.0, 60.0):
            accesses.note({"1.1": at, "9.9": at})
        found = retention.facts("1.1")
        assert found is not None
        assert found.accessed_at == 70.0
        with index.writing() as writer:
            writer.remove("1.1")
        index.add([record("P", 1, 1, 1)])
        again = retention.facts("1.1")
        assert again is not None
        assert again.accessed_at == 0.0

    def test_one_run_at_a_time_is_begun_noted_and_ended(self, retention: Retention) -> None:
        run = retention.begin("ann", 5.0)
        assert (run.state, run.asked_by, run.started_at, run.ended_at) == (RunState.RUNNING, "ann", 5.0, None)
        assert retention.begin("bob", 6.0) == run
        noted = replace(
            run, cursor=7, looked=3, deleted=2, deleted_bytes=1 << 40, held=1, spared=4, failed=1, error="x"
        )
        retention.note(noted)
        assert retention.get(run.number) == noted
        assert retention.end(run.number, RunState.DONE, 9.0)
        assert not retention.end(run.number, RunState.STOPPED, 10.0)
        done = replace(noted, state=RunState.DONE, ended_at=9.0)
        assert retention.runs(9) == [done]
        newer = retention.begin("", 11.0)
        assert retention.runs(9) == [newer, done]
        assert retention.runs(1) == [newer]
        assert retention.get(99) is None

    def test_old_runs_are_forgotten(self, retention: Retention) -> None:
        for number in range(105):
            retention.end(retention.begin("", number).number, RunState.DONE, number)
        assert len(retention.runs(200)) == 100
