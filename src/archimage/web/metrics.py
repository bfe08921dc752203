"""`/metrics`: what the server counts, in the text format of Prometheus."""

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

PATH: Final = "/metrics"
_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def endpoint(exposition: Callable[[], bytes]) -> ASGIApp:
    """Make what answers at PATH; exposition blocks."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        body = await asyncio.to_thread(exposition)
        await Response(body, headers={"Content-Type": _TYPE, "Cache-Control": "no-store"})(scope, receive, send)

    return answer
