"""The probes answer 200 only while what they stand for works."""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping

import httpx
from starlette.types import Message

from archimage import __version__
from archimage.errors import IndexUnavailableError
from archimage.services.health import Check
from archimage.web.probes import build


def ask(
    path: str, checks: Mapping[str, Check], *, timeout_s: float = 5.0, on_answer: Callable[[], object] = dict
) -> tuple[int, dict[str, object]]:
    """Send one GET through the ASGI interface."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)
        on_answer()

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "headers": [],
        "query_string": b"",
    }
    asyncio.run(build(checks, checks, timeout_s=timeout_s)(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(body) if body.startswith(b"{") else {}


def failing(error: Exception) -> Check:
    """Make a check that raises error."""

    def check() -> dict[str, int]:
        raise error

    return check


def test_live_answers_whatever_the_checks_say() -> None:
    assert ask("/live", {"index": failing(OSError("gone"))}) == (200, {"status": "live"})


def test_ready_and_health_answer_200_while_every_check_passes() -> None:
    checks: dict[str, Check] = {"index": lambda: {"size_bytes": 7}}
    assert ask("/ready", checks) == (200, {"status": "ready", "version": __version__, "checks": {"index": "ok"}})
    told = {"index": {"state": "ok", "size_bytes": 7}}
    assert ask("/health", checks) == (200, {"status": "ok", "version": __version__, "parts": told})


def test_a_failing_check_is_named_without_its_details() -> None:
    checks = {"index": failing(IndexUnavailableError("/secret/place")), "disk": failing(OSError("/secret/place"))}
    status, body = ask("/ready", checks)
    assert status == 503
    assert body["checks"] == {"index": "IndexUnavailableError", "disk": "OSError"}
    status, whole = ask("/health", checks)
    assert (status, whole["status"]) == (503, "failing")
    assert whole["parts"] == {
        "index": {"state": "failing", "reason": "IndexUnavailableError"},
        "disk": {"state": "failing", "reason": "OSError"},
    }
    assert "secret" not in json.dumps([body, whole])


def test_a_check_that_hangs_is_given_up() -> None:
    answered = threading.Event()

    def hanging() -> dict[str, int]:
        answered.wait(5)
        return {}

    status, body = ask("/ready", {"index": hanging}, timeout_s=0.05, on_answer=answered.set)
    assert status == 503
    assert body["checks"] == {"index": "no answer in 0.05 s"}


def test_other_paths_are_not_found() -> None:
    assert ask("/other", {})[0] == 404


def test_who_asks_without_end_has_a_part_looked_at_once_in_a_moment() -> None:
    looked: list[str] = []

    def check() -> dict[str, int]:
        looked.append("index")
        return {}

    async def many() -> None:
        application = build({"index": check}, {"index": check})
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answers = await asyncio.gather(*(client.get(path) for path in ("/ready", "/health") * 20))
        assert {answer.status_code for answer in answers} == {200}

    asyncio.run(many())
    assert looked == ["index"]
