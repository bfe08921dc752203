"""`/api/v1/patients`, `/api/v1/studies` and what stands below: lists, data sets, deleting.

Pictures and objects themselves come from DICOMweb; summaries name their addresses.
"""

from http import HTTPStatus

from fastapi import APIRouter, Response

from archimage.model.listings import (
    InstanceSummary,
    InstanceTags,
    Page,
    PatientSummary,
    SeriesSummary,
    StudySummary,
)
from archimage.model.records import Removed
from archimage.model.signatures import SignedInstance
from archimage.model.tasks import Task
from archimage.web.api.parameters import (
    InstancesOfSeries,
    Patients,
    SeriesOfStudy,
    SeriesUid,
    SignedInstances,
    SopUid,
    Studies,
    StudyUid,
)
from archimage.web.api.resources import Services, failing


def list_patients(listing: Patients, services: Services) -> Page[PatientSummary]:
    """List patients."""
    return services.catalogue.patients(listing.wanted())


def list_studies(listing: Studies, services: Services) -> Page[StudySummary]:
    """List studies; `q` looks in name, patient ID, accession number and description at once."""
    return services.catalogue.studies(listing.wanted())


def get_study(study_uid: StudyUid, services: Services) -> StudySummary:
    """Tell of one study."""
    return services.catalogue.study(study_uid)


def list_series(study_uid: StudyUid, listing: SeriesOfStudy, services: Services) -> Page[SeriesSummary]:
    """List the series of a study."""
    return services.catalogue.series(study_uid, listing.wanted())


def list_instances(
    study_uid: StudyUid, series_uid: SeriesUid, listing: InstancesOfSeries, services: Services
) -> Page[InstanceSummary]:
    """List the instances of a series."""
    return services.catalogue.instances(study_uid, series_uid, listing.wanted())


def get_instance(sop_uid: SopUid, services: Services) -> InstanceSummary:
    """Tell of one instance."""
    return services.catalogue.instance(sop_uid)


def get_tags(sop_uid: SopUid, services: Services) -> InstanceTags:
    """Return the data set of an instance as a tree; large binary values are given by their address."""
    return services.tags.get(sop_uid)


def get_signatures(sop_uid: SopUid, services: Services) -> SignedInstance:
    """Check the digital signatures of an instance: whose they are, and whether what was signed is as it was."""
    return services.signatures.instance(sop_uid)


def list_signatures(study_uid: StudyUid, listing: SignedInstances, services: Services) -> Page[SignedInstance]:
    """Check those of a study's instances that have any; each is read whole, so ask for few at a time."""
    return services.signatures.study(study_uid, listing.limit, listing.offset)


def delete_study(study_uid: StudyUid, services: Services, response: Response) -> Removed | Task:
    """Delete a study for good; a large one as a task."""
    return _deleted(services.deletion.study(study_uid), response)


def delete_series(study_uid: StudyUid, series_uid: SeriesUid, services: Services, response: Response) -> Removed | Task:
    """Delete a series for good, and its study if that becomes empty; a large one as a task."""
    return _deleted(services.deletion.series(study_uid, series_uid), response)


def delete_instance(sop_uid: SopUid, services: Services) -> Removed:
    """Delete an instance for good, and its series and study if they become empty."""
    return services.deletion.instance(sop_uid)


def _deleted(outcome: Removed | Task, response: Response) -> Removed | Task:
    if isinstance(outcome, Task):
        response.status_code = HTTPStatus.ACCEPTED
        response.headers["Location"] = f"/api/v1/tasks/{outcome.id}"
    return outcome


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["studies"], responses=failing(400, 503))
    series, one = "/studies/{study_uid}/series", "/instances/{sop_uid}"
    found.add_api_route("/patients", list_patients, methods=["GET"])
    found.add_api_route("/studies", list_studies, methods=["GET"])
    found.add_api_route("/studies/{study_uid}", get_study, methods=["GET"], responses=failing(404))
    found.add_api_route(series, list_series, methods=["GET"], responses=failing(404))
    found.add_api_route(f"{series}/{{series_uid}}/instances", list_instances, methods=["GET"], responses=failing(404))
    found.add_api_route(one, get_instance, methods=["GET"], responses=failing(404))
    found.add_api_route(f"{one}/tags", get_tags, methods=["GET"], responses=failing(404, 413))
    found.add_api_route(f"{one}/signatures", get_signatures, methods=["GET"], responses=failing(404, 413))
    found.add_api_route("/studies/{study_uid}/signatures", list_signatures, methods=["GET"], responses=failing(404))
    deleting = {202: {"model": Task}, **failing(403, 404, 507)}
    found.add_api_route("/studies/{study_uid}", delete_study, methods=["DELETE"], responses=deleting)
    found.add_api_route(f"{series}/{{series_uid}}", delete_series, methods=["DELETE"], responses=deleting)
    found.add_api_route(one, delete_instance, methods=["DELETE"], responses=failing(403, 404, 507))
    return found
