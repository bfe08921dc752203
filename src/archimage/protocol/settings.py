"""What one side brings to an association, and the A-ASSOCIATE parameters that follow from it.

Ref: PS3.8 §9.3.2, Annex D; PS3.7 Annex D.3.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from archimage.errors import LocalProtocolError
from archimage.protocol.items import (
    AsyncOperationsWindow,
    ContextAnswer,
    ExtendedNegotiation,
    PresentationContext,
    UserInformation,
)
from archimage.protocol.negotiation import SYNCHRONOUS, NegotiatedContext, answer_roles, answer_window
from archimage.protocol.pdu import AE_TITLE_LENGTH, AssociateAccept, AssociateRequest
from archimage.protocol.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, IMPLICIT_VR_LITTLE_ENDIAN

MIN_PDU_LENGTH = 128
"""Bytes; a smaller maximum would turn every object into thousands of headers."""


@dataclass(frozen=True, slots=True)
class AssociationSettings:
    """What one side brings to an association.

    max_pdu_length: bytes of a P-DATA-TF that we take, 6-byte header excluded; told to the peer and enforced.
    max_request_length, max_command_length: bytes of an A-ASSOCIATE PDU and of a command set that we take.
    artim_timeout_s: seconds for the whole wait for a request, an answer, or the end of the connection.
    idle_timeout_s: seconds without traffic while no operation is outstanding; None is forever.
    max_operations_invoked, max_operations_performed: at a time, by us; 0 is without limit.
    """

    ae_title: str
    max_pdu_length: int = 131072
    max_request_length: int = 1 << 20
    max_command_length: int = 1 << 16
    artim_timeout_s: float = 30.0
    idle_timeout_s: float | None = 60.0
    max_operations_invoked: int = 1
    max_operations_performed: int = 1
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    implementation_version_name: str = IMPLEMENTATION_VERSION_NAME

    def __post_init__(self) -> None:
        if self.max_pdu_length < MIN_PDU_LENGTH:
            raise LocalProtocolError(f"max_pdu_length is {self.max_pdu_length}, at least {MIN_PDU_LENGTH} is needed")


def complete_request(request: AssociateRequest, settings: AssociationSettings) -> AssociateRequest:
    """Return the request with our calling AE title, maximum length, implementation and window filled in.

    Raises:
        LocalProtocolError: an AE title or the proposed contexts may not be sent.
    """
    calling = request.calling_ae_title or settings.ae_title
    for title in (request.called_ae_title, calling):
        _check_ae_title(title)
    _check_contexts(request.contexts)
    window = AsyncOperationsWindow(settings.max_operations_invoked, settings.max_operations_performed)
    information = replace(
        _own(request.user_information, settings), async_operations=None if window == SYNCHRONOUS else window
    )
    return replace(request, calling_ae_title=calling, user_information=information)


def build_accept(
    request: AssociateRequest,
    contexts: Sequence[NegotiatedContext],
    settings: AssociationSettings,
    user_identity_response: bytes | None,
    extended: Sequence[ExtendedNegotiation],
) -> AssociateAccept:
    """Return the acceptance of a request."""
    asked = request.user_information
    information = UserInformation(
        async_operations=answer_window(
            asked.async_operations, settings.max_operations_invoked, settings.max_operations_performed
        ),
        roles=answer_roles(contexts, asked.roles),
        extended=tuple(extended),
        user_identity_response=user_identity_response,
    )
    # A refused context has to name some transfer syntax, which nobody reads.
    answers = tuple(
        ContextAnswer(context.context_id, context.result, context.transfer_syntax or IMPLICIT_VR_LITTLE_ENDIAN)
        for context in contexts
    )
    return AssociateAccept(request.called_ae_title, request.calling_ae_title, answers, _own(information, settings))


def _own(information: UserInformation, settings: AssociationSettings) -> UserInformation:
    return replace(
        information,
        max_pdu_length=settings.max_pdu_length,
        implementation_class_uid=settings.implementation_class_uid,
        implementation_version_name=settings.implementation_version_name,
    )


def _check_ae_title(title: str) -> None:
    printable = title.isascii() and title.isprintable() and "\\" not in title
    if not title.strip() or len(title) > AE_TITLE_LENGTH or not printable:
        raise LocalProtocolError(f"{title!r} is no AE title: 1 to {AE_TITLE_LENGTH} printable ASCII characters")


def _check_contexts(contexts: Sequence[PresentationContext]) -> None:
    ids = [context.context_id for context in contexts]
    if not ids or len(set(ids)) < len(ids) or any(not 1 <= number <= 255 or number % 2 == 0 for number in ids):
        raise LocalProtocolError(f"presentation context ids must be odd, 1 to 255, and differ: {ids}")
