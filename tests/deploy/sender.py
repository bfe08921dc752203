"""A modality that does not give up."""

import threading

from tests.attacks.datasets import dataset, new_uid
from tests.attacks.wire import Peer


class Sender(threading.Thread):
    """Stores one object after the other, and associates anew when it is cut off, as modalities do."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self.refused: list[int] = []
        self.cut = 0
        self.is_over = threading.Event()
        self._port = port

    def run(self) -> None:
        """Send until it is over."""
        while not self.is_over.is_set():
            try:
                with Peer.associated(self._port) as peer:
                    self._store(peer)
                    peer.release()
            except OSError:
                self.cut += 1
                self.is_over.wait(0.05)

    def _store(self, peer: Peer) -> None:
        while not self.is_over.is_set():
            uid = new_uid()
            status = peer.store(uid, dataset(uid))
            if status == 0:
                self.acknowledged.append(uid)
            else:
                self.refused.append(status)
