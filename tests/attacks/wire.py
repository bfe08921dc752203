"""A peer that says exactly what it is told to: correct PDUs from the protocol core's encoders, and raw bytes."""

import socket
import struct
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from archimage.protocol.command import Command, CommandField, c_echo_rq, c_store_rq, decode_command, encode_command
from archimage.protocol.items import PresentationContext, RoleSelection, UserInformation
from archimage.protocol.pdu import (
    CONTROL_COMMAND,
    CONTROL_LAST,
    PDU,
    AssociateAccept,
    AssociateRequest,
    PDUType,
    ReleaseRequest,
    ReleaseResponse,
    decode_pdu,
    encode_data_header,
    encode_pdu,
)
from archimage.protocol.status import is_pending
from archimage.protocol.uids import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    VERIFICATION,
)

CT: Final = "1.2.840.10008.5.1.4.1.1.2"
ECHO_CONTEXT: Final = 1
CT_CONTEXT: Final = 3
CONTEXTS: Final = (
    PresentationContext(ECHO_CONTEXT, VERIFICATION, (IMPLICIT_VR_LITTLE_ENDIAN,)),
    PresentationContext(CT_CONTEXT, CT, (EXPLICIT_VR_LITTLE_ENDIAN,)),
)
FIND_CONTEXT: Final = 5
MOVE_CONTEXT: Final = 7
GET_CONTEXT: Final = 9
QUERY_CONTEXTS: Final = (
    *CONTEXTS,
    PresentationContext(FIND_CONTEXT, STUDY_ROOT_FIND, (EXPLICIT_VR_LITTLE_ENDIAN,)),
    PresentationContext(MOVE_CONTEXT, STUDY_ROOT_MOVE, (EXPLICIT_VR_LITTLE_ENDIAN,)),
    PresentationContext(GET_CONTEXT, STUDY_ROOT_GET, (EXPLICIT_VR_LITTLE_ENDIAN,)),
)
_FRAGMENT_BYTES: Final = 131_066
_HEADER: Final = struct.Struct(">BxI")


def request(
    contexts: Iterable[PresentationContext] = CONTEXTS,
    *,
    called: str = "PACS_SCP",
    calling: str = "ATTACKER",
    roles: tuple[RoleSelection, ...] = (),
) -> AssociateRequest:
    """Return a request that is as it should be."""
    information = UserInformation(implementation_class_uid="1.2.3", roles=roles)
    return AssociateRequest(called, calling, tuple(contexts), information)


def querying(*, called: str = "PACS_SCP") -> AssociateRequest:
    """Return a request for everything that a query or a retrieval needs."""
    return request(QUERY_CONTEXTS, called=called, roles=(RoleSelection(CT, scu_role=True, scp_role=True),))


class Peer:
    """One TCP connection to the server; reads wait timeout_s at the most."""

    def __init__(self, port: int, *, timeout_s: float = 10.0, receive_buffer_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(timeout_s)
        if receive_buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        try:
            self.socket.connect(("127.0.0.1", port))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.socket.close()
            raise
        self._message_id = 0

    @classmethod
    def associated(cls, port: int, asked: AssociateRequest | None = None, *, timeout_s: float = 10.0) -> Self:
        """Connect and associate."""
        peer = cls(port, timeout_s=timeout_s)
        try:
            answer = peer.associate(asked or request())
            if not isinstance(answer, AssociateAccept):
                raise ConnectionError(f"no association: {answer}")
        except OSError:
            peer.close()
            raise
        return peer

    # Connections.

    def close(self) -> None:
        """Close with FIN."""
        self.socket.close()

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # PDUs.

    def send(self, data: bytes | PDU) -> None:
        """Send raw bytes, or a PDU."""
        self.socket.sendall(data if isinstance(data, bytes) else encode_pdu(data))

    def receive(self) -> PDU | tuple[int, int, bytes] | None:
        """Return the next PDU, a P-DATA-TF of one value as (context id, control, fragment), or None at the end."""
        header = self._exactly(_HEADER.size)
        if header is None:
            return None
        pdu_type, length = _HEADER.unpack(header)
        body = self._exactly(length) or b""
        if pdu_type == PDUType.DATA_TF:
            return body[4], body[5], body[6:]
        return decode_pdu(PDUType(pdu_type), body)

    def associate(self, asked: AssociateRequest) -> PDU | tuple[int, int, bytes] | None:
        """Send the request and return what comes back."""
        self.send(asked)
        return self.receive()

    def ended(self) -> bool:
        """Wait for the end of the connection, whichever way it comes; False when something else comes instead."""
        try:
            return self.receive() is None
        except ConnectionError:
            return True

    def release(self) -> None:
        """End the association in order."""
        self.send(ReleaseRequest())
        answer = self.receive()
        if not isinstance(answer, ReleaseResponse):
            raise ConnectionError(f"no release: {answer}")
        self.close()

    # Messages.

    def send_command(self, context_id: int, command: Command, *, has_dataset: bool) -> None:
        """Send a command set."""
        encoded = encode_command(command, has_dataset)
        self.send(encode_data_header(context_id, len(encoded), CONTROL_COMMAND | CONTROL_LAST) + encoded)

    def send_dataset(self, context_id: int, dataset: bytes, *, whole: bool = True) -> None:
        """Send a data set in the largest fragments that the server takes; not whole leaves the last one open."""
        for start in range(0, len(dataset), _FRAGMENT_BYTES) or (0,):
            piece = dataset[start : start + _FRAGMENT_BYTES]
            last = whole and start + _FRAGMENT_BYTES >= len(dataset)
            self.send(encode_data_header(context_id, len(piece), CONTROL_LAST if last else 0) + piece)

    def response(self) -> tuple[Command, bytes]:
        """Return the next message, its data set empty where there is none."""
        command, has_dataset = decode_command(self._message())
        return command, self._message() if has_dataset else b""

    def status(self) -> int:
        """Return the status of the next message."""
        status = self.response()[0].status
        if status is None:
            raise ConnectionError("the server asked instead of answering")
        return status

    def echo(self) -> int:
        """C-ECHO; return the status."""
        self.send_command(ECHO_CONTEXT, c_echo_rq(self.next_message_id()), has_dataset=False)
        return self.status()

    def begin_store(self, sop_instance_uid: str, *, sop_class_uid: str = CT, context_id: int = CT_CONTEXT) -> None:
        """Send a C-STORE request without its data set."""
        command = c_store_rq(self.next_message_id(), sop_class_uid, sop_instance_uid)
        self.send_command(context_id, command, has_dataset=True)

    def store(
        self, sop_instance_uid: str, dataset: bytes, *, sop_class_uid: str = CT, context_id: int = CT_CONTEXT
    ) -> int:
        """C-STORE; return the status."""
        self.begin_store(sop_instance_uid, sop_class_uid=sop_class_uid, context_id=context_id)
        self.send_dataset(context_id, dataset)
        return self.status()

    def ask(self, field: CommandField, context_id: int, sop_class_uid: str, identifier: bytes, **more: object) -> int:
        """Send a request with an identifier; return its message id."""
        message_id = self.next_message_id()
        command = Command(field, message_id, affected_sop_class_uid=sop_class_uid, priority=0, **more)  # type: ignore[arg-type]
        self.send_command(context_id, command, has_dataset=True)
        self.send_dataset(context_id, identifier)
        return message_id

    def find(self, identifier: bytes) -> tuple[list[bytes], int]:
        """C-FIND; return the matches and the last status."""
        self.ask(CommandField.C_FIND_RQ, FIND_CONTEXT, STUDY_ROOT_FIND, identifier)
        matches: list[bytes] = []
        while True:
            command, match = self.response()
            if not is_pending(command.status or 0):
                return matches, command.status or 0
            matches.append(match)

    def get(self, identifier: bytes) -> tuple[list[bytes], int]:
        """C-GET; return the data sets that came and the last status."""
        self.ask(CommandField.C_GET_RQ, GET_CONTEXT, STUDY_ROOT_GET, identifier)
        came = []
        while True:
            command, data = self.response()
            if command.field == CommandField.C_STORE_RQ:
                came.append(data)
                self.send_command(CT_CONTEXT, command.response(0), has_dataset=False)
            elif not is_pending(command.status or 0):
                return came, command.status or 0

    def move(self, identifier: bytes, destination: str) -> int:
        """C-MOVE; return the last status."""
        self.ask(CommandField.C_MOVE_RQ, MOVE_CONTEXT, STUDY_ROOT_MOVE, identifier, move_destination=destination)
        while is_pending(status := self.status()):
            pass
        return status

    def next_message_id(self) -> int:
        """Return a message id that was not used yet."""
        self._message_id += 1
        return self._message_id

    def _message(self) -> bytes:
        parts = []
        while True:
            received = self.receive()
            if not isinstance(received, tuple):
                raise ConnectionError(f"no message: {received}")
            parts.append(received[2])
            if received[1] & CONTROL_LAST:
                return b"".join(parts)

    def _exactly(self, size: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < size:
            piece = self.socket.recv(size - len(parts))
            if not piece:
                return None
            parts += piece
        return bytes(parts)
