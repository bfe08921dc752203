"""kill -9 while work items are claimed: each claim that was answered is there, and none is had by two."""

import threading
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from tests.attacks.server import launch, running, wait_until
from tests.web.serving import Client
from tests.web.stowing import http_port
from tests.web.test_workitems import ask, create, state

_WORKERS = 4
_ITEMS = 40


def test_claims_that_were_answered_survive_a_kill(tmp_path: Path) -> None:
    had: dict[str, list[str]] = {}
    server = launch(tmp_path / "data")
    try:
        server.wait_until_ready()
        client = Client(http_port(server))
        uids = [create(client) for _ in range(_ITEMS)]

        def work(number: int) -> None:
            with suppress(OSError, HTTPException):
                for uid in uids:
                    if state(client, uid, "IN PROGRESS", f"1.2.{number}").status == 200:
                        had.setdefault(uid, []).append(f"1.2.{number}")

        workers = [threading.Thread(target=work, args=(number,)) for number in range(1, _WORKERS + 1)]
        for worker in workers:
            worker.start()
        assert wait_until(lambda: len(had) >= _ITEMS // 4, 30)
    finally:
        server.process.kill()
        server.process.wait()
    for worker in workers:
        worker.join(30)
    assert {len(owners) for owners in had.values()} == {1}
    with running(tmp_path / "data") as server:
        client = Client(http_port(server))
        for uid, (owner,) in had.items():
            assert state(client, uid, "IN PROGRESS", "1.2.99").status == 400
            assert ask(client, f"/{uid}?1.2.99", "POST", [{}]).status == 400
            assert ask(client, f"/{uid}?{owner}", "POST", [{}]).status == 200
