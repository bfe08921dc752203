"""The load: several clients take what is to be done from one schedule, at once or when it is due."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from bench import wire
from tests.soak.work import Client

Done = tuple[str, float]
"""What was done, and the seconds from when it was due to its end."""


@dataclass(slots=True)
class Outcome:
    """What a load came to."""

    seconds: float = 0.0
    done: list[Done] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """How much was done, a second."""
        return len(self.done) / self.seconds


def interleaved(shares: Mapping[str, float]) -> Iterator[str]:
    """Yield kinds without end, as evenly mixed as their shares allow."""
    owed = dict.fromkeys(shares, 0.0)
    total = sum(shares.values())
    while True:
        for kind, share in shares.items():
            owed[kind] += share
        kind = max(owed, key=owed.__getitem__)
        owed[kind] -= total
        yield kind


class Load:
    """One stretch of load."""

    def __init__(self, shares: Mapping[str, float], seconds: float, rate: float | None = None) -> None:
        """Prepare; rate is a second, None as fast as the clients can."""
        self.outcome = Outcome()
        self._kinds = zip(count(), interleaved(shares), strict=False)
        self._seconds = seconds
        self._rate = rate
        self._lock = threading.Lock()
        self._paused = threading.Event()
        self._start = 0.0

    def run(self, clients: Sequence[Client]) -> Outcome:
        """Have all clients work until the time is over."""
        threads = [threading.Thread(target=self._work, args=(client,)) for client in clients]
        self._start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.outcome.seconds = time.monotonic() - self._start
        return self.outcome

    def _work(self, client: Client) -> None:
        while True:
            with self._lock:
                number, kind = next(self._kinds)
            due = time.monotonic() if self._rate is None else self._start + number / self._rate
            if max(due, time.monotonic()) > self._start + self._seconds:
                return
            if (ahead_s := due - time.monotonic()) > 0:
                self._paused.wait(ahead_s)
            try:
                client.work[kind]()
                self.outcome.done.append((kind, time.monotonic() - due))
                client.tidy()
            except (OSError, wire.WireError) as error:
                self.outcome.problems.append(f"{kind}: {error}")
                return  # its connections are in no known state
