"""One soak from its start to its verdict: how much the server can do, then 80 % of that for a long time."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from bench import peers
from bench.process import Running
from tests.soak.images import Shelf
from tests.soak.load import Load, Outcome
from tests.soak.report import Echoes, Report, Whole
from tests.soak.watching import Watch
from tests.soak.work import Client

ASSOCIATIONS: Final = 200
SHARE_OF_PEAK: Final = 0.8
_CLIENTS: Final = 8
_KIND_S: Final = 4.0
"""So long each kind of work is measured alone."""
_MIX_S: Final = 10.0
_KINDS: Final = ("store", "find", "get", "qido", "wado")
_HOLDER_ENDS_WITHIN_S: Final = 30.0
Say = Callable[[str], None]


class Holder:
    """The process that holds the associations."""

    def __init__(self, server: Running) -> None:
        command = [sys.executable, "-m", "tests.soak.holding", str(server.port), server.ae_title, str(ASSOCIATIONS)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        if self._process.stdout.readline() != "held\n":
            self.close()
            raise ConnectionError(f"{ASSOCIATIONS} associations could not be opened")

    def begin(self) -> None:
        """Begin to measure."""
        assert self._process.stdin
        self._process.stdin.write("begin\n")
        self._process.stdin.flush()

    def seen(self) -> Echoes:
        """End; return what it saw."""
        said, _ = self._process.communicate(timeout=_HOLDER_ENDS_WITHIN_S)
        return Echoes(**json.loads(said))

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.communicate()


class Soak:
    """One soak of a server that runs."""

    def __init__(self, server: Running, minutes: float, say: Say) -> None:
        self._server = server
        self._seconds = 60 * minutes
        self._say = say
        self._shelf = Shelf()
        self._clients: Sequence[Client] = ()
        self._began = 0.0

    def run(self) -> Report:
        """Measure the peak, offer a part of it, and look at everything that was acknowledged."""
        with ExitStack() as held:
            holder = held.enter_context(closing(Holder(self._server)))
            self._clients = [Client(self._server, self._shelf) for _ in range(_CLIENTS)]
            peaks, mix = self._measure_peaks()
            holder.begin()
            self._began, cpu_s = time.monotonic(), self._server.cpu_s()
            with closing(Watch(self._server, self._tell_progress)) as watch:
                outcome = Load(peaks, self._seconds, SHARE_OF_PEAK * mix.rate).run(self._clients)
            cpu_s = self._server.cpu_s() - cpu_s
            echoes = holder.seen()
            whole = self._check_all()
        return Report(peaks, mix, outcome, SHARE_OF_PEAK * mix.rate, cpu_s, echoes, watch.samples, whole)

    def _measure_peaks(self) -> tuple[Mapping[str, float], Outcome]:
        """Measure each kind alone, and all of them in such shares that each takes the server equally long."""
        peaks = {}
        for kind in _KINDS:
            self._say(f"measuring the peak: {kind}")
            peaks[kind] = self._all_done(Load({kind: 1}, _KIND_S)).rate
        self._say("measuring the peak: all together")
        return peaks, self._all_done(Load(peaks, _MIX_S))

    def _all_done(self, load: Load) -> Outcome:
        outcome = load.run(self._clients)
        if outcome.problems:
            raise ConnectionError(f"the peak could not be measured: {outcome.problems[0]}")
        return outcome

    def _tell_progress(self) -> None:
        seconds = time.monotonic() - self._began
        self._say(f"soaking: {seconds / 60:.1f} of {self._seconds / 60:g} min")

    def _check_all(self) -> Whole:
        """Look at all that is there; return what was lost from the beginning on."""
        self._say("looking at everything that was acknowledged")
        unfinished = [client.close() for client in self._clients]
        with closing(Client(self._server, self._shelf)) as last:
            for study in [*self._shelf.take_all(), *(study for study in unfinished if study.acknowledged)]:
                last.check(study)
        everybody = [*self._clients, last]
        return Whole(sum(one.checked for one in everybody), [uid for one in everybody for uid in one.lost])


@contextmanager
def _served(directory: Path) -> Iterator[Running]:
    """Run a server with its default settings; it must end as it should."""
    directory.mkdir()
    with peers.archimage_on(directory) as server:
        yield server
    if server.process.returncode:
        raise ConnectionError(f"the server ended with {server.process.returncode}")


def soak(directory: Path, minutes: float, say: Say) -> Report:
    """Soak a server whose data stand in a new directory below this one."""
    with _served(directory / "data") as server:
        return Soak(server, minutes, say).run()
