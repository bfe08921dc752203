"""Errors become the statuses that the standard has for them."""

from collections.abc import Iterator

import pytest

from archimage import errors
from archimage.errors import ArchimageError
from archimage.net.statuses import comment_of, status_of
from archimage.protocol.command import CommandField

NEVER_ANSWERED = {
    errors.LocalProtocolError,  # a bug of ours, logged
    errors.RemoteProtocolError,  # becomes an A-ABORT
    errors.ConfigError,  # ends the start
    errors.MergeConflictError,  # of a library function that no service uses on the wire
    errors.InvalidPathError,  # a path expression comes from a caller of the library
    errors.InvalidFileError,  # files come by import, not from a peer
    errors.ConflictError,  # nodes are kept over HTTP
    errors.Hl7Error,  # of messages, which are acknowledged
    errors.DeliveryRefusedError,  # of a thread that delivers
    errors.RefusedOperationError,  # brings its status itself
    errors.NotAuthenticatedError,  # refuses the association
    errors.InvalidRequestError,  # these five are of HTTP alone
    errors.ExcessiveRequestError,
    errors.NotAcceptableError,
    errors.UnsupportedMediaTypeError,
    errors.SlowRequestError,
}
STATUSES = {  # those of C-STORE, of C-FIND, and of C-MOVE and C-GET
    errors.AssociationRejectedError: (0x0110, 0xC000, 0xA702),
    errors.AssociationAbortedError: (0x0110, 0xC000, 0xA702),
    errors.ConnectionFailedError: (0x0110, 0xC000, 0xA702),
    errors.TimerExpiredError: (0x0110, 0xC000, 0xA702),
    errors.ContextNotAcceptedError: (0x0110, 0xC000, 0xA702),
    errors.OperationFailedError: (0x0110, 0xC000, 0xA702),
    errors.PeerFailedError: (0x0110, 0xC000, 0xA702),
    errors.InvalidDatasetError: (0xC000, 0xC000, 0xC000),
    errors.ExcessiveDatasetError: (0xA700, 0xA700, 0xA702),
    errors.UnsupportedTransferSyntaxError: (0x0122, 0x0122, 0x0122),
    errors.InvalidPixelDataError: (0xC000, 0xC000, 0xC000),
    errors.InvalidQueryError: (0xA900, 0xA900, 0xA900),
    errors.InvalidInstanceUIDError: (0x0117, 0xA900, 0xA900),
    errors.IdentityMismatchError: (0xA900, 0xA900, 0xA900),
    errors.NotFoundError: (0x0112, 0xC000, 0xC000),
    errors.DuplicateInstanceError: (0x0111, 0xC000, 0xC000),
    errors.HeldError: (0x0111, 0xC000, 0xC000),
    errors.UnknownDestinationError: (0x0110, 0xC000, 0xA801),
    errors.NotAuthorisedError: (0x0124, 0x0124, 0x0124),
    errors.NotAuthenticatedError: (0x0124, 0x0124, 0x0124),
    errors.OutOfResourcesError: (0xA700, 0xA700, 0xA702),
    errors.UnavailableError: (0xA700, 0xA700, 0xA702),
    errors.CancelledError: (0xFE00, 0xFE00, 0xFE00),
    errors.BlobNotFoundError: (0xA700, 0xA700, 0xA702),
    errors.UndecidedError: (0xA700, 0xA700, 0xA701),
    errors.IntegrityError: (0xA700, 0xA700, 0xA702),
}


def _leaves(kind: type[ArchimageError] = ArchimageError) -> Iterator[type[ArchimageError]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    for child in children:
        yield from _leaves(child)
    if not children:
        yield kind


def _make(kind: type[ArchimageError], message: str = "why") -> ArchimageError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    return error


def test_every_error_that_a_peer_can_see_has_its_statuses_here() -> None:
    assert set(_leaves()) == NEVER_ANSWERED | STATUSES.keys()


@pytest.mark.parametrize("kind", STATUSES, ids=lambda kind: kind.__name__)
def test_each_service_answers_with_its_own_status(kind: type[ArchimageError]) -> None:
    store, find, retrieve = STATUSES[kind]
    fields = {
        CommandField.C_STORE_RQ: store,
        CommandField.C_FIND_RQ: find,
        CommandField.C_MOVE_RQ: retrieve,
        CommandField.C_GET_RQ: retrieve,
    }
    assert {field: status_of(_make(kind), field) for field in fields} == fields


def test_an_error_without_an_entry_of_its_own_takes_that_of_its_parent() -> None:
    class Unforeseen(errors.StorageError):
        pass

    assert status_of(Unforeseen(), CommandField.C_STORE_RQ) == 0xA700


def test_a_service_without_a_table_answers_in_general_terms() -> None:
    assert status_of(errors.NotFoundError("x"), CommandField.N_GET_RQ) == 0x0112


def test_the_comment_fits_the_wire_whatever_the_message_holds() -> None:
    comment = comment_of(errors.InvalidQueryError("Müller\\\r\n\x1b[31m" + "x" * 100))
    assert comment.startswith("M?ller????[31mxx")
    assert len(comment) == 64
