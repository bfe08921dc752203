"""A part of the web side that is made once the server serves already."""

import threading
from collections.abc import Callable
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send


class Later:
    """An application that is made by `finish`, or for the first request; others that come meanwhile wait."""

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make: Final = make
        self._made: ASGIApp | None = None
        self._making = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        application = self._made
        if application is None:
            application = await run_in_threadpool(self.finish)
        await application(scope, receive, send)

    def finish(self) -> ASGIApp:
        """Make it where it is not made yet; blocks."""
        with self._making:
            if self._made is None:
                self._made = self._make()
            return self._made
