"""Errors to DIMSE statuses, in one table a service.

Ref: PS3.7 Annex C, PS3.4 §B.2.3 (Storage), §C.4.1.1.4 (FIND), §C.4.2.1.5 (MOVE), §C.4.3.1.4 (GET).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from archimage import errors
from archimage.errors import ArchimageError
from archimage.protocol.command import CommandField
from archimage.protocol.status import Status

ERROR_COMMENT_MAX_LENGTH: Final = 64

_Table = Mapping[type[ArchimageError], Status]

_COMMON: Final[_Table] = {
    ArchimageError: Status.PROCESSING_FAILURE,
    errors.AssociationError: Status.PROCESSING_FAILURE,
    errors.DicomError: Status.CANNOT_UNDERSTAND,
    errors.ExcessiveDatasetError: Status.OUT_OF_RESOURCES,
    errors.UnsupportedTransferSyntaxError: Status.SOP_CLASS_NOT_SUPPORTED,
    errors.InvalidInstanceUIDError: Status.INVALID_SOP_INSTANCE,
    errors.NotFoundError: Status.NO_SUCH_SOP_INSTANCE,
    errors.DuplicateInstanceError: Status.DUPLICATE_SOP_INSTANCE,
    errors.HeldError: Status.DUPLICATE_SOP_INSTANCE,
    errors.NotAuthorisedError: Status.NOT_AUTHORISED,
    errors.NotAuthenticatedError: Status.NOT_AUTHORISED,
    errors.OutOfResourcesError: Status.OUT_OF_RESOURCES,
    errors.UnavailableError: Status.OUT_OF_RESOURCES,
    errors.StorageError: Status.OUT_OF_RESOURCES,
    errors.CancelledError: Status.CANCEL,
    errors.IdentityMismatchError: Status.DATASET_MISMATCH,
    errors.InvalidQueryError: Status.IDENTIFIER_MISMATCH,
    errors.UnknownDestinationError: Status.PROCESSING_FAILURE,
}
_FIND: Final[_Table] = {
    **_COMMON,
    ArchimageError: Status.UNABLE_TO_PROCESS,
    errors.AssociationError: Status.UNABLE_TO_PROCESS,
    errors.InvalidInstanceUIDError: Status.IDENTIFIER_MISMATCH,
    errors.NotFoundError: Status.UNABLE_TO_PROCESS,
    errors.DuplicateInstanceError: Status.UNABLE_TO_PROCESS,
    errors.HeldError: Status.UNABLE_TO_PROCESS,
    errors.UnknownDestinationError: Status.UNABLE_TO_PROCESS,
}
_RETRIEVE: Final[_Table] = {
    **_FIND,
    errors.AssociationError: Status.UNABLE_TO_PERFORM_SUBOPERATIONS,
    errors.OutOfResourcesError: Status.UNABLE_TO_PERFORM_SUBOPERATIONS,
    errors.UnavailableError: Status.UNABLE_TO_PERFORM_SUBOPERATIONS,
    errors.ExcessiveDatasetError: Status.UNABLE_TO_PERFORM_SUBOPERATIONS,
    errors.StorageError: Status.UNABLE_TO_PERFORM_SUBOPERATIONS,
    errors.IndexUnavailableError: Status.UNABLE_TO_COUNT_MATCHES,
    errors.UnknownDestinationError: Status.MOVE_DESTINATION_UNKNOWN,
}
_TABLES: Final[Mapping[int, _Table]] = MappingProxyType(
    {
        CommandField.C_FIND_RQ: _FIND,
        CommandField.C_MOVE_RQ: _RETRIEVE,
        CommandField.C_GET_RQ: _RETRIEVE,
    }
)


def status_of(error: ArchimageError, field: int) -> int:
    """Return the status that answers a request of this command field which failed with error.

    The error tells it itself, or the entry of the nearest class in the error tree decides.
    """
    if isinstance(error, errors.RefusedOperationError):
        return error.status
    table = _TABLES.get(field, _COMMON)
    return next(table[kind] for kind in type(error).__mro__ if kind in table)


def comment_of(error: ArchimageError) -> str:
    """Return the Error Comment (0000,0902) that goes with it: printable ASCII, at most 64 characters."""
    text = "".join(char if " " <= char <= "~" and char != "\\" else "?" for char in str(error))
    return text[:ERROR_COMMENT_MAX_LENGTH]
