"""The lean query and retrieve clients: identifiers ready made, answers counted, data sets discarded."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import wire
from bench.process import Running

PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
Key = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back; count is pending responses of a query or instances of a retrieval."""

    seconds: float
    count: int


def identifier(level: str, keys: Sequence[Key]) -> bytes:
    """Encode an identifier in Implicit VR Little Endian; an empty key asks for the value."""
    elements = sorted([(0x0008, 0x0052, level), *keys])
    return b"".join(wire.text(group, number, value) for group, number, value in elements)


def find_context() -> wire.Context:
    """Return the context that a query needs."""
    return wire.Context(STUDY_ROOT_FIND, wire.IMPLICIT_LE)


def find(channel: wire.Channel, query: bytes) -> Answers:
    """Query on context 1 of an open association, from the request's first byte to the final response."""
    request = wire.message(1, wire.query_request(0x0020, STUDY_ROOT_FIND), query)
    start = time.perf_counter()
    channel.sock.sendall(request)
    count = 0
    for _, command in channel.read_commands():
        status = wire.status_of(command)
        if status not in {0xFF00, 0xFF01}:
            break
        count += 1
    if status:
        raise wire.WireError(f"C-FIND answered {status:#06x}")
    return Answers(time.perf_counter() - start, count)


def get(server: Running, patient_id: str, sop_class: str) -> Answers:
    """Retrieve a patient with C-GET, discarding what comes."""
    contexts = (wire.Context(PATIENT_ROOT_GET, wire.IMPLICIT_LE), wire.Context(sop_class, wire.EXPLICIT_LE, scp=True))
    query = identifier("PATIENT", ((0x0010, 0x0020, patient_id),))
    with wire.Channel.open(server.port, server.ae_title, contexts) as channel:
        start = time.perf_counter()
        channel.sock.sendall(wire.message(1, wire.query_request(0x0010, PATIENT_ROOT_GET), query))
        count = _take(channel)
        return Answers(time.perf_counter() - start, count)


def _take(channel: wire.Channel) -> int:
    """Answer the sub-operations of a C-GET; return how many came."""
    count = 0
    store: dict[int, bytes] | None = None
    while True:
        for context_id, control, data in channel.read_pdvs():
            if control == 3:
                values = wire.command_values(bytes(data))
                if values[0x0100] == b"\x01\x00":
                    store = values
                elif (status := int.from_bytes(values[0x0900], "little")) != 0xFF00:
                    _require_success(status)
                    return count
            elif control == 2 and store is not None:
                channel.sock.sendall(wire.message(context_id, _store_response(store)))
                store, count = None, count + 1


def _store_response(request: dict[int, bytes]) -> bytes:
    return wire.command(
        {
            0x0002: request[0x0002].rstrip(b"\0").decode(),
            0x0100: 0x8001,
            0x0120: int.from_bytes(request[0x0110], "little"),
            0x0800: 0x0101,
            0x0900: 0,
            0x1000: request[0x1000].rstrip(b"\0").decode(),
        }
    )


def move(server: Running, patient_id: str, destination: str) -> Answers:
    """Have a patient moved; count is what the server says it completed."""
    query = identifier("PATIENT", ((0x0010, 0x0020, patient_id),))
    context = (wire.Context(PATIENT_ROOT_MOVE, wire.IMPLICIT_LE),)
    with wire.Channel.open(server.port, server.ae_title, context) as channel:
        start = time.perf_counter()
        channel.sock.sendall(wire.message(1, wire.query_request(0x0021, PATIENT_ROOT_MOVE, destination), query))
        for _, command in channel.read_commands():
            values = wire.command_values(command)
            if (status := int.from_bytes(values[0x0900], "little")) != 0xFF00:
                _require_success(status)
                return Answers(time.perf_counter() - start, int.from_bytes(values.get(0x1021, b""), "little"))
    raise wire.WireError("the C-MOVE was not answered")


def _require_success(status: int) -> None:
    if status:
        raise wire.WireError(f"the retrieval ended with {status:#06x}")
