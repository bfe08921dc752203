"""Who is let in, and how many at once: each refusal with its code, and slots that come back (PS3.8 §9.3.4)."""

from contextlib import ExitStack

import pytest

from archimage.net.admission import AdmissionPolicy
from archimage.protocol.pdu import Abort, AssociateAccept, AssociateReject
from tests.attacks.server import wait_until
from tests.attacks.wire import Peer, request
from tests.net.background import Background, listening

_CALLED = frozenset({"PACS_SCP"})
_UNKNOWN_CALLED = AssociateReject(1, 1, 7)
_UNKNOWN_CALLING = AssociateReject(1, 1, 3)
_CONGESTION = AssociateReject(2, 3, 1)
_LIMIT = AssociateReject(2, 3, 2)


def _answer(server: Background, calling: str = "TESTER", called: str = "PACS_SCP") -> object:
    """Ask for an association, end it if it was granted, and return the answer."""
    with Peer(server.port) as peer:
        answer = peer.associate(request(calling=calling, called=called))
        if isinstance(answer, AssociateAccept):
            peer.release()
            return "accepted"
        return answer


@pytest.mark.parametrize(
    ("policy", "calling", "called", "answer"),
    [
        (AdmissionPolicy(_CALLED), "TESTER", "PACS_SCP", "accepted"),
        (AdmissionPolicy(_CALLED), "TESTER", "OTHER", _UNKNOWN_CALLED),
        (AdmissionPolicy(_CALLED), "TESTER", "pacs_scp", _UNKNOWN_CALLED),
        (AdmissionPolicy(frozenset({"A", "B"})), "TESTER", "B", "accepted"),
        (AdmissionPolicy(None), "TESTER", "ANYTHING", "accepted"),
        (AdmissionPolicy(None), "TESTER", "", _UNKNOWN_CALLED),
        (AdmissionPolicy(None), "TESTER", "A\\B", _UNKNOWN_CALLED),
        (AdmissionPolicy(_CALLED), "", "PACS_SCP", _UNKNOWN_CALLING),
        (AdmissionPolicy(_CALLED), "$(id)", "PACS_SCP", _UNKNOWN_CALLING),
        (AdmissionPolicy(_CALLED), "CT 1 (NEW)", "PACS_SCP", _UNKNOWN_CALLING),
        (AdmissionPolicy(_CALLED, frozenset({"CT 1 (NEW)"})), "CT 1 (NEW)", "PACS_SCP", "accepted"),
        (AdmissionPolicy(_CALLED, frozenset({"MODALITY"})), "TESTER", "PACS_SCP", _UNKNOWN_CALLING),
        (AdmissionPolicy(_CALLED, frozenset({"MODALITY"})), "TESTER", "OTHER", _UNKNOWN_CALLING),
        (AdmissionPolicy(_CALLED, max_associations=0), "TESTER", "PACS_SCP", _LIMIT),
    ],
)
def test_titles_decide_whether_an_association_is_granted(
    policy: AdmissionPolicy, calling: str, called: str, answer: object
) -> None:
    with listening(policy=policy) as server:
        assert _answer(server, calling, called) == answer


@pytest.mark.parametrize("how", ["release", "abort", "end", "reset"])
@pytest.mark.parametrize(
    ("policy", "refusal"),
    [
        (AdmissionPolicy(_CALLED, max_associations=2), _LIMIT),
        (AdmissionPolicy(_CALLED, max_associations_per_ae=2), _CONGESTION),
    ],
    ids=["all", "one title"],
)
def test_a_limit_of_associations_holds_and_slots_come_back(
    policy: AdmissionPolicy, refusal: AssociateReject, how: str
) -> None:
    with listening(policy=policy) as server:
        peers = [Peer.associated(server.port, request(calling="TESTER")) for _ in range(2)]
        assert [_answer(server) for _ in range(3)] == [refusal] * 3
        assert _answer(server, "OTHER") == ("accepted" if refusal == _CONGESTION else refusal)
        assert [peer.echo() for peer in peers] == [0, 0]
        leaving = peers.pop()
        if how == "release":
            leaving.release()
        elif how == "reset":
            leaving.reset()
        else:
            if how == "abort":
                leaving.send(Abort(0, 0))
            leaving.close()
        assert wait_until(lambda: _answer(server) == "accepted", 20.0)
        peers[0].close()


def test_a_refused_peer_holds_no_slot_while_it_stays() -> None:
    with listening(policy=AdmissionPolicy(_CALLED, max_associations=1)) as server, ExitStack() as stack:
        for _ in range(5):
            peer = stack.enter_context(Peer(server.port))
            assert peer.associate(request(called="OTHER")) == _UNKNOWN_CALLED
        assert _answer(server) == "accepted"


@pytest.mark.parametrize(
    "policy",
    [AdmissionPolicy(_CALLED, max_pending_per_address=3), AdmissionPolicy(_CALLED, max_pending=3)],
    ids=["of one address", "of all"],
)
def test_the_connection_that_was_silent_longest_gives_way(policy: AdmissionPolicy) -> None:
    with listening(policy=policy) as server, ExitStack() as stack:
        silent = []
        for count in range(1, 6):
            silent.append(stack.enter_context(Peer(server.port)))
            assert wait_until(lambda count=count: server.holds()[0] >= min(count, 3), 20.0)  # type: ignore[misc]
        assert [peer.ended() for peer in silent[:2]] == [True, True]
        answers = [peer.associate(request()) for peer in silent[2:]]
        assert all(isinstance(answer, AssociateAccept) for answer in answers)


def test_associations_do_not_count_as_silent() -> None:
    with listening(policy=AdmissionPolicy(_CALLED, max_pending=1)) as server, ExitStack() as stack:
        peers = [stack.enter_context(Peer.associated(server.port)) for _ in range(5)]
        assert [peer.echo() for peer in peers] == [0] * 5
