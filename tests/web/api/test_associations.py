"""Open associations over HTTP: told as they are, and aborted."""

from collections.abc import Iterator

import pytest

from archimage.protocol.pdu import Abort
from tests.attacks.server import wait_until
from tests.attacks.wire import Peer
from tests.interop.managing import Api
from tests.interop.peers import Served, serve_both


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Our server as a process."""
    with serve_both(tmp_path_factory.mktemp("archive") / "data") as served:
        yield served


def test_an_open_association_is_listed_and_aborted(ours: Served) -> None:
    api = Api(ours.dicomweb_url)
    assert api.ask("GET", "/associations").json == []
    with Peer.associated(ours.node.port) as peer:
        assert peer.echo() == 0
        (found,) = api.ask("GET", "/associations").json
        assert (found["calling_ae_title"], found["called_ae_title"]) == ("ATTACKER", "PACS_SCP")
        assert (found["address"], found["state"], found["last_operation"]) == ("127.0.0.1", "open", "C-ECHO-RQ")
        assert (found["operations"], found["running"]) == (1, 0)
        assert found["received_bytes"] > 0
        assert found["sent_bytes"] > 0
        assert found["age_s"] > 0
        assert api.ask("DELETE", f"/associations/{found['id']}").status == 204
        assert peer.receive() == Abort(0, 0)
    assert wait_until(lambda: api.ask("GET", "/associations").json == [], 5.0)


@pytest.mark.parametrize(("association_id", "status"), [("1-999", 404), ("x", 400), ("1-1%0d", 400)])
def test_what_is_not_open_cannot_be_aborted(ours: Served, association_id: str, status: int) -> None:
    answer = Api(ours.dicomweb_url).ask("DELETE", f"/associations/{association_id}")
    assert answer.status == status
    assert set(answer.json) == {"error", "next"}
