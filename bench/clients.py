"""DCMTK's programs as clients: what a hospital's own tools see. Whole wall clock unless said otherwise, seconds."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench import process, wire
from bench.process import Running

LIMIT_S = 600
STORESCU_OPTIONS = ("-xe", "--max-send-pdu", str(wire.MAX_PDU), "+sd")


def timed(commands: Sequence[Sequence[str]]) -> float:
    """Run commands together; return the time from the first start to the last end. Raises WireError when one fails."""
    start = time.perf_counter()
    running = [
        subprocess.Popen(
            command, env=process.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for command in commands
    ]
    failures = []
    for child in running:
        try:
            said, _ = child.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            said, _ = child.communicate()
        if child.returncode:
            failures.append(f"{Path(str(child.args[0])).name} ended with {child.returncode}: {said.strip()[-200:]}")  # type: ignore[index]
    seconds = time.perf_counter() - start
    if failures:
        raise wire.WireError(failures[0])
    return seconds


def storescu(server: Running, folders: Sequence[Path], associations: int) -> float:
    """Send folders with so many storescu processes at once."""
    program = process.require("storescu", "dcmtk")
    target = ("-aec", server.ae_title, "127.0.0.1", str(server.port))
    return timed(
        [
            [program, *STORESCU_OPTIONS, *target, *map(str, folders[number::associations])]
            for number in range(associations)
        ]
    )


def getscu(server: Running, patient_id: str, directory: Path) -> float:
    """Retrieve a patient with getscu, which writes the files as they are."""
    directory.mkdir(exist_ok=True)
    return timed([[process.require("getscu", "dcmtk"), *_retrieve(server, patient_id), "+B", "-od", str(directory)]])


def movescu(server: Running, patient_id: str, destination: str) -> float:
    """Have a patient moved to a destination that the server knows."""
    return timed([[process.require("movescu", "dcmtk"), *_retrieve(server, patient_id), "-aem", destination]])


def _retrieve(server: Running, patient_id: str) -> list[str]:
    keys = ["-P", "-k", "0008,0052=PATIENT", "-k", f"0010,0020={patient_id}"]
    return ["-pdu", str(wire.MAX_PDU), "-aec", server.ae_title, *keys, "127.0.0.1", str(server.port)]
