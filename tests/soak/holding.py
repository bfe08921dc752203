"""Holds associations that do nothing but echo now and then, in a process of its own, so that no other client is timed.

`python -m tests.soak.holding PORT AE_TITLE COUNT` says `held` once all stand. A line on its input begins the
measurement; the end of its input ends it, and what was seen is written as JSON.
"""

import json
import selectors
import sys
import time
from dataclasses import dataclass
from typing import Final

from bench import wire

EVERY_S: Final = 2.0
"""So often each association echoes."""
_REQUEST: Final = wire.message(1, wire.command({0x0002: wire.VERIFICATION, 0x0100: 0x0030, 0x0110: 1, 0x0800: 0x0101}))


@dataclass(slots=True)
class Held:
    """One association. asked is when it sent the echo that is not answered yet, seconds, monotonic."""

    channel: wire.Channel
    asked: float | None = None


class Holder:
    """All of them. Echoes are sent when they are due, whatever became of the others."""

    def __init__(self, port: int, ae_title: str, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._held: list[Held] = []
        self._took_s: list[float] = []
        self._dropped = 0
        for _ in range(count):
            context = (wire.Context(wire.VERIFICATION, wire.IMPLICIT_LE),)
            held = Held(wire.Channel.open(port, ae_title, context, buffer_bytes=4096))
            self._held.append(held)
            self._selector.register(held.channel.sock, selectors.EVENT_READ, held)
        self._selector.register(sys.stdin, selectors.EVENT_READ, None)

    def run(self) -> dict[str, object]:
        """Echo until the end of input; return the echoes' seconds, and how many associations did not hold."""
        due, number = time.monotonic(), 0
        while True:
            for key, _ in self._selector.select(max(0.0, due - time.monotonic()) if self._held else None):
                if key.data is not None:
                    self._answered(key.data)
                elif sys.stdin.readline():
                    self._took_s.clear()
                else:
                    return self._seen()
            if time.monotonic() >= due and self._held:
                self._ask(self._held[number % len(self._held)])
                number += 1
                due += EVERY_S / len(self._held)

    def _ask(self, held: Held) -> None:
        if held.asked is None:  # else it still waits, and counts with all that it has waited
            held.asked = time.monotonic()
            try:
                held.channel.sock.sendall(_REQUEST)
            except OSError:
                self._drop(held)

    def _answered(self, held: Held) -> None:
        try:
            status = held.channel.read_status()
        except (OSError, wire.WireError):
            self._drop(held)
            return
        if held.asked is not None and not status:
            self._took_s.append(time.monotonic() - held.asked)
        held.asked = None

    def _drop(self, held: Held) -> None:
        self._selector.unregister(held.channel.sock)
        held.channel.close()
        self._held.remove(held)
        self._dropped += 1

    def _seen(self) -> dict[str, object]:
        now = time.monotonic()
        waiting = [now - held.asked for held in self._held if held.asked is not None]
        for held in self._held:
            held.channel.close()
        return {"took_s": sorted([*self._took_s, *waiting]), "dropped": self._dropped, "held": len(self._held)}


def main() -> None:
    """Hold."""
    port, ae_title, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    holder = Holder(port, ae_title, count)
    sys.stdout.write("held\n")
    sys.stdout.flush()
    sys.stdout.write(json.dumps(holder.run()))


if __name__ == "__main__":
    main()
