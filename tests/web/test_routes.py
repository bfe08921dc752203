"""An address leads to its resource, and to nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp

from archimage.errors import ArchimageError, InvalidInstanceUIDError, InvalidRequestError
from archimage.model.ids import is_uid
from archimage.web.dicomweb.resources import DicomWebRequest, Resource
from archimage.web.dicomweb.routes import Routes
from archimage.web.dicomweb.table import RESOURCES


async def _handle(_request: DicomWebRequest) -> ASGIApp:
    raise NotImplementedError


def resource(path: str, method: str = "GET", **more: str) -> Resource:
    """Make a resource."""
    return Resource(path, method, path, _handle, "Something", **more)  # type: ignore[arg-type]


ROUTES = Routes(
    [
        resource("/studies"),
        resource("/studies", "POST"),
        resource("/studies/count"),
        resource("/studies/{study}", "DELETE"),
        resource("/studies/{study}/frames/{frames}"),
        resource("/studies/{study}/bulkdata/{path:path}"),
        resource("/wado", root=""),
    ]
)


@pytest.mark.parametrize(
    ("path", "name", "variables"),
    [
        ("/dicom-web/studies", "/studies", {}),
        ("/dicom-web/studies/count", "/studies/count", {}),
        ("/dicom-web/studies/1.2", "/studies/{study}", {"study": "1.2"}),
        ("/dicom-web/studies/1%2E2", "/studies/{study}", {"study": "1.2"}),
        ("/dicom-web/studies/1/frames/1,2", "/studies/{study}/frames/{frames}", {"study": "1", "frames": "1,2"}),
        ("/dicom-web/studies/1/frames/1%2C2", "/studies/{study}/frames/{frames}", {"study": "1", "frames": "1,2"}),
        (
            "/dicom-web/studies/1/bulkdata/a/b/c",
            "/studies/{study}/bulkdata/{path:path}",
            {"study": "1", "path": "a/b/c"},
        ),
        ("/wado", "/wado", {}),
    ],
)
def test_an_address_leads_to_its_resource(path: str, name: str, variables: dict[str, str]) -> None:
    route = ROUTES.find(path)
    assert route is not None
    assert {found.name for found in route.resources.values()} == {name}
    assert route.variables == variables


def test_one_address_has_several_methods_and_head_goes_with_get() -> None:
    route = ROUTES.find("/dicom-web/studies")
    assert route is not None
    assert route.methods == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize("path", ["/", "", "/dicom-web", "/dicom-web/series", "/dicom-web/studies/1/frames", "/x" * 99])
def test_other_addresses_lead_nowhere(path: str) -> None:
    assert ROUTES.find(path) is None


@pytest.mark.parametrize("uid", ["x", "1..2", "1.", "1" * 65, "%31x", "1.2;x", "' OR 1=1", "１"])
def test_what_is_no_uid_is_told(uid: str) -> None:
    with pytest.raises(InvalidInstanceUIDError):
        ROUTES.find(f"/dicom-web/studies/{uid}")


@pytest.mark.parametrize("part", ["..%2f", "%2e%2e%2fetc", "%00", "1%0a", "..", "%ff", "%5c..", "a%2fb"])
@pytest.mark.parametrize("path", ["/dicom-web/studies/{}", "/dicom-web/{}/x", "/dicom-web/studies/1/bulkdata/{}"])
def test_no_encoding_leads_elsewhere(path: str, part: str) -> None:
    with pytest.raises((InvalidRequestError, InvalidInstanceUIDError)):
        ROUTES.find(path.format(part))


@given(st.text(max_size=40))
def test_whatever_is_asked_for_uids_are_uids(text: str) -> None:
    try:
        route = ROUTES.find(f"/dicom-web/studies/{text}")
    except ArchimageError:
        return
    assert route is None or "study" not in route.variables or is_uid(route.variables["study"])


def test_two_resources_of_one_address_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="one address"):
        Routes([resource("/studies"), resource("/studies")])


def test_the_table_has_one_resource_for_each_method_of_an_address_and_each_name_once() -> None:
    assert Routes(RESOURCES).has_root("/dicom-web")
    names = [found.name for found in RESOURCES]
    assert len(set(names)) == len(names)
