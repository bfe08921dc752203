"""Storage commitment with pynetdicom: it asks us, on one association and on two; and we ask it, both ways."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import CT
from tests.interop.committing import (
    WITHIN_S,
    Asker,
    Committer,
    ask,
    asking,
    call,
    ended,
    items,
    report_on,
    request,
    store,
)

_MR: Final = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture(scope="module")
def asker() -> Asker:
    """A peer that asks."""
    return Asker()


@pytest.fixture(scope="module")
def committer() -> Iterator[Committer]:
    """A peer that is asked."""
    committer = Committer()
    with committer.listening():
        yield committer


@pytest.fixture(scope="module")
def server(asker: Asker, committer: Committer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Our server, which knows both."""
    nodes = [f"ASKER=127.0.0.1:{asker.port}", f"COMMITTER=127.0.0.1:{committer.port}"]
    options = [part for node in nodes for part in ("--node", node)]
    with running(tmp_path_factory.mktemp("commit") / "data", options) as server:
        yield server


@pytest.fixture(scope="module")
def stored(server: Server) -> list[str]:
    """Objects that the archive has."""
    return store(server, 3)


def _state(server: Server, transaction_uid: str) -> dict[str, Any]:
    found = call(server, "/commitments?limit=1000")
    return next(one for one in found if one["transaction_uid"] == transaction_uid)


def test_what_is_kept_is_committed_to_on_the_association_that_asked(
    server: Server, stored: list[str], asker: Asker
) -> None:
    asked = asking(*((CT, uid) for uid in stored))
    with asker.associated(server.port) as association:
        assert ask(association, asked) == 0
        event, told = asker.told()
    assert (event, told.TransactionUID, told.RetrieveAETitle) == (1, asked.TransactionUID, "PACS_SCP")
    assert {item.ReferencedSOPInstanceUID for item in told.ReferencedSOPSequence} == set(stored)
    assert wait_until(lambda: _state(server, asked.TransactionUID)["state"] == "reported", WITHIN_S)


def test_who_has_left_is_told_on_another_association_what_is_not_committed_to_and_why(
    server: Server, stored: list[str], asker: Asker
) -> None:
    (damaged,) = store(server, 1)
    path = next(row.path for row in server.rows() if row.sop_instance_uid == damaged)
    file = server.directory / "objects" / path
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    asked = asking((CT, stored[0]), (CT, "1.2.3.4"), (_MR, stored[1]), (CT, damaged))
    with asker.listening():
        with asker.associated(server.port) as association:
            assert ask(association, asked) == 0
            association.abort()
        event, told = asker.told()
        while told.TransactionUID != asked.TransactionUID:
            event, told = asker.told()
    assert event == 2
    assert [item.ReferencedSOPInstanceUID for item in told.ReferencedSOPSequence] == [stored[0]]
    reasons = {item.ReferencedSOPInstanceUID: item.FailureReason for item in told.FailedSOPSequence}
    assert reasons == {"1.2.3.4": 0x0112, stored[1]: 0x0119, damaged: 0x0110}
    assert wait_until(lambda: _state(server, asked.TransactionUID)["state"] == "reported", WITHIN_S)
    (delivery,) = [one for one in call(server, "/deliveries?kind=commitment") if one["about"] == asked.TransactionUID]
    assert delivery["priority"] == 10
    details = call(server, f"/commitments/{_state(server, asked.TransactionUID)['id']}")
    assert {one["sop_instance_uid"]: one["why"] for one in details["problems"]}["1.2.3.4"] == "it is not there"
    file.unlink()  # the session's server ends as it should, whatever was done to its files


def test_what_is_wrong_with_a_request_is_told_by_the_status_of_the_standard(
    server: Server, stored: list[str], asker: Asker
) -> None:
    good = asking((CT, stored[0]))
    without_uid, empty_uid, nothing, no_item_uid, no_uid = (asking((CT, stored[0])) for _ in range(5))
    del without_uid.TransactionUID
    empty_uid.TransactionUID = ""
    nothing.ReferencedSOPSequence = []
    del no_item_uid.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    no_uid.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "../../etc/passwd"
    before = len(call(server, "/commitments?limit=1000"))
    with asker.associated(server.port) as association:
        assert ask(association, without_uid) == 0x0120
        assert ask(association, empty_uid) == 0x0121
        assert ask(association, nothing) == 0x0121
        assert ask(association, no_item_uid) == 0x0120
        assert ask(association, no_uid) == 0x0106
        assert ask(association, good, action=2) == 0x0123
        assert ask(association, good, instance="1.2.3") == 0x0112
        assert len(call(server, "/commitments?limit=1000")) == before
        assert ask(association, good) == 0
        asker.told()
        assert ask(association, good) == 0x0131


def test_a_result_for_somebody_without_a_node_is_kept_and_says_what_to_do(server: Server, stored: list[str]) -> None:
    stranger, asked = Asker("STRANGER"), asking((CT, stored[0]))
    with stranger.associated(server.port) as association:
        assert ask(association, asked) == 0
        association.abort()
    uid = asked.TransactionUID
    assert wait_until(
        lambda: "no node" in _state(server, uid)["note"] or _state(server, uid)["state"] == "reported", 20
    )
    found = _state(server, uid)
    if found["state"] == "verified":  # else it was told before the association ended
        assert "Enter the node" in found["note"]
    call(server, "/nodes", "POST", {"ae_title": "STRANGER", "host": "127.0.0.1", "port": stranger.port})
    with stranger.listening():
        call(server, f"/commitments/{found['id']}/report", "POST")
        while stranger.told()[1].TransactionUID != uid:
            pass
    assert wait_until(lambda: _state(server, uid)["state"] == "reported", WITHIN_S)


def test_a_node_that_is_asked_answers_on_the_same_association(
    server: Server, stored: list[str], committer: Committer
) -> None:
    process = request(server, "COMMITTER", *stored)
    asked = committer.asked.get(timeout=WITHIN_S)
    assert {item.ReferencedSOPInstanceUID for item in asked.ReferencedSOPSequence} == set(stored)
    result = asking(*((CT, uid) for uid in stored[:2]))
    result.TransactionUID = asked.TransactionUID
    assert report_on(committer.associations.get(timeout=WITHIN_S), 1, result) == 0
    code, found = ended(process)
    assert code == 1
    assert [(one["sop_instance_uid"], one["why"]) for one in found["problems"]] == [
        (stored[2], "the other side did not tell")
    ]


def test_a_node_that_is_asked_answers_at_our_listener_and_nobody_else_does(
    server: Server, stored: list[str], committer: Committer
) -> None:
    kept = call(server, "/nodes/COMMITTER/commitment", "POST", {"instances": stored})
    asked = committer.asked.get(timeout=WITHIN_S)
    committer.associations.get(timeout=WITHIN_S).abort()
    assert asked.TransactionUID == kept["transaction_uid"]
    result = asking(*((CT, uid) for uid in stored))
    foreign = Committer("FOREIGNER")
    assert committer.report(server.port, 1, result) == 0x0112
    result.TransactionUID = asked.TransactionUID
    assert foreign.report(server.port, 1, result) == 0x0112
    assert committer.report(server.port, 3, result) == 0x0113
    assert committer.report(server.port, 1, result) == 0
    found = _state(server, asked.TransactionUID)
    assert (found["state"], found["failed"], found["direction"]) == ("answered", 0, "asked by us")
    result.FailedSOPSequence = items((CT, stored[0]), reason=0x0213)
    assert committer.report(server.port, 2, result) == 0
    assert _state(server, asked.TransactionUID)["failed"] == 0


def test_a_node_that_refuses_is_not_asked_again(server: Server, stored: list[str], committer: Committer) -> None:
    committer.status = 0x0213
    try:
        code, told = ended(request(server, "COMMITTER", stored[0]))
    finally:
        committer.status = 0
    assert code != 0
    assert "0x0213" in told
    assert call(server, "/commitments?state=refused")[0]["ae_title"] == "COMMITTER"
