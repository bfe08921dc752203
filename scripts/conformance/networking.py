"""DIMSE: application entities, associations, presentation contexts, negotiation and statuses (PS3.2, Networking)."""

from collections.abc import Iterator, Mapping

from archimage import errors
from archimage.config import Config
from archimage.errors import ArchimageError
from archimage.net import admission
from archimage.net.client import ClientSettings
from archimage.net.dispatch import Registry
from archimage.net.proposals import MAX_CONTEXTS, for_sending, for_services
from archimage.net.statuses import status_of
from archimage.protocol.command import CommandField
from archimage.protocol.items import ExtendedNegotiation
from archimage.protocol.machine import State
from archimage.protocol.negotiation import ANY, SupportedContext
from archimage.protocol.roots import OBJECT_ROOTS
from archimage.protocol.settings import AssociationSettings
from archimage.protocol.status import Category, Service, Status, category, describe
from archimage.protocol.uids import (
    APPLICATION_CONTEXT,
    BASIC_ANNOTATION_BOX,
    BASIC_COLOR_PRINT_MANAGEMENT_META,
    BASIC_GRAYSCALE_PRINT_MANAGEMENT_META,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    INSTANCE_AVAILABILITY_NOTIFICATION,
    JPEG_2000_LOSSLESS,
    MODALITY_WORKLIST_FIND,
    MPPS,
    MPPS_NOTIFICATION,
    MPPS_RETRIEVE,
    NON_PATIENT_STORAGE_SOP_CLASSES,
    PATIENT_ROOT_FIND,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    PATIENT_STUDY_ONLY_FIND,
    PATIENT_STUDY_ONLY_GET,
    PATIENT_STUDY_ONLY_MOVE,
    PRESENTATION_LUT,
    PRINT_JOB,
    PRINTER,
    RELEVANT_PATIENT_GENERAL_FIND,
    STORAGE_COMMITMENT_PUSH,
    STORAGE_SOP_CLASSES,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    TRANSFER_SYNTAXES,
    UPS_PULL,
    UPS_PUSH,
    UPS_QUERY,
    UPS_WATCH,
    VERIFICATION,
)
from scripts.conformance import commitment, performed
from scripts.conformance.markdown import bullets, code, paragraph, table, yes

_CT = "1.2.840.10008.5.1.4.1.1.2"
_NAMES: Mapping[str, str] = {
    VERIFICATION: "Verification",
    PATIENT_ROOT_FIND: "Patient Root Query/Retrieve - FIND",
    PATIENT_ROOT_MOVE: "Patient Root Query/Retrieve - MOVE",
    PATIENT_ROOT_GET: "Patient Root Query/Retrieve - GET",
    STUDY_ROOT_FIND: "Study Root Query/Retrieve - FIND",
    STUDY_ROOT_MOVE: "Study Root Query/Retrieve - MOVE",
    STUDY_ROOT_GET: "Study Root Query/Retrieve - GET",
    PATIENT_STUDY_ONLY_FIND: "Patient/Study Only Query/Retrieve - FIND (Retired)",
    PATIENT_STUDY_ONLY_MOVE: "Patient/Study Only Query/Retrieve - MOVE (Retired)",
    PATIENT_STUDY_ONLY_GET: "Patient/Study Only Query/Retrieve - GET (Retired)",
    MPPS: "Modality Performed Procedure Step",
    MPPS_RETRIEVE: "Modality Performed Procedure Step Retrieve",
    MPPS_NOTIFICATION: "Modality Performed Procedure Step Notification",
    INSTANCE_AVAILABILITY_NOTIFICATION: "Instance Availability Notification",
    UPS_PUSH: "Unified Procedure Step - Push",
    UPS_WATCH: "Unified Procedure Step - Watch",
    UPS_PULL: "Unified Procedure Step - Pull",
    UPS_QUERY: "Unified Procedure Step - Query",
    MODALITY_WORKLIST_FIND: "Modality Worklist Information Model - FIND",
    RELEVANT_PATIENT_GENERAL_FIND: "General Relevant Patient Information Query",
    BASIC_GRAYSCALE_PRINT_MANAGEMENT_META: "Basic Grayscale Print Management Meta",
    BASIC_COLOR_PRINT_MANAGEMENT_META: "Basic Color Print Management Meta",
    BASIC_ANNOTATION_BOX: "Basic Annotation Box",
    PRESENTATION_LUT: "Presentation LUT",
    PRINT_JOB: "Print Job",
    PRINTER: "Printer",
    STORAGE_COMMITMENT_PUSH: "Storage Commitment Push Model",
}
_OF_OBJECTS: Mapping[str, str] = {
    uid: f"{root.name.replace('-', ' ').title()} Information Model - {service}"
    for root in OBJECT_ROOTS
    for uid, service in ((root.find, "FIND"), (root.move, "MOVE"), (root.get, "GET"))
}
STORED: Mapping[str, str] = {**STORAGE_SOP_CLASSES, **NON_PATIENT_STORAGE_SOP_CLASSES}
"""SOP classes of the Storage and Non-Patient Object Storage Service Classes."""
_ASKED_FOR = frozenset(_NAMES) - {PATIENT_STUDY_ONLY_FIND, PATIENT_STUDY_ONLY_MOVE, PATIENT_STUDY_ONLY_GET, UPS_QUERY}
_ASKED_FOR = frozenset(_NAMES) - {
    *(PATIENT_STUDY_ONLY_FIND, PATIENT_STUDY_ONLY_MOVE, PATIENT_STUDY_ONLY_GET, UPS_QUERY),
    *(BASIC_ANNOTATION_BOX, PRESENTATION_LUT, PRINTER),
}
"""What the commands of `archimage` ask peers for, beside storage."""

_ONLY_TOLD: Mapping[str, tuple[str, str]] = {
    MPPS_NOTIFICATION: ("no", "yes, as requestor"),
    INSTANCE_AVAILABILITY_NOTIFICATION: ("yes", "no"),
}
"""What is told to nodes and not asked of this archive, with the roles of SCU and SCP."""

_REFUSALS: Mapping[str, admission.Refusal] = {
    "the calling AE title is not in `dicom.allowed_calling_ae_titles`, or, where that is empty, holds a character "
    "such as `/` or `$`": admission.CALLING_AE_TITLE,
    "the called AE title is not one of this archive": admission.CALLED_AE_TITLE,
    "it comes without the certificate that `tls.peers` names for it, or may do nothing by the access policy": (
        admission.CALLING_AE_TITLE
    ),
    "a user identity is not proved, or none is there that is required (`access.identity`)": admission.NO_REASON,
    "`dicom.max_associations` are open": admission.LIMIT,
    "`dicom.max_associations_per_ae` of this calling AE title are open, or it cannot be told now who its user is": (
        admission.CONGESTION
    ),
}
_RESULTS: Mapping[int, str] = {1: "1, permanent", 2: "2, transient"}

_Causes = tuple[tuple[type[ArchimageError] | Status, str], ...]
STORE: _Causes = (
    (Status.SUCCESS, "The object is kept and survives a power cut, or the same bytes were kept already."),
    (errors.DuplicateInstanceError, "Another object is kept under this SOP Instance UID (`storage.duplicates`)."),
    (errors.HeldError, "Another object is kept under this SOP Instance UID, and its study is on legal hold."),
    (errors.InvalidInstanceUIDError, "A UID is malformed."),
    (
        errors.UnsupportedTransferSyntaxError,
        "The transfer syntax is not one of DICOM's own (section 6).",
    ),
    (errors.IdentityMismatchError, "The command and the data set name different objects, or UIDs are missing."),
    (errors.InvalidDatasetError, "The data set cannot be read."),
    (errors.ExcessiveDatasetError, "The data set is beyond a limit (Annex C)."),
    (errors.OutOfResourcesError, "The disk is full."),
    (errors.StorageError, "The disk failed, or the index does not answer."),
)
_QUERY: _Causes = (
    (Status.SUCCESS, "All matches have been returned."),
    (Status.PENDING, "A match; every key is supported."),
    (Status.PENDING_WITH_UNSUPPORTED_KEYS, "A match; some keys are neither matched nor returned."),
    (Status.CANCEL, "The peer sent C-CANCEL."),
    (errors.InvalidQueryError, "The level is missing or not of the model, or a value does not fit its VR."),
    (errors.InvalidDatasetError, "The identifier cannot be read."),
    (errors.ExcessiveDatasetError, "The identifier is beyond a limit (Annex C)."),
    (Status.SEVERAL_PATIENTS, "Relevant Patient Information: several patients have the Patient ID."),
    (Status.TEMPLATE_NOT_SUPPORTED, "Relevant Patient Information: the template is not TID 9007."),
    (errors.OutOfResourcesError, "There are more matches than `query.max_results`; those have been returned."),
    (errors.IndexUnavailableError, "The index does not answer."),
)
_RETRIEVE: _Causes = (
    (Status.SUCCESS, "All objects were sent, or there were none."),
    (Status.PENDING, "An object was sent, or failed; the counts say so."),
    (Status.CANCEL, "The peer sent C-CANCEL; what was not sent is counted as remaining."),
    (Status.SUBOPERATIONS_WITH_FAILURES, "Some objects were not sent; Failed SOP Instance UID List names them."),
    (Status.UNABLE_TO_PERFORM_SUBOPERATIONS, "No object was sent."),
    (errors.InvalidQueryError, "The level, or the unique key of the level, is missing or malformed."),
    (errors.InvalidDatasetError, "The identifier cannot be read."),
    (errors.IndexUnavailableError, "The index does not answer."),
)
_MOVE: _Causes = (*_RETRIEVE, (errors.UnknownDestinationError, "The move destination is not among the nodes."))
_ANY_OPERATION: _Causes = (
    (Status.DUPLICATE_INVOCATION, "An operation with this Message ID is still being done."),
    (Status.UNRECOGNISED_OPERATION, "The operation is not one of the SOP class, or the role was not agreed on."),
    (Status.PROCESSING_FAILURE, "The archive failed; its log says how."),
    (
        Status.NOT_AUTHORISED,
        "The access policy does not let the requestor do it, or what it names lies out of reach.",
    ),
    (Status.OUT_OF_RESOURCES, "The requestor asks more often than `access.operations_per_s`."),
)
_SERVICES = (
    ("C-STORE", Service.STORE, CommandField.C_STORE_RQ, STORE),
    ("C-FIND", Service.FIND, CommandField.C_FIND_RQ, _QUERY),
    ("C-MOVE", Service.MOVE, CommandField.C_MOVE_RQ, _MOVE),
    ("C-GET", Service.GET, CommandField.C_GET_RQ, _RETRIEVE),
    ("Storage Commitment (N-ACTION)", None, CommandField.N_ACTION_RQ, commitment.CAUSES),
    ("MPPS (N-CREATE, N-SET, N-GET)", None, CommandField.N_SET_RQ, performed.CAUSES),
)


def services(registry: Registry) -> str:
    """List the SOP classes with the roles in which they are supported; those of storage in one row."""
    others = [uid for uid in registry.contexts if uid not in STORED]
    rows = [(code(uid), name(uid), yes(uid in _ASKED_FOR), "yes") for uid in others]
    rows += [(code(uid), name(uid), *roles) for uid, roles in _ONLY_TOLD.items()]
    stored = sum(uid in STORED for uid in registry.contexts)
    rows.append(("Annex A", f"Storage, {stored} SOP classes", "yes", "yes"))
    return table(("SOP class", "name", "SCU", "SCP"), rows)


def name(uid: str) -> str:
    """Return the name of a SOP class."""
    return _NAMES.get(uid) or _OF_OBJECTS.get(uid) or STORED[uid]


def acceptor(registry: Registry, config: Config, association: AssociationSettings) -> Iterator[str]:
    """Yield how associations are accepted, and what is done on them."""
    yield "### 3.2 Associations that are accepted"
    yield _association_table(config, association)
    yield paragraph(
        f"""The upper layer is the state machine of PS3.8 §9.2, with the standard's {len(State)} states (Sta1 to
        Sta{len(State)}, not eight, as is sometimes said) and its table of events and actions. What the
        standard leaves open is bounded: ARTIM also runs while a requestor waits for
        the answer to its request or to its release."""
    )
    yield "An association is rejected (A-ASSOCIATE-RJ) when"
    yield table(
        ("when", "result", "source", "reason"),
        ((when, _RESULTS[result], source, reason) for when, (result, source, reason) in _REFUSALS.items()),
    )
    yield "#### Presentation contexts"
    yield paragraph(
        """Every proposed context is answered by itself. Of several transfer syntaxes the archive takes the first of its
        own list; for storage it takes the requestor's first, whatever it is, and stores the object in it."""
    )
    yield table(("abstract syntax", "name", "transfer syntaxes", "role"), _contexts(registry))
    yield from _negotiation(registry, association)


def _association_table(config: Config, association: AssociationSettings) -> str:
    dicom = config.dicom
    rows = (
        ("Application context", code(APPLICATION_CONTEXT), ""),
        ("Implementation Class UID", code(IMPLEMENTATION_CLASS_UID), ""),
        ("Implementation Version Name", code(IMPLEMENTATION_VERSION_NAME), ""),
        ("AE title", code(dicom.ae_title), "`dicom.ae_title`"),
        ("TCP port", dicom.port, "`dicom.port`"),
        ("Largest P-DATA-TF, bytes", association.max_pdu_length, "`dicom.max_pdu_length`"),
        ("Largest A-ASSOCIATE-RQ, bytes", association.max_request_length, ""),
        ("Largest command set, bytes", association.max_command_length, ""),
        ("Associations at once", dicom.max_associations, "`dicom.max_associations`"),
        ("of one calling AE title", dicom.max_associations_per_ae or "no limit", "`dicom.max_associations_per_ae`"),
        (
            "Operations outstanding on one (asynchronous window)",
            association.max_operations_performed,
            "`dicom.max_operations`",
        ),
        ("ARTIM timer, s", f"{association.artim_timeout_s:g}", "`dicom.artim_timeout_s`"),
        ("Silence before an abort, s", f"{association.idle_timeout_s:g}", "`dicom.idle_timeout_s`"),
    )
    return table(("", "default", "setting"), rows)


def _contexts(registry: Registry) -> Iterator[tuple[str, ...]]:
    stored = [context for context in registry.contexts.values() if context.abstract_syntax in STORED]
    for context in registry.contexts.values():
        if context.abstract_syntax not in STORED:
            yield code(context.abstract_syntax), name(context.abstract_syntax), _syntaxes(context), _roles(context)
    kinds = {(_syntaxes(context), _roles(context)) for context in stored}
    yield from (("every SOP class of Annex A", "Storage", *kind) for kind in sorted(kinds))


def _syntaxes(context: SupportedContext) -> str:
    if context.transfer_syntaxes == ANY:
        return "any"
    return "; ".join(TRANSFER_SYNTAXES[uid] for uid in context.transfer_syntaxes)


def _roles(context: SupportedContext) -> str:
    roles = [role for role, taken in (("SCP", context.scp_role), ("SCU", context.scu_role)) if taken]
    return " and ".join(roles)


def _negotiation(registry: Registry, association: AssociationSettings) -> Iterator[str]:
    (agreed,) = registry.agree([ExtendedNegotiation(STUDY_ROOT_FIND, b"\1" * 4)])
    flags = ("relational queries", "combined date and time", "fuzzy matching of names", "timezone adjustment")
    kept = [flag for flag, value in zip(flags, agreed.information, strict=True) if value]
    refused = [flag for flag in flags if flag not in kept]
    yield "#### Extended negotiation"
    yield bullets(
        (
            (
                f"**FIND (SOP Class Extended Negotiation)**: {', '.join(kept)} are agreed to when proposed; "
                f"{', '.join(refused)} is not. Queries are answered as relational ones in any case."
            ),
            (
                "**SCP/SCU role selection**: a requestor may take the SCP role of storage SOP classes, as C-GET needs "
                "it, and of Storage Commitment, to tell results."
            ),
            (
                f"**Asynchronous operations window**: answered with at most {association.max_operations_performed} "
                f"operations performed and {association.max_operations_invoked} invoked; without a proposal it is "
                "synchronous."
            ),
            (
                "**User identity**: once there are users or rules, types 1 (a name, of users who are to be believed by "
                "it), 2 (a name and a passcode, over TLS alone) and 5 (a JSON Web Token) are checked, and answered "
                "where that is asked for: with nothing for types 1 and 2, with the token for type 5. Types 3 and 4 are "
                'ignored. `access.identity = "required"` rejects whoever proves nothing. The commands of '
                "`archimage` (`--user`) and nodes (`nodes.AET.user`) send types 1, 2 and 5."
            ),
            "**SOP Class Common Extended Negotiation**: may be proposed, and is not needed.",
        )
    )


def behaviour() -> Iterator[str]:
    """Yield what each service does, and the statuses that it answers with."""
    yield "### 3.3 Services"
    for title, service, field, causes in _SERVICES:
        yield f"#### {title}"
        yield paragraph(_BEHAVIOUR[title])
        yield table(("status", "meaning", "when"), _statuses(causes, field, service))
    yield "#### Any operation"
    yield table(("status", "meaning", "when"), _statuses(_ANY_OPERATION, 0, None))


def _statuses(causes: _Causes, field: int, service: Service | None) -> Iterator[tuple[str, ...]]:
    for cause, when in causes:
        status = int(cause) if isinstance(cause, Status) else int(status_of(cause(""), field))
        kind = category(status)
        meaning = describe(status, service)
        shown = meaning if kind in {Category.SUCCESS, Category.PENDING} else f"{kind.value}: {meaning}"
        yield code(f"{status:04X}H"), shown, when


_BEHAVIOUR: Mapping[str, str] = {
    "C-STORE": """An object is kept as it was sent: no attribute is changed, added or removed, known or not, private or
        not. The answer 0000H is given only when the object survives a power cut (`storage.durability`). The same object
        sent again is answered 0000H and not stored twice; another object under the same SOP Instance UID is refused, or
        replaces the first, as `storage.duplicates` says. This is level 2 (full) conformance. Where `storage.compress`
        has a rule for its modality, an uncompressed image is compressed without loss later on, and compared with the
        original before that is deleted; it keeps its SOP Instance UID. Where somebody corrects, merges or moves
        patients and studies (`/api/v1/changes`), objects are written with the new values and an item of the Original
        Attributes Sequence (0400,0561) with those that they had (PS3.3 §C.12.1); their UIDs and pixels stay. What was
        sent once and is sent again is known by its SHA-256 even then.""",
    "C-FIND": """Keys of every level are matched at every level, and the unique keys of the levels above may be missing
        (relational queries). Single value, list, wildcard, range, universal and sequence matching are done as Annex B
        says. Responses hold every key that was asked for, empty where nothing is known, and Instance Availability
        ONLINE. Priority is not heeded.

        Of the modality worklist entries are kept whole, and each public attribute, at whatever depth, is matched and
        returned (PS3.4 Table K.6-1); keys of a sequence are met by one and the same item. Steps that are completed,
        discontinued or past (`worklist.expire_days`) are not told. With `worklist.own_station` a query that names no
        station is for the calling AE title.

        General Relevant Patient Information Query answers by TID 9007 alone: a patient is
        matched by Patient ID and Issuer of Patient ID, by single values. Text of responses is in UTF-8 where it is no
        ASCII, whatever the character set of the query.""",
    "C-MOVE": """The unique key of the level, one UID or a list, says what is sent. Objects go only to nodes that
        stand in the settings (`nodes`) or were entered under `/api/v1/nodes`, over
        associations that the archive opens. An object goes out as it is stored; where the
        receiver does not take that, it is transcoded into a syntax that was accepted and loses nothing, first of all
        an uncompressed one; where there is none, it counts as failed. What goes to
        a node with a project (`nodes.AET.deidentify`) is de-identified first, under UIDs of its own, and counts as
        failed where it cannot be. A response is sent for each object. A C-CANCEL
        ends the operation within a second, also if the destination has fallen silent.""",
    "C-GET": """As C-MOVE, over the association of the request; the requestor proposes the storage SOP classes that it
        takes, and the SCP role for them. The calling AE title tells whether the requestor is a node with a project.""",
    "Storage Commitment (N-ACTION)": commitment.BEHAVIOUR,
    "MPPS (N-CREATE, N-SET, N-GET)": performed.BEHAVIOUR,
}


def requestor() -> Iterator[str]:
    """Yield how associations are asked for."""
    client = ClientSettings()
    own = [TRANSFER_SYNTAXES[uid] for uid in for_services(VERIFICATION)[0].transfer_syntaxes]
    proposed = for_sending([(_CT, JPEG_2000_LOSSLESS)])
    yield "### 3.4 Associations that are asked for"
    yield paragraph(
        f"""The archive asks for associations to send what a C-MOVE names, and to verify, query, retrieve from and send
        to a node when somebody wants that over the management API; the commands `archimage echo`, `store`, `find`,
        `move` and `get` ask for them as a user wants. To verify a node over the management API, further SOP classes are
        proposed beside Verification, to tell which the node takes; nothing is asked of them.
        C-ECHO, C-FIND, C-MOVE and C-GET propose
        {" and ".join(own)} in one context. For objects, each pair of SOP class and transfer syntax that is to be sent
        is proposed in a context of its own, and each SOP class uncompressed in another, up to {MAX_CONTEXTS} on one
        association; more are sent over several. For a CT image in {TRANSFER_SYNTAXES[JPEG_2000_LOSSLESS]},
        for example:"""
    )
    yield table(
        ("context", "abstract syntax", "transfer syntaxes"),
        (
            (
                one.context_id,
                name(one.abstract_syntax),
                "; ".join(TRANSFER_SYNTAXES[uid] for uid in one.transfer_syntaxes),
            )
            for one in proposed
        ),
    )
    yield table(
        ("time, s", ""),
        (
            ("until the TCP connection stands", f"{client.connect_timeout_s:g}"),
            ("until the peer accepts, rejects or releases", f"{client.acse_timeout_s:g}"),
            ("until the peer's next message", f"{client.dimse_timeout_s:g}"),
            ("for which the peer may take nothing of what is sent", f"{client.write_timeout_s:g}"),
        ),
    )
