"""Two protocol cores joined in memory, and the pieces that most tests here need."""

from collections.abc import Callable, Sequence

from archimage.errors import RemoteProtocolError
from archimage.protocol import uids
from archimage.protocol.association import Association, AssociationSettings
from archimage.protocol.command import c_echo_rq, c_store_rq, encode_command
from archimage.protocol.events import DataReceived, Event
from archimage.protocol.items import PresentationContext, UserInformation
from archimage.protocol.negotiation import ANY, SupportedContext, negotiate
from archimage.protocol.pdu import Abort, AssociateRequest, encode_data_header, encode_pdu

CT = "1.2.840.10008.5.1.4.1.1.2"
SUPPORTED = {
    uids.VERIFICATION: SupportedContext(uids.VERIFICATION, ANY),
    uids.STUDY_ROOT_GET: SupportedContext(uids.STUDY_ROOT_GET, ANY),
    CT: SupportedContext(CT, ANY, scu_role=True),
}
SYNTAXES = (uids.EXPLICIT_VR_LITTLE_ENDIAN, uids.IMPLICIT_VR_LITTLE_ENDIAN)
CONTEXTS = (
    PresentationContext(1, uids.VERIFICATION, SYNTAXES),
    PresentationContext(3, CT, SYNTAXES),
    PresentationContext(5, "1.2.3.4", SYNTAXES),
)
REQUEST = AssociateRequest("SCP", contexts=CONTEXTS)
FULL_REQUEST = AssociateRequest(
    "SCP", "SCU", CONTEXTS, UserInformation(implementation_class_uid="1.2.3", implementation_version_name="TEST")
)

STORE = c_store_rq(1, CT, "1.2.3")


def requestor(settings: AssociationSettings | None = None) -> Association:
    """Return an association that has asked nothing yet."""
    return Association(settings or AssociationSettings("SCU"), requestor=True, now=0.0)


def acceptor(settings: AssociationSettings | None = None) -> Association:
    """Return an association on a connection that has just come in."""
    return Association(settings or AssociationSettings("SCP"), requestor=False, now=0.0)


def sent(association: Association) -> bytes:
    """Drain what an association sends."""
    return b"".join(association.data_to_send())


def transfer(source: Association, target: Association, now: float = 0.0) -> list[Event]:
    """Carry what source sends to target."""
    return target.receive_data(sent(source), now)


def request_to(scp: Association, request: AssociateRequest = FULL_REQUEST, now: float = 0.0) -> list[Event]:
    """Hand a request to an acceptor."""
    return scp.receive_data(encode_pdu(request), now)


def accept_all(scp: Association, now: float = 0.0) -> None:
    """Accept what was requested, as far as SUPPORTED goes."""
    assert scp.requested
    roles = scp.requested.user_information.roles
    scp.accept(negotiate(scp.requested.contexts, SUPPORTED, roles), now)


def joined(
    request: AssociateRequest = REQUEST,
    scu_settings: AssociationSettings | None = None,
    scp_settings: AssociationSettings | None = None,
) -> tuple[Association, Association]:
    """Return a requestor and an acceptor with an association between them."""
    scu, scp = requestor(scu_settings), acceptor(scp_settings)
    scu.request(request, 0.0)
    transfer(scu, scp)
    accept_all(scp)
    transfer(scp, scu)
    return scu, scp


def refusal(decode: Callable[[], object]) -> tuple[int, int] | None:
    """Return the abort source and reason with which bytes are refused, or None where they decode."""
    try:
        decode()
    except RemoteProtocolError as error:
        return error.source, error.reason
    return None


def flatten(events: Sequence[Event]) -> list[Event]:
    """Join the pieces of each data set, and make them comparable after the buffer is gone."""
    flat: list[Event] = []
    for event in events:
        if not isinstance(event, DataReceived):
            flat.append(event)
            continue
        data, previous = bytes(event.data), flat[-1] if flat else None
        if isinstance(previous, DataReceived) and not previous.last:
            assert previous.context_id == event.context_id
            flat.pop()
            data = bytes(previous.data) + data
        flat.append(DataReceived(event.context_id, memoryview(data), event.last))
    return flat


def abort_bytes(source: int, reason: int) -> bytes:
    """Return an A-ABORT."""
    return encode_pdu(Abort(source, reason))


def data_bytes(command: bytes, context_id: int = 1, control: int = 3) -> bytes:
    """Return a fragment as a P-DATA-TF; control is 1 for a command, plus 2 for the last."""
    return encode_data_header(context_id, len(command), control) + command


def echo_bytes(message_id: int = 1) -> bytes:
    """Return a C-ECHO request on context 1."""
    return data_bytes(encode_command(c_echo_rq(message_id), has_dataset=False))
