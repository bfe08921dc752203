"""`/api/v1/labels`: short words that people give studies."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path

from archimage.model.listings import LabelCount
from archimage.web.api.parameters import StudyUid
from archimage.web.api.resources import Services, failing

Name = Annotated[str, Path(min_length=1, max_length=64, description="The label.")]


def list_labels(services: Services) -> Sequence[LabelCount]:
    """List the labels in use, and how many studies have each."""
    return services.labels.counts()


def add_label(study_uid: StudyUid, name: Name, services: Services) -> Sequence[str]:
    """Give a study a label; returns all that it has."""
    return services.labels.add(study_uid, name)


def remove_label(study_uid: StudyUid, name: Name, services: Services) -> Sequence[str]:
    """Take a label from a study; returns those that are left."""
    return services.labels.remove(study_uid, name)


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["labels"], responses=failing(400, 503))
    one = "/studies/{study_uid}/labels/{name}"
    found.add_api_route("/labels", list_labels, methods=["GET"])
    found.add_api_route(one, add_label, methods=["PUT"], responses=failing(403, 404, 507))
    found.add_api_route(one, remove_label, methods=["DELETE"], responses=failing(403, 404, 507))
    return found
