"""What a start need not wait for is made once, and whoever asks for it sooner is answered all the same."""

import asyncio
import subprocess
import sys
import threading

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message

from archimage.web.later import Later

_SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


class _Maker:
    """Makes an application when it is let, and counts."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.begun = threading.Event()
        self.made = 0

    def __call__(self) -> ASGIApp:
        self.begun.set()
        assert self.let.wait(10)
        self.made += 1
        return PlainTextResponse("made")


async def _status_of(application: ASGIApp) -> int:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await application(_SCOPE, receive, send)
    return int(sent[0]["status"])


def test_requests_that_come_too_soon_wait_and_it_is_made_once() -> None:
    maker = _Maker()
    later = Later(maker)

    async def ask() -> list[int]:
        asked = [asyncio.ensure_future(_status_of(later)) for _ in range(3)]
        assert await asyncio.to_thread(maker.begun.wait, 10)
        maker.let.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == [200, 200, 200]
    assert maker.made == 1


def test_what_was_made_in_advance_answers_at_once() -> None:
    maker = _Maker()
    maker.let.set()
    later = Later(maker)
    later.finish()
    assert maker.made == 1
    assert asyncio.run(_status_of(later)) == 200
    assert maker.made == 1


def test_what_could_not_be_made_is_tried_again() -> None:
    made = iter([False, True])

    def make() -> ASGIApp:
        if not next(made):
            raise OSError("too many open files")
        return PlainTextResponse("made")

    later = Later(make)
    with pytest.raises(OSError, match="too many open files"):
        later.finish()
    assert asyncio.run(_status_of(later)) == 200


def test_a_server_is_ready_before_it_imports_the_frameworks_of_management_api_and_pages() -> None:
    code = "import sys, archimage.server, archimage.web.application; print({'fastapi', 'jinja2'} & {*sys.modules})"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout == "set()\n"
