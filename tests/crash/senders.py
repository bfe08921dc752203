"""Senders that never stop, and what they were told."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from archimage.protocol.status import is_success
from tests.attacks.datasets import dataset
from tests.attacks.wire import Peer

_NOISE: Final = random.Random(1).randbytes(4 << 20)  # noqa: S311 - pixels, no secret
_PAUSE_S: Final = 0.02


@dataclass(frozen=True)
class Sent:
    """One object: enough to make its bytes again."""

    uid: str
    start: int
    size_bytes: int

    def dataset(self) -> bytes:
        """Return its data set."""
        return dataset(self.uid, pixels=_NOISE[self.start : self.start + self.size_bytes])


class Sender:
    """Sends one object after the other; what was not acknowledged is sent again, as a modality does."""

    def __init__(self, number: int, seed: int) -> None:
        self.acknowledged: list[Sent] = []
        self.refused: list[tuple[Sent, int]] = []
        self._random = random.Random(seed)  # noqa: S311 - sizes, no secret
        self._prefix = f"1.2.826.0.1.3680043.8.500.{number}"
        self._count = 0
        self._unsure: Sent | None = None

    def run(self, port: int, ended: threading.Event) -> None:
        """Send until it is ended, on a new association where one is gone."""
        while not ended.is_set():
            send_until_gone(port, lambda peer: self._send(peer, ended))
            ended.wait(_PAUSE_S)

    def _send(self, peer: Peer, ended: threading.Event) -> None:
        if ended.is_set():
            raise OSError("it is ended")
        sent = self._unsure = self._unsure or self._next()
        status = peer.store(sent.uid, sent.dataset())
        if is_success(status):
            self._unsure = None
            self.acknowledged.append(sent)
        else:
            self.refused.append((sent, status))
            ended.wait(_PAUSE_S)

    def _next(self) -> Sent:
        """Choose an object: many of 8 to 64 KB, some up to 2 MB, which are beyond the journal's limit."""
        self._count += 1
        largest = self._random.choices((64 << 10, 512 << 10, 2 << 20), (70, 22, 8))[0]
        size = self._random.randrange(8 << 10, largest) & ~1
        return Sent(f"{self._prefix}.{self._count}", self._random.randrange(len(_NOISE) - size), size)


def send_until_gone(port: int, send: Callable[[Peer], None]) -> None:
    """Call send again and again with one association, until the server is gone."""
    with suppress(OSError), Peer.associated(port) as peer:
        while True:
            send(peer)
