"""`/api/v1/print`: print jobs, their films as pictures and documents, and printing them again."""

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Response

from archimage.dicom.film.geometry import MAX_BOXES
from archimage.model.printing import JobState, PrintJob
from archimage.services.printing import MAX_SHOWN
from archimage.web.api.resources import Services, failing

_JOBS: Final = "/print/jobs"
_ONE: Final = f"{_JOBS}/{{uid}}"

Uid = Annotated[str, Path(description="SOP Instance UID of the print job.", pattern=r"^[0-9.]+$", max_length=64)]
Number = Annotated[int, Path(description="Number of the film, from 1.", ge=1, le=MAX_BOXES)]
State = Annotated[JobState | None, Query(description="Only jobs in this state.")]
Before = Annotated[float | None, Query(description="Only jobs made before this time, seconds since 1970.", ge=0)]
Limit = Annotated[int, Query(description="How many are wanted at the most.", ge=1, le=MAX_SHOWN)]


class _Png(Response):
    media_type = "image/png"


class _Pdf(Response):
    media_type = "application/pdf"


def list_print_jobs(
    services: Services, state: State = None, before: Before = None, limit: Limit = 100
) -> Sequence[PrintJob]:
    """List print jobs, the newest first."""
    return services.department.printing.find(state=state, before=before, limit=limit)


def get_print_job(uid: Uid, services: Services) -> PrintJob:
    """Tell one print job."""
    return services.department.printing.get(uid)


def get_film_picture(uid: Uid, number: Number, services: Services) -> _Png:
    """Give a film as PNG, once it is made."""
    return _Png(services.department.printing.picture(uid, number))


def get_film_document(uid: Uid, number: Number, services: Services) -> _Pdf:
    """Give a film as PDF of its size, once it is made; its pixels are those of the PNG."""
    return _Pdf(services.department.printing.document(uid, number))


def get_print_document(uid: Uid, services: Services) -> _Pdf:
    """Give all films of a print job as one PDF, once they are made."""
    return _Pdf(services.department.printing.document(uid))


def reprint(uid: Uid, services: Services) -> PrintJob:
    """Print a job once more, whatever became of it."""
    return services.department.printing.reprint(uid)


def cancel_print_job(uid: Uid, services: Services) -> PrintJob:
    """Print a job that waits no more."""
    return services.department.printing.cancel(uid)


def remove_print_job(uid: Uid, services: Services) -> None:
    """Forget a print job and its films."""
    services.department.printing.remove(uid)


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["print"], responses=failing(400, 403, 503))
    found.add_api_route(_JOBS, list_print_jobs, methods=["GET"])
    missing, making = failing(404), failing(404, 409)
    found.add_api_route(_ONE, get_print_job, methods=["GET"], responses=missing)
    found.add_api_route(_ONE, remove_print_job, methods=["DELETE"], status_code=204, responses=missing)
    found.add_api_route(f"{_ONE}/reprint", reprint, methods=["POST"], responses=making)
    found.add_api_route(f"{_ONE}/cancel", cancel_print_job, methods=["POST"], responses=making)
    found.add_api_route(f"{_ONE}/pdf", get_print_document, methods=["GET"], response_class=_Pdf, responses=missing)
    film = f"{_ONE}/films/{{number}}"
    found.add_api_route(f"{film}/png", get_film_picture, methods=["GET"], response_class=_Png, responses=missing)
    found.add_api_route(f"{film}/pdf", get_film_document, methods=["GET"], response_class=_Pdf, responses=missing)
    return found
