"""Whatever follows the description is answered, and never by a fault of ours."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error

from archimage.dicom.demo import demo_files
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.openapi import describe
from tests.web.serving import Client, config, serving
from tests.web.stowing import store

SCHEMA = schemathesis.openapi.from_dict(describe(RESOURCES))
TAGS = {"study": "0020000D", "series": "0020000E", "instance": "00080018"}


def _as_it_is(_context: object, value: object) -> bytes:
    """Send any body."""
    return value if isinstance(value, bytes) else repr(value).encode()


schemathesis.serializer(*sorted({kind for resource in RESOURCES for kind in resource.consumes}))(_as_it_is)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A small archive of invented studies."""
    with serving(config(tmp_path_factory.mktemp("described"))) as found:
        assert store(found.port, list(demo_files(slices=2))).status == 200
        yield found


@pytest.fixture(scope="module")
def kept(client: Client) -> dict[str, str]:
    """The UIDs of one of them."""
    first: dict[str, Any] = client.ask("/dicom-web/instances?limit=1").json[0]
    return {name: first[tag]["Value"][0] for name, tag in TAGS.items()}


@SCHEMA.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_request_meets_a_fault(client: Client, kept: dict[str, str], case: schemathesis.Case[Any]) -> None:
    address = f"http://127.0.0.1:{client.port}"
    case.call_and_validate(base_url=address, checks=[not_a_server_error], timeout=20)
    if case.method != "DELETE" and case.path_parameters:
        case.path_parameters.update({name: uid for name, uid in kept.items() if name in case.path_parameters})
        case.call_and_validate(base_url=address, checks=[not_a_server_error], timeout=20)
