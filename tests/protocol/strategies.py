"""Hypothesis strategies for every value that travels."""

from hypothesis import strategies as st

from archimage.protocol.command import Command, CommandField
from archimage.protocol.items import (
    AsyncOperationsWindow,
    CommonExtendedNegotiation,
    ContextAnswer,
    ExtendedNegotiation,
    PresentationContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
)
from archimage.protocol.pdu import (
    Abort,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ReleaseRequest,
    ReleaseResponse,
)

u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
uids = st.from_regex(r"[0-9]+(\.[0-9]+){1,5}", fullmatch=True).map(lambda uid: uid[:64])
titles = st.from_regex(r"[A-Z0-9_]([A-Z0-9_ ]{0,14}[A-Z0-9_])?", fullmatch=True)
fields = st.binary(max_size=60)
context_ids = st.integers(0, 127).map(lambda number: 2 * number + 1)

contexts = st.builds(PresentationContext, context_ids, uids, st.lists(uids, max_size=4).map(tuple))
answers = st.builds(ContextAnswer, context_ids, st.just(0), uids) | st.builds(
    ContextAnswer, context_ids, st.integers(1, 255), st.just("")
)
windows = st.builds(AsyncOperationsWindow, u16, u16)
roles = st.builds(RoleSelection, uids, st.booleans(), st.booleans())
extended = st.builds(ExtendedNegotiation, uids, fields)
common_extended = st.builds(CommonExtendedNegotiation, uids, uids, st.lists(uids, max_size=3).map(tuple))
identities = st.builds(UserIdentity, u8, fields, fields, st.booleans())
user_information = st.builds(
    UserInformation,
    u32,
    uids | st.just(""),
    titles | st.just(""),
    st.none() | windows,
    st.lists(roles, max_size=3).map(tuple),
    st.lists(extended, max_size=3).map(tuple),
    st.lists(common_extended, max_size=3).map(tuple),
    st.none() | identities,
    st.none() | fields,
)
_unique_contexts = st.lists(contexts, min_size=1, max_size=5, unique_by=lambda context: context.context_id).map(tuple)
pdus = st.one_of(
    st.builds(AssociateRequest, titles, titles, _unique_contexts, user_information, uids, u16),
    st.builds(AssociateAccept, titles, titles, st.lists(answers, max_size=5).map(tuple), user_information, uids, u16),
    st.builds(AssociateReject, u8, u8, u8),
    st.just(ReleaseRequest()),
    st.just(ReleaseResponse()),
    st.builds(Abort, u8, u8),
)

_tags = st.lists(u32, min_size=1, max_size=4).map(tuple)
_comments = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9 ]{0,62}[A-Za-z0-9])?", fullmatch=True)


@st.composite
def commands(draw: st.DrawFn) -> Command:
    """Draw any message with all its required fields, and some of the optional ones."""
    field = draw(st.sampled_from(CommandField))
    answer = bool(field & 0x8000)
    optional = st.none() if draw(st.booleans()) else u16
    if answer:
        return Command(
            field,
            message_id_being_responded_to=draw(u16),
            status=draw(u16),
            offending_elements=draw(st.none() | _tags),
            error_comment=draw(st.none() | _comments),
            error_id=draw(optional),
            affected_sop_class_uid=draw(uids),
        )
    if field is CommandField.C_CANCEL_RQ:
        return Command(field, message_id_being_responded_to=draw(u16))
    return _request(draw, field)


def _request(draw: st.DrawFn, field: CommandField) -> Command:
    if field in {CommandField.N_GET_RQ, CommandField.N_SET_RQ, CommandField.N_ACTION_RQ, CommandField.N_DELETE_RQ}:
        return Command(
            field,
            draw(u16),
            requested_sop_class_uid=draw(uids),
            requested_sop_instance_uid=draw(uids),
            attribute_identifier_list=draw(_tags) if field is CommandField.N_GET_RQ else None,
            action_type_id=draw(u16) if field is CommandField.N_ACTION_RQ else None,
        )
    composite = field < CommandField.C_ECHO_RQ
    with_instance = field in {CommandField.C_STORE_RQ, CommandField.N_EVENT_REPORT_RQ, CommandField.N_CREATE_RQ}
    return Command(
        field,
        draw(u16),
        affected_sop_class_uid=draw(uids),
        affected_sop_instance_uid=draw(uids) if with_instance else None,
        priority=draw(st.integers(0, 2)) if composite else None,
        move_destination=draw(titles) if field is CommandField.C_MOVE_RQ else None,
        move_originator_ae_title=draw(titles) if field is CommandField.C_STORE_RQ else None,
        move_originator_message_id=draw(u16) if field is CommandField.C_STORE_RQ else None,
        event_type_id=draw(u16) if field is CommandField.N_EVENT_REPORT_RQ else None,
    )
