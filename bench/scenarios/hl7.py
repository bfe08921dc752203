"""Messages of HL7 that are acknowledged each second, every one durably: kept, applied, and its end noted."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial

from bench import peers, process
from bench.figures import OURS, Sample, Target
from bench.harness import Bench

CONNECTIONS = 32
MESSAGES = 6_400
AT_LEAST_PER_S = 500
_START, _END = b"\x0b", b"\x1c\x0d"
_STATIONS = '{"CT": ["CT1"]}'
_ADT = "PID|1||P{number}||Demo^Anna||19700131|F\r"
_ORU = (
    "PID|1||P{number}||Demo^Anna||19700131|F\r"
    "OBR|1|PL{number}|FI{number}|CTHEAD^Head CT|||20261201110000|||||||||||ACC{number}|||||||F\r"
    "OBX|1|TX|F^Findings||No bleeding. No fracture.\r"
)
_ORM = (
    "PID|1||P{number}||Demo^Anna||19700131|F\r"
    "ORC|NW|PL{number}|FI{number}||||^^^20261201103000\r"
    "OBR|1|PL{number}|FI{number}|CTHEAD^Head CT^99LOCAL||||||||||||^Doe^Jane||ACC{number}|RP1|SPS{number}||||CT\r"
)
KINDS = {"ADT^A08": _ADT, "ORM^O01": _ORM, "ORU^R01": _ORU}


def hl7(bench: Bench) -> None:
    """Send messages over several connections, each waiting for its answer."""
    bench.expect([Target(_case(kind), AT_LEAST_PER_S) for kind in KINDS])
    bench.alternate("HL7", {OURS: partial(_measure, bench)})


def _case(kind: str) -> str:
    return f"HL7 {kind}, {CONNECTIONS} connections"


def _measure(bench: Bench) -> Iterator[Sample]:
    count = MESSAGES // (10 if bench.quick else 1)
    for kind, body in KINDS.items():
        port = process.free_port()
        settings = {
            "ARCHIMAGE__HL7__ENABLED": "true",
            "ARCHIMAGE__HL7__PORT": str(port),
            "ARCHIMAGE__WORKLIST__STATIONS": _STATIONS,
        }
        with (
            process.fresh_directory(bench.work, OURS) as directory,
            peers.archimage_on(directory, settings=settings) as server,
        ):
            before_s = server.cpu_s()
            took_s = _send(port, [_message(kind, body, number) for number in range(count)])
            cpu_ms = 1000 * (server.cpu_s() - before_s) / count
            yield Sample(_case(kind), OURS, count / took_s, "messages/s", cpu_ms)


def _message(kind: str, body: str, number: int) -> bytes:
    head = f"MSH|^~\\&|HIS|HOSPITAL|PACS|X|20261201120000||{kind}|{number}|P|2.5\r"
    return _START + (head + body.format(number=number)).encode() + _END


def _send(port: int, messages: Sequence[bytes]) -> float:
    """Send messages over all connections; return the time from the first byte to the last answer, seconds.

    Raises:
        ServerError: one was not accepted.
    """
    refused: list[bytes] = []
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]

    def send(connection: socket.socket, share: Sequence[bytes]) -> None:
        with connection:
            for one in share:
                connection.sendall(one)
                answer = b""
                while not answer.endswith(_END):
                    answer += connection.recv(4_096)
                if b"\rMSA|AA|" not in answer:
                    refused.append(answer)

    senders = [
        threading.Thread(target=send, args=(connection, messages[number::CONNECTIONS]))
        for number, connection in enumerate(connections)
    ]
    started = time.perf_counter()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    took_s = time.perf_counter() - started
    if refused:
        raise process.ServerError(f"a message was answered {refused[0]!r}")
    return took_s
