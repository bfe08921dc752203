"""Messages as senders write them, and the package `hl7`'s own client."""

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from hl7.client import MLLPClient

from archimage.hl7.framing import END, START
from tests.attacks.server import Server

STATION: Final = {"worklist__stations": '{"CT": ["CT1"]}'}
ENABLED: Final[dict[str, object]] = {"hl7__enabled": "true", "hl7__port": 0, **STATION}
_PORT: Final = re.compile(r"ready .*hl7=\S+:(\d+) ")


def header(kind: str, control_id: str, *, sender: str = "HIS|HOSPITAL", more: str = "") -> str:
    """Return a segment MSH; more is what follows MSH-12."""
    return f"MSH|^~\\&|{sender}|PACS|X|20261201120000||{kind}|{control_id}|P|2.5{more}"


def message(kind: str, control_id: str, *segments: str, more: str = "") -> str:
    """Return a message."""
    return "\r".join((header(kind, control_id, more=more), *segments)) + "\r"


def pid(patient_id: str = "P1", name: str = "Demo^Anna", born: str = "19700131", sex: str = "F") -> str:
    """Return a segment PID."""
    return f"PID|1||{patient_id}||{name}||{born}|{sex}"


def order(control_id: str, *, control: str = "NW", accession: str = "ACC1", patient: str = "P1") -> str:
    """Return an order for a CT."""
    return message(
        "ORM^O01",
        control_id,
        pid(patient),
        f"ORC|{control}|PL1|FI1||||^^^20261201103000",
        f"OBR|1|PL1|FI1|CTHEAD^Head CT^99LOCAL||||||||||||^Doe^Jane||{accession}|RP1|SPS1||||CT|||^^^20261201103000",
        f"ZDS|1.2.3.{accession[3:]}^^APP^DICOM",
    )


def result(control_id: str, *, accession: str = "ACC1", patient: str = "P1", status: str = "F") -> str:
    """Return a report."""
    return message(
        "ORU^R01",
        control_id,
        pid(patient),
        f"OBR|1|PL1|FI1|CTHEAD^Head CT|||20261201110000|||||||||||{accession}|||||||{status}",
        "OBX|1|TX|F^Findings||No bleeding.",
        "OBX|2|TX|F^Findings||No fracture.",
        "OBX|3|TX|I^Impression||Normal.",
    )


def port_of(server: Server) -> int:
    """Return the port on which a server listens for messages."""
    found = _PORT.search(server.log)
    assert found is not None, server.log
    return int(found[1])


@contextmanager
def connected(server: Server) -> Iterator[MLLPClient]:
    """Connect, as others do."""
    with MLLPClient("127.0.0.1", port_of(server)) as client:
        client.socket.settimeout(10)
        yield client


def tell(client: MLLPClient, text: str | bytes) -> dict[str, list[str]]:
    """Send a message; return the segments of its answer by name, each the fields after the name."""
    return segments(client.send_message(text))


def segments(answer: bytes) -> dict[str, list[str]]:
    """Read an answer in its frame."""
    assert answer.startswith(START), answer
    assert answer.endswith(END), answer
    lines = answer[1:-2].decode("utf-8", "replace").rstrip("\r").split("\r")
    return {line[:3]: line.split("|")[1:] for line in lines}


def code(answer: dict[str, list[str]]) -> str:
    """Return the code of an answer."""
    return answer["MSA"][0]


class RawPeer:
    """A connection of whoever does as he likes."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def answer(self) -> bytes:
        """Read one frame; empty once the server has closed."""
        data = b""
        while not data.endswith(END):
            came = self.socket.recv(1)
            if not came:
                return data
            data += came
        return data

    def is_closed(self) -> bool:
        """Wait until the server has closed."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
