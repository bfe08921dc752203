"""Every exception that archimage raises on purpose.

    ArchimageError
    |- ProtocolError                  the abort source and reason stand in it (PS3.8 §9.3.8)
    |    |- LocalProtocolError        our own misuse of the protocol core: a bug
    |    `- RemoteProtocolError       the peer broke the rules; becomes an A-ABORT
    |- AssociationError               what a caller of the client side sees
    |    |- AssociationRejectedError
    |    |- AssociationAbortedError
    |    |- ConnectionFailedError     refused, lost, unknown host
    |    |- TimerExpiredError
    |    |- ContextNotAcceptedError   the peer takes no presentation context that fits
    |    |- OperationFailedError      the peer answered a request with a failure status
    |    `- PeerFailedError           what was asked of a remote node for somebody did not work
    |- DicomError
    |    |- InvalidDatasetError       cannot be parsed
    |    |- InvalidFileError          not Part 10, or its meta information is broken
    |    |- ExcessiveDatasetError     parses, but beyond a limit (elements, inflated size)
    |    |- UnsupportedTransferSyntaxError
    |    |- InvalidPixelDataError    the pixels, or their codestream, cannot be decoded
    |    |- InvalidPathError          an attribute path that cannot be read
    |    `- MergeConflictError
    |- ServiceError
    |    |- InvalidQueryError
    |    |- InvalidInstanceUIDError
    |    |- IdentityMismatchError     data set, command and SOP class do not agree
    |    |- NotFoundError
    |    |- DuplicateInstanceError    another object is already kept under this UID
    |    |- ConflictError             what is asked for does not go with what is there
    |    |- HeldError                 the study is on legal hold: nothing removes, replaces or corrects it
    |    |- RefusedOperationError     a normalized service refuses; the status stands in it (PS3.7 Annex C)
    |    |- Hl7Error                  a message that is not applied; what its sender is told stands in it
    |    |- DeliveryRefusedError      a receiver does not take what it is told, and never would
    |    |- UnknownDestinationError   C-MOVE to an AE title that is not known here
    |    |- NotAuthorisedError
    |    |- NotAuthenticatedError     nobody is who he says he is, or it cannot be told for now
    |    |- OutOfResourcesError       disk full, too many results
    |    |- InvalidRequestError       what a web client asks for cannot be read
    |    |- ExcessiveRequestError     it is larger than a limit
    |    |- NotAcceptableError        the object cannot be given in any form that is asked for
    |    |- UnsupportedMediaTypeError what a web client sends is of no kind that is taken
    |    |- SlowRequestError          it does not come in time
    |    |- UnavailableError          too much is being done at the moment
    |    `- CancelledError            the peer cancelled the operation
    |- StorageError
    |    |- BlobNotFoundError
    |    |- IndexUnavailableError
    |    |    `- UndecidedError       lost while it committed: it may have
    |    `- IntegrityError            what is kept is not what was stored
    `- ConfigError                    names the setting, the value and what is allowed

Errors are neutral: `net` maps them to DIMSE statuses, `web` to HTTP, each in one table.
"""


class ArchimageError(Exception):
    """Root of the tree; next_step says what a person can do about it, where more is known than is true of its kind."""

    next_step: str = ""

    def __init__(self, message: str = "", *, next_step: str = "") -> None:
        super().__init__(message)
        if next_step:
            self.next_step = next_step


class ProtocolError(ArchimageError):
    """A rule of PS3.7 or PS3.8 was broken.

    source and reason are those of the A-ABORT that answers it (PS3.8 Table 9-26).
    """

    def __init__(self, message: str, *, source: int = 2, reason: int = 0) -> None:
        super().__init__(message)
        self.source = source
        self.reason = reason


class LocalProtocolError(ProtocolError):
    """Our own code asked for something that the state does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that PS3.7 or PS3.8 does not allow."""


class AssociationError(ArchimageError):
    """An association could not be made or did not last."""


class AssociationRejectedError(AssociationError):
    """The peer answered A-ASSOCIATE-RJ; result, source and reason are those of PS3.8 Table 9-21."""

    def __init__(self, message: str, *, result: int, source: int, reason: int, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.result = result
        self.source = source
        self.reason = reason


class AssociationAbortedError(AssociationError):
    """The peer, or the provider, aborted (PS3.8 Table 9-26)."""

    def __init__(self, message: str, *, source: int = 0, reason: int = 0, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.source = source
        self.reason = reason


class ConnectionFailedError(AssociationError):
    """The transport connection could not be opened, or was lost."""


class TimerExpiredError(AssociationError):
    """The peer did not answer in time."""


class ContextNotAcceptedError(AssociationError):
    """No accepted presentation context fits the operation."""


class OperationFailedError(AssociationError):
    """The peer answered a request with a failure; status is the DIMSE status of its response."""

    def __init__(self, message: str, *, status: int, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.status = status


class PeerFailedError(AssociationError):
    """What was asked of a remote node on somebody's behalf did not work; not that somebody's own connection failed.

    is_final tells that asking again later would not help.
    """

    def __init__(self, message: str = "", *, next_step: str = "", is_final: bool = False) -> None:
        super().__init__(message, next_step=next_step)
        self.is_final = is_final


class DicomError(ArchimageError):
    """A data set or file is not what PS3.5 and PS3.10 describe."""


class InvalidDatasetError(DicomError):
    """The bytes cannot be parsed as a data set."""


class InvalidFileError(DicomError):
    """The bytes are not a Part 10 file."""


class ExcessiveDatasetError(DicomError):
    """The data set is beyond a limit of size or element count."""


class UnsupportedTransferSyntaxError(DicomError):
    """The transfer syntax is not known here."""


class InvalidPixelDataError(DicomError):
    """The pixels cannot be decoded: the codestream is broken, or does not fit its description."""


class InvalidPathError(DicomError):
    """An attribute path is malformed, or does not fit the data set it is applied to."""


class MergeConflictError(DicomError):
    """Two data sets disagree and the policy forbids choosing."""


class ServiceError(ArchimageError):
    """A use case could not be carried out."""


class InvalidQueryError(ServiceError):
    """The query's keys do not fit its level or its values do not fit their VR."""


class InvalidInstanceUIDError(ServiceError):
    """A UID is not `[0-9.]{1,64}`."""


class IdentityMismatchError(ServiceError):
    """The command and the data set name different objects, or required UIDs are missing."""


class NotFoundError(ServiceError):
    """Nothing is kept under this identifier."""


class DuplicateInstanceError(ServiceError):
    """Another object is already kept under this SOP Instance UID."""


class ConflictError(ServiceError):
    """What is asked for does not go with what is there: the message says what is in the way."""


class HeldError(ServiceError):
    """The study is on legal hold: nothing of it is removed, replaced or corrected until somebody releases it."""


class RefusedOperationError(ServiceError):
    """A normalized service refuses, and has changed nothing.

    status, error_id and offending, the tags of the attributes at fault, are what the response tells (PS3.7 Annex C).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0x0110,
        error_id: int | None = None,
        offending: tuple[int, ...] = (),
        next_step: str = "",
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.status = status
        self.error_id = error_id
        self.offending = offending


class Hl7Error(ServiceError):
    """An HL7 message is not applied: fault (HL7 table 0357), location and ack, AE or AR, are what its sender hears."""

    def __init__(self, message: str, fault: str = "207", location: str = "", ack: str = "AE") -> None:
        super().__init__(message)
        self.fault = fault
        self.location = location
        self.ack = ack


class DeliveryRefusedError(ServiceError):
    """The receiver does not take what it is told, and would not if it were told again."""


class UnknownDestinationError(ServiceError):
    """The move destination is not a node that is known here."""


class NotAuthorisedError(ServiceError):
    """The peer may not do this."""


class NotAuthenticatedError(ServiceError):
    """What somebody comes with does not prove who he is."""

    next_step = "Log in at /login, or send the name and password of a user, or an API token that is valid."


class OutOfResourcesError(ServiceError):
    """Disk, memory or a limit does not allow the operation now."""


class CancelledError(ServiceError):
    """The peer cancelled the operation."""


class InvalidRequestError(ServiceError):
    """The request of a web client cannot be read: the message names the parameter, header or part."""


class ExcessiveRequestError(ServiceError):
    """The request is larger than a limit."""


class NotAcceptableError(ServiceError):
    """The object cannot be given in any of the forms that are asked for."""


class UnsupportedMediaTypeError(ServiceError):
    """What is sent is of no kind that is taken."""


class SlowRequestError(ServiceError):
    """The request of a web client does not come in time."""


class UnavailableError(ServiceError):
    """Too much is being done at the moment; the same request may succeed later."""


class StorageError(ArchimageError):
    """What keeps the objects failed."""


class BlobNotFoundError(StorageError):
    """The index names an object whose bytes are not there."""


class IndexUnavailableError(StorageError):
    """The index did not answer."""


class UndecidedError(IndexUnavailableError):
    """The index did not answer, while it committed: whether it has is not known."""


class IntegrityError(StorageError):
    """What is kept differs from what was stored."""


class ConfigError(ArchimageError):
    """A setting is wrong: the message names it, its value and what is allowed."""
