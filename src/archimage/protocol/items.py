"""Variable items of A-ASSOCIATE PDUs: presentation contexts and user information.

Presentation context, request (20H): id, 3 reserved bytes, then one abstract syntax (30H) and transfer syntaxes (40H).
Presentation context, answer (21H): id, reserved, result, reserved, then one transfer syntax (40H).
User information (50H) is a row of sub-items, 51H to 59H; those not known here are passed over.

Ref: PS3.8 §9.3.2, §9.3.3, Annex D; PS3.7 Annex D.3.3.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from sys import intern
from typing import Any

from archimage.protocol.wire import Cursor, decode_text, encode_item, encode_sized, encode_text, invalid

ABSTRACT_SYNTAX_ITEM = 0x30
TRANSFER_SYNTAX_ITEM = 0x40

DEFAULT_MAX_PDU_LENGTH = 16384
"""Bytes, assumed of a peer that leaves its maximum out."""


class ContextResult(IntEnum):
    """Answer to a proposed presentation context. Ref: PS3.8 Table 9-18."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


class UserIdentityType(IntEnum):
    """Form of a user identity. Ref: PS3.7 Table D.3-14."""

    USERNAME = 1
    USERNAME_AND_PASSCODE = 2
    KERBEROS = 3
    SAML = 4
    JWT = 5


@dataclass(frozen=True, slots=True)
class PresentationContext:
    """A proposed presentation context; the id is odd, 1 to 255."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextAnswer:
    """What became of a proposed presentation context; the transfer syntax counts only when it was accepted.

    result is a ContextResult unless the peer wrote another number.
    """

    context_id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class AsyncOperationsWindow:
    """Operations the requestor may have outstanding, and may have asked of it; 0 is without limit.

    Ref: PS3.7 §D.3.3.3.
    """

    invoked: int
    performed: int


@dataclass(frozen=True, slots=True)
class RoleSelection:
    """Roles of the requestor for one SOP class. Ref: PS3.7 §D.3.3.4."""

    sop_class_uid: str
    scu_role: bool
    scp_role: bool


@dataclass(frozen=True, slots=True)
class ExtendedNegotiation:
    """Application information of one SOP class. Ref: PS3.7 §D.3.3.5."""

    sop_class_uid: str
    information: bytes


@dataclass(frozen=True, slots=True)
class CommonExtendedNegotiation:
    """Service class and general SOP classes of one SOP class. Ref: PS3.7 §D.3.3.6."""

    sop_class_uid: str
    service_class_uid: str
    related_general_sop_class_uids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """Who the requestor says it is; the fields may be credentials and stay out of the representation.

    identity_type is a UserIdentityType unless the peer wrote another number. Ref: PS3.7 §D.3.3.7.
    """

    identity_type: int
    primary_field: bytes = field(repr=False)
    secondary_field: bytes = field(default=b"", repr=False)
    positive_response_requested: bool = False


@dataclass(frozen=True, slots=True)
class UserInformation:
    """Everything negotiated beside the presentation contexts.

    max_pdu_length: bytes of a P-DATA-TF that its sender takes, 6-byte header excluded; 0 is without limit.
    """

    max_pdu_length: int = DEFAULT_MAX_PDU_LENGTH
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    async_operations: AsyncOperationsWindow | None = None
    roles: tuple[RoleSelection, ...] = ()
    extended: tuple[ExtendedNegotiation, ...] = ()
    common_extended: tuple[CommonExtendedNegotiation, ...] = ()
    user_identity: UserIdentity | None = None
    user_identity_response: bytes | None = field(default=None, repr=False)


def encode_context(context: PresentationContext) -> bytes:
    """Encode the value of a proposed presentation context item."""
    syntaxes = (encode_item(TRANSFER_SYNTAX_ITEM, encode_text(uid)) for uid in context.transfer_syntaxes)
    abstract = encode_item(ABSTRACT_SYNTAX_ITEM, encode_text(context.abstract_syntax))
    return bytes((context.context_id, 0, 0, 0)) + abstract + b"".join(syntaxes)


def decode_context(value: bytes) -> PresentationContext:
    """Decode the value of a proposed presentation context item.

    Raises:
        RemoteProtocolError: the id is even, or there is not exactly one abstract syntax.
    """
    cursor = Cursor(value)
    context_id = cursor.u8()
    cursor.take(3)
    abstract, transfer = _syntaxes(cursor)
    if context_id % 2 == 0:
        raise invalid(f"presentation context id {context_id} is even")
    if len(abstract) != 1:
        raise invalid(f"presentation context {context_id} has {len(abstract)} abstract syntaxes")
    return PresentationContext(context_id, abstract[0], transfer)


def encode_answer(answer: ContextAnswer) -> bytes:
    """Encode the value of an answered presentation context item."""
    syntax = encode_item(TRANSFER_SYNTAX_ITEM, encode_text(answer.transfer_syntax))
    return bytes((answer.context_id, 0, answer.result, 0)) + syntax


def decode_answer(value: bytes) -> ContextAnswer:
    """Decode the value of an answered presentation context item.

    Raises:
        RemoteProtocolError: it is accepted without exactly one transfer syntax.
    """
    cursor = Cursor(value)
    context_id, _, result, _ = cursor.take(4)
    if result != ContextResult.ACCEPTANCE:
        return ContextAnswer(context_id, result, "")
    _, transfer = _syntaxes(cursor)
    if len(transfer) != 1:
        raise invalid(f"presentation context {context_id} is accepted with {len(transfer)} transfer syntaxes")
    return ContextAnswer(context_id, result, transfer[0])


def _syntaxes(cursor: Cursor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read abstract and transfer syntaxes, passing over other sub-items.

    The same few UIDs stand in every association: interned, thousands of them keep one copy.
    """
    found: dict[int, list[str]] = {ABSTRACT_SYNTAX_ITEM: [], TRANSFER_SYNTAX_ITEM: []}
    for item_type, value in cursor.items():
        if item_type in found:
            found[item_type].append(intern(decode_text(value)))
    return tuple(found[ABSTRACT_SYNTAX_ITEM]), tuple(found[TRANSFER_SYNTAX_ITEM])


def _encode_window(window: AsyncOperationsWindow) -> bytes:
    return window.invoked.to_bytes(2) + window.performed.to_bytes(2)


def _decode_window(cursor: Cursor) -> AsyncOperationsWindow:
    return AsyncOperationsWindow(cursor.u16(), cursor.u16())


def _encode_role(role: RoleSelection) -> bytes:
    return encode_sized(encode_text(role.sop_class_uid)) + bytes((role.scu_role, role.scp_role))


def _decode_role(cursor: Cursor) -> RoleSelection:
    return RoleSelection(decode_text(cursor.sized()), cursor.u8() == 1, cursor.u8() == 1)


def _encode_extended(extended: ExtendedNegotiation) -> bytes:
    return encode_sized(encode_text(extended.sop_class_uid)) + extended.information


def _decode_extended(cursor: Cursor) -> ExtendedNegotiation:
    return ExtendedNegotiation(decode_text(cursor.sized()), cursor.rest())


def _encode_common(common: CommonExtendedNegotiation) -> bytes:
    related = b"".join(encode_sized(encode_text(uid)) for uid in common.related_general_sop_class_uids)
    sop_class, service_class = encode_text(common.sop_class_uid), encode_text(common.service_class_uid)
    return encode_sized(sop_class) + encode_sized(service_class) + encode_sized(related)


def _decode_common(cursor: Cursor) -> CommonExtendedNegotiation:
    sop_class, service_class = decode_text(cursor.sized()), decode_text(cursor.sized())
    inner = Cursor(cursor.sized())
    related = []
    while inner.remaining:
        related.append(decode_text(inner.sized()))
    return CommonExtendedNegotiation(sop_class, service_class, tuple(related))


def _encode_identity(identity: UserIdentity) -> bytes:
    head = bytes((identity.identity_type, identity.positive_response_requested))
    return head + encode_sized(identity.primary_field) + encode_sized(identity.secondary_field)


def _decode_identity(cursor: Cursor) -> UserIdentity:
    identity_type, wants_response = cursor.u8(), cursor.u8() == 1
    return UserIdentity(identity_type, cursor.sized(), cursor.sized(), wants_response)


@dataclass(frozen=True, slots=True)
class _SubItem:
    """How one field of UserInformation travels."""

    item_type: int
    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[Cursor], Any]
    repeats: bool = False


def _decode_rest_as_text(cursor: Cursor) -> str:
    return decode_text(cursor.rest())


_SUB_ITEMS = (
    _SubItem(0x51, "max_pdu_length", lambda length: length.to_bytes(4), Cursor.u32),
    _SubItem(0x52, "implementation_class_uid", encode_text, _decode_rest_as_text),
    _SubItem(0x53, "async_operations", _encode_window, _decode_window),
    _SubItem(0x54, "roles", _encode_role, _decode_role, repeats=True),
    _SubItem(0x55, "implementation_version_name", encode_text, _decode_rest_as_text),
    _SubItem(0x56, "extended", _encode_extended, _decode_extended, repeats=True),
    _SubItem(0x57, "common_extended", _encode_common, _decode_common, repeats=True),
    _SubItem(0x58, "user_identity", _encode_identity, _decode_identity),
    _SubItem(0x59, "user_identity_response", encode_sized, Cursor.sized),
)
_BY_TYPE = {sub_item.item_type: sub_item for sub_item in _SUB_ITEMS}


def encode_user_information(information: UserInformation) -> bytes:
    """Encode the value of a user information item; what is None or empty is left out."""
    encoded = []
    for sub_item in _SUB_ITEMS:
        value = getattr(information, sub_item.name)
        values = value if sub_item.repeats else () if value in (None, "") else (value,)
        encoded += [encode_item(sub_item.item_type, sub_item.encode(one)) for one in values]
    return b"".join(encoded)


def decode_user_information(value: bytes) -> UserInformation:
    """Decode the value of a user information item; unknown sub-items are passed over.

    Raises:
        RemoteProtocolError: a length lies, or a sub-item stands twice that may stand once.
    """
    fields: dict[str, Any] = {}
    for item_type, content in Cursor(value).items():
        sub_item = _BY_TYPE.get(item_type)
        if sub_item is None:
            continue
        decoded = sub_item.decode(Cursor(content))
        if sub_item.repeats:
            fields[sub_item.name] = (*fields.get(sub_item.name, ()), decoded)
        elif sub_item.name in fields:
            raise invalid(f"user information sub-item {item_type:02X}H stands twice")
        else:
            fields[sub_item.name] = decoded
    return UserInformation(**fields)
