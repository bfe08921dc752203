"""How long a modality waits for its worklist among many scheduled steps: round trips of our own client.

Run `python -m bench.bench_worklist [STEPS [ROUNDS]]`; all queries go over one association. What DCMTK's findscu
takes, its start included, stands beside them, where that is installed.
First comes the processor time of the same answers without the network, which neighbours on the machine disturb less.
"""

import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from archimage.index.sqlite import SqliteIndex
from archimage.index.worklist import WorklistTable
from archimage.model.worklist import StepState, WorklistItem, WorklistRow
from archimage.net.client import ClientAssociation, connect
from archimage.net.conversation import RemoteNode
from archimage.net.proposals import for_services
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, MODALITY_WORKLIST_FIND
from archimage.services import worklist_entries
from archimage.services.datasets import Model, attribute, encode, made
from archimage.services.identifiers import decode_keys
from archimage.services.modelmatching import parse, selected
from archimage.services.worklist import WorklistService
from archimage.services.worklist_fields import with_fields
from bench.bench_index import percentiles
from bench.peers import archimage_on
from bench.process import Running, environment

_MODALITIES: Final = ("CT", "MR", "US", "CR")
_STATIONS: Final = tuple((modality, f"{modality}{number}") for number in range(1, 11) for modality in _MODALITIES)
_DAYS: Final = 14
_LATER: Final = 4_000_000_000.0
_FINDSCU_ROUNDS: Final = 20
_RETURNED: Final = (0x00080050, 0x00080090, 0x00100010, 0x00100020, 0x00100030, 0x00100040, 0x0020000D, 0x00321060)
_RETURNED_OF_STEP: Final = (0x00080060, 0x00400001, 0x00400002, 0x00400003, 0x00400006, 0x00400007, 0x00400009)
Keys = dict[int, str]
Make = Callable[[int], tuple[Keys, Keys]]


def _station(number: int) -> tuple[str, str]:
    return _STATIONS[number % len(_STATIONS)]


def _day(number: int) -> str:
    return f"202612{1 + number // len(_STATIONS) % _DAYS:02}"


KINDS: Final[dict[str, Make]] = {
    "a station's day": lambda n: ({}, {0x00400001: _station(n)[1], 0x00400002: _day(n)}),
    "a station's day, another each time": lambda n: (
        {0x00100020: "*"},
        {0x00400001: _station(n)[1], 0x00400002: _day(n), 0x00400003: f"00-235959.{n % 1000:06}"},
    ),
    "a patient ID": lambda n: ({0x00100020: f"P{n:05}"}, {}),
    "an accession number": lambda n: ({0x00080050: f"A{n:05}"}, {}),
    "a name, by its beginning": lambda n: ({0x00100010: f"family{n % 5000:04}*"}, {}),
}


def _rows(steps: int) -> Iterator[WorklistRow]:
    """Yield steps of forty stations over fourteen days."""
    for number in range(steps):
        modality, station = _station(number)
        given = {
            "patient_name": f"Family{number % 5000:04}^Given{number % 7}",
            "patient_id": f"P{number:05}",
            "patient_birth_date": "19700102",
            "patient_sex": "F",
            "accession_number": f"A{number:05}",
            "referring_physician": "Demo^Referrer",
            "performing_physician": "Demo^Physician",
            "step_description": "Head without contrast",
            "modality": modality,
            "station_ae_titles": [station],
            "start_date": _day(number),
            "start_time": f"{7 + number % 11:02}{number % 6}0",
        }
        model = worklist_entries.completed(with_fields({}, given), {}, {})
        item = WorklistItem(f"{number}", model, StepState.SCHEDULED, "bench", 0, 0, _LATER)
        yield WorklistRow(item, worklist_entries.columns_of(model), worklist_entries.description_of(model))


def _identifier(top: Keys, step: Keys) -> Model:
    inner = made(*(attribute(tag, step.get(tag, "")) for tag in sorted({*_RETURNED_OF_STEP, *step})))
    return made(*(attribute(tag, top.get(tag, "")) for tag in sorted({*_RETURNED, *top})), attribute(0x00400100, inner))


async def _measure(server: Running, steps: int, rounds: int) -> list[tuple[str, float, float, float]]:
    """Return for each kind of query the median and the 95th percentile, milliseconds, and how many matches it had."""
    node = RemoteNode(server.ae_title, "127.0.0.1", server.port)
    contexts = for_services(MODALITY_WORKLIST_FIND)
    found = []
    async with await connect(node, calling_ae_title="BENCH", contexts=contexts) as association:
        for name, make in KINDS.items():
            await _ask(association, make(0))
            answers = [await _ask(association, make(number * 7919 % steps)) for number in range(rounds)]
            times, counts = [seconds for seconds, _ in answers], [count for _, count in answers]
            found.append((name, *percentiles(times), statistics.mean(counts)))
    return found


async def _ask(association: ClientAssociation, keys: tuple[Keys, Keys]) -> tuple[float, int]:
    syntax = association.context(MODALITY_WORKLIST_FIND).transfer_syntax
    identifier = encode(_identifier(*keys), syntax)
    began = time.perf_counter()
    count = len([match async for match in association.find(MODALITY_WORKLIST_FIND, identifier)])
    return time.perf_counter() - began, count


def _findscu(server: Running) -> Sequence[float]:
    step = "(0040,0100)[0]."
    keys = ["PatientName", f"{step}ScheduledStationAETitle=CT1", f"{step}ScheduledProcedureStepStartDate=20261201"]
    command = ["findscu", "-W", "-aec", server.ae_title, "127.0.0.1", str(server.port)]
    command += [part for key in keys for part in ("-k", key)]
    times = []
    for _ in range(_FINDSCU_ROUNDS):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, timeout=30, env=environment())
        times.append(time.perf_counter() - began)
    return times


def _busy(worklist: WorklistService, make: Make, steps: int, rounds: int) -> tuple[float, float]:
    """Return median and 95th percentile of the processor time of an answer without the network, milliseconds."""

    def answer(number: int) -> float:
        identifier = encode(_identifier(*make(number)), EXPLICIT_VR_LITTLE_ENDIAN)
        began = time.thread_time()
        wanted = parse(decode_keys(identifier, EXPLICIT_VR_LITTLE_ENDIAN))
        for page in worklist.find(wanted):
            for item in page:
                encode(selected(item.model, wanted), EXPLICIT_VR_LITTLE_ENDIAN)
        return time.thread_time() - began

    answer(0)
    return percentiles([answer(number * 7919 % steps) for number in range(rounds)])


def main(steps: int = 10_000, rounds: int = 200) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        with closing(SqliteIndex(directory / "index.db")) as index:
            table = WorklistTable(index)
            table.put(*_rows(steps))
            print(f"  {steps} scheduled steps, {rounds} queries of each kind, processor time without the network")
            for name, make in KINDS.items():
                median, high = _busy(WorklistService(table), make, steps, rounds)
                print(f"  {name:36}{median:9.2f}{high:9.2f}")
        with archimage_on(directory) as server:
            print(f"  {steps} scheduled steps, {rounds} queries of each kind, round trips")
            print(f"  {'query':36}{'p50 ms':>9}{'p95 ms':>9}{'matches':>9}")
            for name, median, high, matches in asyncio.run(_measure(server, steps, rounds)):
                print(f"  {name:36}{median:9.2f}{high:9.2f}{matches:9.1f}")
            if shutil.which("findscu"):
                median, high = percentiles(list(_findscu(server)))
                print(f"  {'findscu -W, a new process each':36}{median:9.2f}{high:9.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
