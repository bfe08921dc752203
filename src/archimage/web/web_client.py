"""Requests to other archives over the web, and how long these may take.

The timeouts of an HTTP client are for one step each, and a byte now and then passes them for ever. So a request has an
allowance, seconds: waiting for the peer spends it, and each byte of a body that moves gives back what it takes at the
least rate, up to what there was at first. A large study from a slow archive arrives; who stands still, or nearly so, is
given up.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeVar

if TYPE_CHECKING:
    import httpx

_Returned = TypeVar("_Returned")
_Run = Callable[[Awaitable[bytes]], bytes]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is waited for an answer, seconds, and how slow a body may be for no longer than that, bytes a second."""

    within_s: float = 60.0
    least_bytes_per_s: int = 4 << 10


PACE: Final = Pace()
_PART_BYTES: Final = 64 << 10
"""What is sent at once: the peer is seen to go on by each of these."""


class WebClient:
    """Asks one peer from one thread, over connections that it keeps until it is closed."""

    def __init__(self, address: str, context: Callable[[], ssl.SSLContext], pace: Pace) -> None:
        """Speak to where an address leads; context makes what HTTPS is spoken with."""
        import httpx  # an archive that asks no other needs it never

        verify: ssl.SSLContext | bool = context() if address.startswith("https:") else False
        self._pace = pace
        self._client = httpx.AsyncClient(
            verify=verify,
            timeout=None,  # noqa: S113 - `_Waiting` bounds all steps together
            trust_env=False,
            follow_redirects=False,
        )
        self._runner = asyncio.Runner()
        self._run = self._runner.get_loop().run_until_complete  # `Runner.run` takes 1 ms a step in a main thread

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        with self._runner:
            self._run(self._client.aclose())

    @contextmanager
    def asked(
        self, method: str, address: str, headers: Mapping[str, str], body: Iterator[bytes] | None = None
    ) -> "Iterator[WebAnswer]":
        """Send a request, and give the answer once its headers are here.

        Raises:
            TimeoutError: the peer is too slow.
            httpx.HTTPError, httpx.InvalidURL, OSError: it cannot be asked.
        """
        waiting = _Waiting(self._pace)
        content = None if body is None else waiting.sending(body)
        request = self._client.build_request(method, address, headers={**headers}, content=content)
        sent = waiting.bounded(self._client.send(request, stream=True))
        response = self._run(sent)
        try:
            yield WebAnswer(response, waiting, self._run)
        finally:
            self._run(response.aclose())


class WebAnswer:
    """What a peer answers."""

    def __init__(self, response: "httpx.Response", waiting: "_Waiting", run: _Run) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._waiting = waiting
        self._run = run

    def pieces(self, size_bytes: int) -> Iterator[bytes]:
        """Yield the body in pieces of about so many bytes; raises as `WebClient.asked` does."""
        body = self._response.aiter_bytes()
        while piece := self._run(self._waiting.bounded(self._gathered(body, size_bytes))):
            yield piece

    async def _gathered(self, body: AsyncIterator[bytes], size_bytes: int) -> bytes:
        gathered = bytearray()
        while len(gathered) < size_bytes:
            before = self._response.num_bytes_downloaded
            some = await anext(body, None)
            if some is None:
                break
            self._waiting.moved(self._response.num_bytes_downloaded - before)
            gathered += some
        return bytes(gathered)


class _Waiting:
    """The allowance of one request."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._left_s = pace.within_s
        self._limit = asyncio.Timeout(None)

    async def bounded(self, step: Awaitable[_Returned]) -> _Returned:
        """Wait for a step, no longer than is left; raises TimeoutError."""
        try:
            async with asyncio.timeout(self._left_s) as self._limit:
                try:
                    return await step
                finally:
                    self._left_s = self._remaining_s()  # what is done between two steps is not the peer's time
        except TimeoutError:
            if not self._limit.expired():
                raise
            within_s, rate = self._pace.within_s, self._pace.least_bytes_per_s
            raise TimeoutError(f"it is silent, or slower than {rate} bytes a second, for {within_s:g} s") from None

    def moved(self, size_bytes: int) -> None:
        """Hear how much came, within `bounded`."""
        self._allow(min(self._pace.within_s, self._remaining_s() + size_bytes / self._pace.least_bytes_per_s))

    async def sending(self, body: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Yield what is sent, within `bounded`; to make a piece may take long, which is not the peer's time."""
        left_s = self._remaining_s()
        for piece in body:
            for offset in range(0, len(piece), _PART_BYTES):
                part = piece[offset : offset + _PART_BYTES]
                self._allow(left_s + len(part) / self._pace.least_bytes_per_s)
                yield part
                left_s = min(self._pace.within_s, self._remaining_s())
        self._allow(self._pace.within_s)  # what was sent is answered in the time that any request has

    def _remaining_s(self) -> float:
        return (self._limit.when() or 0.0) - asyncio.get_running_loop().time()

    def _allow(self, left_s: float) -> None:
        self._limit.reschedule(asyncio.get_running_loop().time() + left_s)
