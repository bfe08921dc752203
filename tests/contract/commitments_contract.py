"""What every adapter of `ports.commitment.Commitments` does; a test module derives and gives it empty tables."""

from archimage.model.commitments import Commitment, CommitmentState, Direction, Failure, Outcome, Reason, Reference
from archimage.ports.commitment import Commitments
from archimage.ports.department import Deliveries
from archimage.services.deliveries import made

_OF_US, _BY_US = Direction.ASKED_OF_US, Direction.ASKED_BY_US
_REFERENCES = [Reference("1.1", "2.1"), Reference("1.1", "2.2", withheld=True)]


def _add(
    table: Commitments, uid: str, *, direction: Direction = _OF_US, ae_title: str = "AE", now: float = 1.0
) -> Commitment:
    state = CommitmentState.VERIFYING if direction is _OF_US else CommitmentState.WAITING
    kept = Commitment(uid, direction, ae_title, state, len(_REFERENCES), now)
    assert table.add(kept, _REFERENCES, made("commitment", ae_title, uid, "", now))
    found = table.get(direction, uid)
    assert found is not None
    return found


class CommitmentsContract:
    """The tests."""

    def test_a_transaction_is_kept_with_what_is_to_be_done_about_it(
        self, commitments: Commitments, deliveries: Deliveries
    ) -> None:
        kept = _add(commitments, "1.2")
        assert (kept.state, kept.count, kept.failed, kept.verified_at) == (CommitmentState.VERIFYING, 2, 0, None)
        assert commitments.one(kept.id) == kept
        assert commitments.references(kept.id) == _REFERENCES
        assert commitments.failures(kept.id) == []
        assert [one.about for one in deliveries.find(limit=10)] == ["1.2"]

    def test_a_uid_that_was_used_before_changes_nothing(self, commitments: Commitments, deliveries: Deliveries) -> None:
        kept = _add(commitments, "1.2")
        again = Commitment("1.2", _OF_US, "OTHER", CommitmentState.VERIFYING, 0, 2.0)
        assert not commitments.add(again, [], made("commitment", "OTHER", "1.2", "", 2.0))
        assert commitments.get(_OF_US, "1.2") == kept
        assert len(deliveries.find(limit=10)) == 1
        assert commitments.get(_BY_US, "1.2") is None
        _add(commitments, "1.2", direction=_BY_US)

    def test_the_first_outcome_stays(self, commitments: Commitments) -> None:
        kept = _add(commitments, "1.2")
        failure = Failure("1.1", "2.2", Reason.ABSENT)
        assert commitments.conclude(kept.id, CommitmentState.VERIFIED, Outcome([failure], "HERE"), 5.0)
        assert not commitments.conclude(kept.id, CommitmentState.VERIFIED, Outcome(), 6.0)
        found = commitments.one(kept.id)
        assert found is not None
        assert (found.state, found.failed, found.verified_at, found.ended_at) == (
            CommitmentState.VERIFIED,
            1,
            5.0,
            None,
        )
        assert found.retrieve_ae_title == "HERE"
        assert commitments.failures(kept.id) == [failure]

    def test_what_is_answered_is_over(self, commitments: Commitments) -> None:
        kept = _add(commitments, "1.2", direction=_BY_US)
        assert commitments.advance(kept.id, CommitmentState.WAITING, CommitmentState.ASKED)
        assert not commitments.advance(kept.id, CommitmentState.WAITING, CommitmentState.ASKED)
        commitments.conclude(kept.id, CommitmentState.ANSWERED, Outcome(), 5.0)
        found = commitments.one(kept.id)
        assert found is not None
        assert (found.state, found.ended_at) == (CommitmentState.ANSWERED, 5.0)

    def test_what_waits_is_counted_by_who_asked(self, commitments: Commitments) -> None:
        first = _add(commitments, "1.2")
        _add(commitments, "1.3")
        _add(commitments, "1.4", ae_title="OTHER")
        _add(commitments, "1.5", direction=_BY_US)
        assert (commitments.waiting("AE"), commitments.waiting("NOBODY")) == (4, 0)
        commitments.conclude(first.id, CommitmentState.VERIFIED, Outcome(), 5.0)
        assert commitments.waiting("AE") == 4
        commitments.end(first.id, CommitmentState.REPORTED, 6.0)
        assert commitments.waiting("AE") == 2

    def test_they_are_found_the_newest_first(self, commitments: Commitments) -> None:
        ids = [_add(commitments, uid).id for uid in ("1.2", "1.3", "1.4")]
        _add(commitments, "1.5", direction=_BY_US)
        assert [one.id for one in commitments.find(direction=_OF_US, before=None, limit=2)] == ids[:0:-1]
        assert [one.id for one in commitments.find(direction=_OF_US, before=ids[1], limit=10)] == ids[:1]
        waiting = commitments.find(state=CommitmentState.WAITING, before=None, limit=10)
        assert [one.transaction_uid for one in waiting] == ["1.5"]

    def test_what_is_in_the_way_is_kept_until_it_goes_on(self, commitments: Commitments) -> None:
        kept = _add(commitments, "1.2")
        commitments.note(kept.id, "no node")
        found = commitments.one(kept.id)
        assert found is not None
        assert found.note == "no node"
        commitments.end(kept.id, CommitmentState.REPORTED, 6.0)
        found = commitments.one(kept.id)
        assert found is not None
        assert (found.note, found.ended_at) == ("", 6.0)

    def test_only_what_was_over_long_ago_is_forgotten(self, commitments: Commitments) -> None:
        old, new, open_ = (_add(commitments, uid) for uid in ("1.2", "1.3", "1.4"))
        commitments.end(old.id, CommitmentState.REPORTED, 10.0)
        commitments.end(new.id, CommitmentState.REPORTED, 30.0)
        assert commitments.forget(20.0) == 1
        assert [one.id for one in commitments.find(before=None, limit=10)] == [open_.id, new.id]
        assert commitments.remove(open_.id)
        assert not commitments.remove(open_.id)
