"""A server that is killed again and again while messages come: what was acknowledged is there, and is there once."""

import random
import threading
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from archimage.hl7.framing import END, START
from archimage.index.messages import MessageTable
from archimage.index.reports import ReportTable
from archimage.index.sqlite import SqliteIndex
from archimage.model.messages import MessageState
from tests.attacks.server import Server, launch, stop, wait_until
from tests.crash.storm import kill
from tests.hl7.sending import ENABLED, RawPeer, port_of, result, segments

_KILLS = 4
_SENDERS = 4


def _send(server: Server, sender: int, life: int, acknowledged: set[str]) -> None:
    """Send until the server is gone; note what it has acknowledged."""
    with suppress(OSError, KeyError, AssertionError), RawPeer(port_of(server)) as peer:
        for number in range(10_000):
            control_id = f"{sender}-{life}-{number}"
            peer.send(START + result(control_id, accession=f"K{control_id}").encode() + END)
            if segments(peer.answer())["MSA"][:2] == ["AA", control_id]:
                acknowledged.add(control_id)


def test_what_was_acknowledged_is_there_once_after_kills(tmp_path: Path) -> None:
    drawn, acknowledged = random.Random(3), set[str]()  # noqa: S311 - instants, no secret
    directory = tmp_path / "one" / "two" / "data"
    for life in range(_KILLS):
        server = launch(directory, settings=ENABLED)
        server.wait_until_ready()
        senders = [threading.Thread(target=_send, args=(server, one, life, acknowledged)) for one in range(_SENDERS)]
        for one in senders:
            one.start()
        wanted = len(acknowledged) + drawn.randrange(5, 40)
        assert wait_until(partial(_are, acknowledged, wanted), 30)
        kill(server)
        for one in senders:
            one.join(15)
    last = launch(directory, settings=ENABLED)
    try:
        last.wait_until_ready()
        assert wait_until(lambda: not _left(directory), 20)
    finally:
        stop(last)
    with closing(SqliteIndex(directory / "index.db")) as index:
        messages = {one.control_id: one for one in MessageTable(index).find(limit=100_000)}
        reports = [one.accession_number[1:] for one in ReportTable(index).find(limit=100_000)]
    assert acknowledged <= {number for number, one in messages.items() if one.state is MessageState.DONE}
    assert sorted(reports) == sorted(set(reports))
    assert set(reports) == set(messages)


def _are(found: set[str], wanted: int) -> bool:
    return len(found) >= wanted


def _left(directory: Path) -> bool:
    with closing(SqliteIndex(directory / "index.db")) as index:
        return bool(MessageTable(index).find(state=MessageState.RECEIVED, limit=1))
