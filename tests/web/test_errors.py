"""Every error has its HTTP status, and a body that says what is wrong and what to do next."""

import json
from collections.abc import Iterator

import pytest

from archimage import errors
from archimage.errors import ArchimageError
from archimage.web.errors import answer_to, response, unforeseen, warning

STATUSES = {
    errors.LocalProtocolError: 500,
    errors.RemoteProtocolError: 500,
    errors.AssociationRejectedError: 502,
    errors.AssociationAbortedError: 502,
    errors.ConnectionFailedError: 502,
    errors.ContextNotAcceptedError: 502,
    errors.OperationFailedError: 502,
    errors.PeerFailedError: 502,
    errors.TimerExpiredError: 504,
    errors.InvalidDatasetError: 400,
    errors.InvalidFileError: 400,
    errors.InvalidPathError: 400,
    errors.ExcessiveDatasetError: 413,
    errors.UnsupportedTransferSyntaxError: 406,
    errors.InvalidPixelDataError: 406,
    errors.MergeConflictError: 409,
    errors.InvalidQueryError: 400,
    errors.InvalidInstanceUIDError: 400,
    errors.IdentityMismatchError: 409,
    errors.NotFoundError: 404,
    errors.DuplicateInstanceError: 409,
    errors.ConflictError: 409,
    errors.HeldError: 409,
    errors.RefusedOperationError: 409,
    errors.DeliveryRefusedError: 400,
    errors.Hl7Error: 400,
    errors.RefusedOperationError: 409,
    errors.DeliveryRefusedError: 400,
    errors.UnknownDestinationError: 404,
    errors.NotAuthorisedError: 403,
    errors.NotAuthenticatedError: 401,
    errors.OutOfResourcesError: 507,
    errors.CancelledError: 503,
    errors.InvalidRequestError: 400,
    errors.ExcessiveRequestError: 413,
    errors.NotAcceptableError: 406,
    errors.UnsupportedMediaTypeError: 415,
    errors.SlowRequestError: 408,
    errors.UnavailableError: 503,
    errors.BlobNotFoundError: 500,
    errors.UndecidedError: 503,
    errors.IntegrityError: 500,
    errors.ConfigError: 500,
}


def _leaves(kind: type[ArchimageError] = ArchimageError) -> Iterator[type[ArchimageError]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    for child in children:
        yield from _leaves(child)
    if not children:
        yield kind


def _make(kind: type[ArchimageError], message: str = "/secret/place", next_step: str = "") -> ArchimageError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.next_step = next_step
    return error


def test_every_error_has_its_status_here() -> None:
    assert set(_leaves()) == STATUSES.keys()


@pytest.mark.parametrize("kind", STATUSES, ids=lambda kind: kind.__name__)
def test_each_is_answered_in_words_that_help(kind: type[ArchimageError]) -> None:
    answer = response(_make(kind))
    body = json.loads(bytes(answer.body))
    assert answer.status_code == STATUSES[kind] == answer_to(_make(kind)).status
    assert answer.media_type == "application/json"
    assert set(body) == {"error", "next"}
    assert body["error"]
    assert body["next"].endswith(".")


@pytest.mark.parametrize("kind", [kind for kind, status in STATUSES.items() if status == 500])
def test_what_is_wrong_inside_names_no_places(kind: type[ArchimageError]) -> None:
    assert b"secret" not in bytes(response(_make(kind)).body)


def test_the_index_that_does_not_answer_names_no_places() -> None:
    answer = response(_make(errors.IndexUnavailableError))
    assert b"secret" not in bytes(answer.body)
    assert answer.headers["retry-after"] == "5"


def test_what_is_known_of_a_peer_comes_before_what_is_true_of_all() -> None:
    error = _make(errors.ConnectionFailedError, "X at h:1: Connection refused", "Check the port.")
    assert json.loads(bytes(response(error).body)) == {"error": str(error), "next": "Check the port."}


def test_a_bug_is_answered_too() -> None:
    assert unforeseen().status_code == 500


def test_text_that_no_encoder_takes_is_replaced() -> None:
    body = json.loads(bytes(response(errors.InvalidRequestError("a\ud800<script>\r\n")).body))
    assert body["error"] == "a?<script>\r\n"


def test_a_warning_is_one_line_of_ascii() -> None:
    assert warning("http://host/dicom-web", "Müller\r\nSet-Cookie: x") == (
        "299 http://host/dicom-web: M?ller??Set-Cookie: x"
    )
