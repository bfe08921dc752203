"""The seven protocol data units, and their bytes.

Every PDU opens with 6 bytes, big endian:

    0        1          2
    | type   | reserved | length (32 bit, of what follows) |

A-ASSOCIATE-RQ and -AC go on with protocol version (16 bit), 2 reserved bytes, called and calling AE title (16 bytes
each, space padded), 32 reserved bytes and variable items. A-ASSOCIATE-RJ and A-ABORT carry four bytes of which the
last ones say why; the release PDUs carry four reserved bytes. P-DATA-TF holds presentation data values, each

    0                  4            5           6
    | length (32 bit)  | context id | control   | fragment ...        length counts from the context id

with bit 0 of the control byte set for a command fragment and bit 1 for the last one.

Ref: PS3.8 §9.3, Annex E.2.
"""

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

from archimage.protocol.items import (
    ContextAnswer,
    PresentationContext,
    UserInformation,
    decode_answer,
    decode_context,
    decode_user_information,
    encode_answer,
    encode_context,
    encode_user_information,
)
from archimage.protocol.uids import APPLICATION_CONTEXT
from archimage.protocol.wire import Cursor, decode_text, encode_item, encode_text, invalid

pdu_header = Struct(">BxI")
value_header = Struct(">IBB")
_data_header = Struct(">BxIIBB")

CONTROL_COMMAND = 0x01
CONTROL_LAST = 0x02

AE_TITLE_LENGTH = 16
_RESERVED_32 = bytes(32)
_APPLICATION_CONTEXT_ITEM = 0x10
_CONTEXT_ITEM = 0x20
_ANSWER_ITEM = 0x21
_USER_INFORMATION_ITEM = 0x50
_VERSION_1 = 0x0001
_NOTHING_SAID = UserInformation()


class PDUType(IntEnum):
    """First byte of a PDU. Ref: PS3.8 §9.3.1."""

    ASSOCIATE_RQ = 0x01
    ASSOCIATE_AC = 0x02
    ASSOCIATE_RJ = 0x03
    DATA_TF = 0x04
    RELEASE_RQ = 0x05
    RELEASE_RP = 0x06
    ABORT = 0x07


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """A-ASSOCIATE-RQ. protocol_version is a bit field; bit 0 stands for the only version there is."""

    called_ae_title: str
    calling_ae_title: str = ""
    contexts: tuple[PresentationContext, ...] = ()
    user_information: UserInformation = _NOTHING_SAID
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = _VERSION_1


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """A-ASSOCIATE-AC."""

    called_ae_title: str
    calling_ae_title: str
    contexts: tuple[ContextAnswer, ...] = ()
    user_information: UserInformation = _NOTHING_SAID
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = _VERSION_1


@dataclass(frozen=True, slots=True)
class AssociateReject:
    """A-ASSOCIATE-RJ. Ref: PS3.8 Table 9-21."""

    result: int
    source: int
    reason: int


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """A-RELEASE-RQ."""


@dataclass(frozen=True, slots=True)
class ReleaseResponse:
    """A-RELEASE-RP."""


@dataclass(frozen=True, slots=True)
class Abort:
    """A-ABORT. Ref: PS3.8 Table 9-26."""

    source: int
    reason: int


PDU = AssociateRequest | AssociateAccept | AssociateReject | ReleaseRequest | ReleaseResponse | Abort
"""A PDU that is collected before it is looked at; P-DATA-TF never is."""


def encode_pdu(pdu: PDU) -> bytes:
    """Encode any PDU but P-DATA-TF."""
    match pdu:
        case AssociateRequest():
            contexts = [encode_item(_CONTEXT_ITEM, encode_context(context)) for context in pdu.contexts]
            return _frame(PDUType.ASSOCIATE_RQ, _encode_associate(pdu, contexts))
        case AssociateAccept():
            contexts = [encode_item(_ANSWER_ITEM, encode_answer(answer)) for answer in pdu.contexts]
            return _frame(PDUType.ASSOCIATE_AC, _encode_associate(pdu, contexts))
        case AssociateReject(result, source, reason):
            return _frame(PDUType.ASSOCIATE_RJ, bytes((0, result, source, reason)))
        case ReleaseRequest():
            return _frame(PDUType.RELEASE_RQ, bytes(4))
        case ReleaseResponse():
            return _frame(PDUType.RELEASE_RP, bytes(4))
    return _frame(PDUType.ABORT, bytes((0, 0, pdu.source, pdu.reason)))


def decode_pdu(pdu_type: PDUType, body: bytes) -> PDU:
    """Decode what follows the 6-byte header of any PDU but P-DATA-TF.

    Raises:
        RemoteProtocolError: a length lies or a value may not be sent; the reason is "invalid parameter value".
    """
    match pdu_type:
        case PDUType.ASSOCIATE_RQ:
            return _decode_request(body)
        case PDUType.ASSOCIATE_AC:
            return _decode_accept(body)
    _, second, third, fourth = Cursor(body).take(4)
    if len(body) > 4:
        raise invalid(f"{pdu_type.name} has {len(body)} bytes instead of 4")
    match pdu_type:
        case PDUType.ASSOCIATE_RJ:
            return AssociateReject(second, third, fourth)
        case PDUType.ABORT:
            return Abort(third, fourth)
        case PDUType.RELEASE_RQ:
            return ReleaseRequest()
    return ReleaseResponse()


def encode_data_header(context_id: int, size: int, control: int) -> bytes:
    """Encode the 12 bytes before a fragment of size bytes that fills a P-DATA-TF alone."""
    return _data_header.pack(PDUType.DATA_TF, size + 6, size + 2, context_id, control)


def _frame(pdu_type: PDUType, body: bytes) -> bytes:
    return pdu_header.pack(pdu_type, len(body)) + body


def _encode_associate(pdu: AssociateRequest | AssociateAccept, contexts: list[bytes]) -> bytes:
    titles = b"".join(
        encode_text(title)[:AE_TITLE_LENGTH].ljust(AE_TITLE_LENGTH)
        for title in (pdu.called_ae_title, pdu.calling_ae_title)
    )
    fixed = pdu.protocol_version.to_bytes(2) + bytes(2) + titles + _RESERVED_32
    application_context = encode_item(_APPLICATION_CONTEXT_ITEM, encode_text(pdu.application_context))
    user_information = encode_item(_USER_INFORMATION_ITEM, encode_user_information(pdu.user_information))
    return b"".join((fixed, application_context, *contexts, user_information))


@dataclass(slots=True)
class _Associate:
    """What requests and acceptances have in common; contexts not yet decoded."""

    version: int
    called: str
    calling: str
    application_context: str
    contexts: list[bytes]
    user_information: UserInformation


def _decode_associate(body: bytes, context_item: int) -> _Associate:
    cursor = Cursor(body)
    version = cursor.u16()
    cursor.take(2)
    called, calling = decode_text(cursor.take(AE_TITLE_LENGTH)), decode_text(cursor.take(AE_TITLE_LENGTH))
    cursor.take(len(_RESERVED_32))
    found: dict[int, list[bytes]] = {_APPLICATION_CONTEXT_ITEM: [], context_item: [], _USER_INFORMATION_ITEM: []}
    for item_type, value in cursor.items():
        if item_type in found:
            found[item_type].append(value)
    application_context = decode_text(b"".join(found[_APPLICATION_CONTEXT_ITEM]))
    # Joined, so that what may stand once is missed in neither of two items.
    user_information = decode_user_information(b"".join(found[_USER_INFORMATION_ITEM]))
    return _Associate(version, called, calling, application_context, found[context_item], user_information)


def _decode_request(body: bytes) -> AssociateRequest:
    common = _decode_associate(body, _CONTEXT_ITEM)
    contexts = tuple(decode_context(value) for value in common.contexts)
    if not contexts:
        raise invalid("no presentation context is proposed")
    if len({context.context_id for context in contexts}) < len(contexts):
        raise invalid("a presentation context id stands twice")
    return AssociateRequest(
        common.called, common.calling, contexts, common.user_information, common.application_context, common.version
    )


def _decode_accept(body: bytes) -> AssociateAccept:
    common = _decode_associate(body, _ANSWER_ITEM)
    answers = tuple(decode_answer(value) for value in common.contexts)
    return AssociateAccept(
        common.called, common.calling, answers, common.user_information, common.application_context, common.version
    )
