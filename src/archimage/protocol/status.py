"""DIMSE status codes: their category, their names, and what they mean in each service.

Ref: PS3.7 Annex C; PS3.4 Tables B.2-1 (Storage), C.4-1 (FIND), C.4-2 (MOVE), C.4-3 (GET), F.7.2-1 (MPPS), J.3-1,
Q.2-1.
"""

from collections.abc import Mapping
from enum import Enum, IntEnum
from types import MappingProxyType


class Category(Enum):
    """What a status says about the operation."""

    SUCCESS = "success"
    PENDING = "pending"
    CANCEL = "cancel"
    WARNING = "warning"
    FAILURE = "failure"


class Status(IntEnum):
    """Statuses by name; where services share a code, the later names are aliases."""

    SUCCESS = 0x0000
    WARNING = 0x0001
    SOP_CLASS_NOT_SUPPORTED_BY_DESTINATION = 0x0122
    CANCEL = 0xFE00
    PENDING = 0xFF00
    PENDING_WITH_UNSUPPORTED_KEYS = 0xFF01

    # PS3.7 Annex C
    ATTRIBUTE_LIST_ERROR = 0x0107
    ATTRIBUTE_VALUE_OUT_OF_RANGE = 0x0116
    CLASS_INSTANCE_CONFLICT = 0x0119
    DUPLICATE_INVOCATION = 0x0210
    DUPLICATE_SOP_INSTANCE = 0x0111
    INVALID_ARGUMENT_VALUE = 0x0115
    INVALID_ATTRIBUTE_VALUE = 0x0106
    INVALID_SOP_INSTANCE = 0x0117
    MISSING_ATTRIBUTE = 0x0120
    MISSING_ATTRIBUTE_VALUE = 0x0121
    MISTYPED_ARGUMENT = 0x0212
    NOT_AUTHORISED = 0x0124
    NO_SUCH_ACTION = 0x0123
    NO_SUCH_ARGUMENT = 0x0114
    NO_SUCH_ATTRIBUTE = 0x0105
    NO_SUCH_EVENT_TYPE = 0x0113
    NO_SUCH_SOP_CLASS = 0x0118
    NO_SUCH_SOP_INSTANCE = 0x0112
    PROCESSING_FAILURE = 0x0110
    RESOURCE_LIMITATION = 0x0213
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    UNRECOGNISED_OPERATION = 0x0211
    DUPLICATE_TRANSACTION_UID = 0x0131

    # Storage
    OUT_OF_RESOURCES = 0xA700
    DATASET_MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000
    COERCED = 0xB000
    DATASET_MISMATCH_WARNING = 0xB007
    ELEMENTS_DISCARDED = 0xB006

    # Query/Retrieve
    IDENTIFIER_MISMATCH = 0xA900
    UNABLE_TO_PROCESS = 0xC000
    UNABLE_TO_COUNT_MATCHES = 0xA701
    UNABLE_TO_PERFORM_SUBOPERATIONS = 0xA702
    MOVE_DESTINATION_UNKNOWN = 0xA801
    SUBOPERATIONS_WITH_FAILURES = 0xB000
    INSTANCES_NOT_FOUND = 0xAA00
    NO_SUCH_FRAMES = 0xAA02

    # Relevant Patient Information Query
    SEVERAL_PATIENTS = 0xC100
    TEMPLATE_NOT_SUPPORTED = 0xC200


class Service(Enum):
    """Services that give codes a meaning of their own."""

    STORE = "Storage"
    FIND = "Query"
    MOVE = "Retrieve by C-MOVE"
    GET = "Retrieve by C-GET"
    MPPS = "Modality Performed Procedure Step"
    PRINT = "Print Management"


_GENERAL: Mapping[int, str] = MappingProxyType(
    {
        0x0000: "success",
        0x0001: "warning",
        0x0105: "no such attribute",
        0x0106: "invalid attribute value",
        0x0107: "attribute list error",
        0x0110: "processing failure",
        0x0111: "duplicate SOP instance",
        0x0112: "no such SOP instance",
        0x0113: "no such event type",
        0x0114: "no such argument",
        0x0115: "invalid argument value",
        0x0116: "attribute value out of range",
        0x0117: "invalid SOP instance",
        0x0118: "no such SOP class",
        0x0119: "class and instance conflict",
        0x0120: "missing attribute",
        0x0121: "missing attribute value",
        0x0122: "SOP class not supported",
        0x0123: "no such action",
        0x0124: "not authorised",
        0x0131: "duplicate transaction UID",
        0x0210: "duplicate invocation",
        0x0211: "unrecognised operation",
        0x0212: "mistyped argument",
        0x0213: "resource limitation",
        0xFE00: "cancelled",
        0xFF00: "pending",
        0xFF01: "pending, some optional keys are not supported",
    }
)

# First code, last code, meaning.
_Ranges = tuple[tuple[int, int, str], ...]
_SUB_OPERATIONS: _Ranges = (
    (0xA701, 0xA701, "out of resources, unable to count matches"),
    (0xA702, 0xA702, "out of resources, unable to perform sub-operations"),
    (0xA900, 0xA9FF, "identifier does not match SOP class"),
    (0xAA00, 0xAA00, "none of the instances was found"),
    (0xAA01, 0xAA01, "unable to make the requested frames"),
    (0xAA02, 0xAA02, "no such frames"),
    (0xAA03, 0xAA03, "not an instance of time or frame based extraction"),
    (0xAA04, 0xAA04, "unable to extract the requested frames"),
    (0xB000, 0xB000, "sub-operations complete, some failed"),
    (0xC000, 0xCFFF, "unable to process"),
)
_BY_SERVICE: Mapping[Service, _Ranges] = MappingProxyType(
    {
        Service.STORE: (
            (0xA700, 0xA7FF, "out of resources"),
            (0xA900, 0xA9FF, "data set does not match SOP class"),
            (0xB000, 0xB000, "data elements coerced"),
            (0xB006, 0xB006, "data elements discarded"),
            (0xB007, 0xB007, "data set does not match SOP class, stored"),
            (0xC000, 0xCFFF, "cannot understand"),
        ),
        Service.FIND: (
            (0xA700, 0xA7FF, "out of resources"),
            (0xA900, 0xA9FF, "identifier does not match SOP class"),
            (0xC000, 0xCFFF, "unable to process"),
        ),
        Service.MOVE: ((0xA801, 0xA801, "move destination unknown"), *_SUB_OPERATIONS),
        Service.GET: _SUB_OPERATIONS,
        Service.PRINT: (
            (0xB600, 0xB600, "memory allocation not supported"),
            (0xB601, 0xB601, "film session printing is not supported"),
            (0xB602, 0xB602, "the film session has no images"),
            (0xB603, 0xB603, "the film has no images"),
            (0xB604, 0xB604, "an image is larger than its box, it was made smaller"),
            (0xB605, 0xB605, "a density is beyond those of the printer, it was limited"),
            (0xB609, 0xB609, "an image is larger than its box, it was cut"),
            (0xB60A, 0xB60A, "an image is larger than its box, it was made smaller"),
            (0xC600, 0xC600, "the film session has no films"),
            (0xC601, 0xC602, "the print queue is full"),
            (0xC603, 0xC603, "an image is larger than its box"),
            (0xC605, 0xC605, "the printer has no room for the image"),
            (0xC613, 0xC613, "a combined print image is larger than its box"),
            (0xC616, 0xC616, "there is a film box that has not been printed"),
        ),
        Service.MPPS: ((0x0110, 0x0110, "performed procedure step may no longer be updated"),),
    }
)

_CATEGORIES: Mapping[int, Category] = MappingProxyType(
    {
        0x0000: Category.SUCCESS,
        0x0001: Category.WARNING,
        0x0107: Category.WARNING,
        0x0116: Category.WARNING,
        0xFE00: Category.CANCEL,
        0xFF00: Category.PENDING,
        0xFF01: Category.PENDING,
    }
)


def category(code: int) -> Category:
    """Return what a status says; codes that no table names are failures unless they are Bxxx."""
    return _CATEGORIES.get(code) or (Category.WARNING if 0xB000 <= code <= 0xBFFF else Category.FAILURE)


def is_success(code: int) -> bool:
    """Tell whether the operation was done as asked."""
    return code == Status.SUCCESS


def is_pending(code: int) -> bool:
    """Tell whether more responses follow."""
    return code in {0xFF00, 0xFF01}


def is_cancel(code: int) -> bool:
    """Tell whether the operation ended because it was cancelled."""
    return code == Status.CANCEL


def is_warning(code: int) -> bool:
    """Tell whether the operation was done, with reservations."""
    return category(code) is Category.WARNING


def is_failure(code: int) -> bool:
    """Tell whether the operation was not done."""
    return category(code) is Category.FAILURE


def describe(code: int, service: Service | None = None) -> str:
    """Return the meaning of a status in words, as the service has it where one is given."""
    for first, last, meaning in _BY_SERVICE.get(service, ()) if service else ():
        if first <= code <= last:
            return meaning
    return _GENERAL.get(code, category(code).value)
