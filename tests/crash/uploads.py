"""Senders and a remover before a server that keeps objects in an object store, killed again and again."""

import random
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Final

from tests.attacks.server import Server, launch, stop, wait_until
from tests.crash.storm import SETTINGS, Sender, Sent, disagreements, kill, options_for
from tests.object_store.serving import SERIES, settings_of
from tests.servers.seaweedfs import SeaweedFS
from tests.web.stowing import STUDY, ask

_SENDERS: Final = 3
_LONGEST_LIFE_S: Final = 1.5
_SETTLED_WITHIN_S: Final = 60.0


class UploadStorm:
    """One archive over one prefix of a bucket, through many crashes."""

    def __init__(self, directory: Path, store: SeaweedFS, mode: str, seed: int, *, workers: int = 1) -> None:
        self.problems: list[str] = []
        self.removed: set[str] = set()
        self._directory = directory
        self._store = store
        self._prefix = secrets.token_hex(8)
        self._random = random.Random(seed)  # noqa: S311 - instants, no secret
        self._senders = [Sender(number, seed * _SENDERS + number) for number in range(_SENDERS)]
        self._asked: set[str] = set()
        self._settings = {**SETTINGS, **settings_of(store.settings(self._prefix), mode=mode, cache_bytes=1 << 20)}
        self._options = options_for(workers)

    @property
    def acknowledged(self) -> Mapping[str, Sent]:
        """What was answered with success, by UID."""
        return {sent.uid: sent for sender in self._senders for sent in sender.acknowledged}

    def run(self, kills: int) -> None:
        """Kill so many times; then let everything be uploaded, and look at it."""
        for _ in range(kills):
            server = self._start()
            threads = [threading.Thread(target=sender.run, args=(server.port,)) for sender in self._senders]
            threads.append(threading.Thread(target=self._remove, args=(server,)))
            for thread in threads:
                thread.start()
            threading.Event().wait(self._random.uniform(0.05, _LONGEST_LIFE_S))
            kill(server)
            for thread in threads:
                thread.join()
        server = self._start()
        try:
            self._look(server)
        finally:
            stop(server)

    def _start(self) -> Server:
        server = launch(self._directory, self._options, self._settings)
        server.wait_until_ready()
        return server

    def _remove(self, server: Server) -> None:
        """Remove some of what was acknowledged, until the server is gone."""
        with suppress(OSError, HTTPException):
            while True:
                left = [uid for uid in self.acknowledged if uid not in self._asked]
                if len(left) < 2:
                    threading.Event().wait(0.02)
                    continue
                uid = self._random.choice(left[-20:])
                self._asked.add(uid)
                answer = ask(server.http_port, "DELETE", f"/studies/{STUDY}/series/{SERIES}/instances/{uid}")
                if answer.status == 200:
                    self.removed.add(uid)

    def _look(self, server: Server) -> None:
        rows = {row.sop_instance_uid: row.path for row in server.rows()}
        kept = set(rows.values())
        if not wait_until(lambda: self._is_settled() and self._keys() == kept, _SETTLED_WITHIN_S):
            self.problems += disagreements(kept, self._keys())
            self.problems += [f"left: {path}" for path in self._left()]
        for uid, sent in self.acknowledged.items():
            if uid in self.removed and uid in rows:
                self.problems.append(f"{uid} was removed and is there")
            elif uid not in self._asked:
                answer = ask(server.http_port, "GET", f"/studies/{STUDY}/series/{SERIES}/instances/{uid}")
                if answer.status != 200 or sent.dataset() not in answer.body:
                    self.problems.append(f"{uid} was acknowledged, and the answer is {answer.status}")
        for sender in self._senders:
            self.problems += [f"{sent.uid} was refused with {status:04X}H" for sent, status in sender.refused]

    def _keys(self) -> set[str]:
        return {key for key in self._store.keys(self._prefix) if key.endswith(".dcm")}

    def _is_settled(self) -> bool:
        return not self._left()

    def _left(self) -> list[Path]:
        places = (self._directory / name for name in ("objects", "uploading", "removed", "incoming"))
        return [path for place in places for path in place.rglob("*") if path.is_file()]
