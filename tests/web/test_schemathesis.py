"""A running server answers whatever follows its description, as the description says, and never by a fault of ours."""

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.request import urlopen

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from archimage.dicom.demo import demo_files
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.openapi import describe
from tests.attacks.server import ANSWERS_WITHIN_S, Server, running
from tests.web.stowing import ask, store

_DESCRIPTION: Final = describe(RESOURCES)
_SCHEMA: Final = schemathesis.openapi.from_dict(_DESCRIPTION)
_CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
_TAGS: Final = {"study": "0020000D", "series": "0020000E", "instance": "00080018"}
_EXAMPLES: Final = 8


def _as_it_is(_context: object, value: object) -> bytes:
    """Send any body."""
    return value if isinstance(value, bytes) else repr(value).encode()


schemathesis.serializer(*sorted({kind for resource in RESOURCES for kind in resource.consumes}))(_as_it_is)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with demo data."""
    with running(tmp_path_factory.mktemp("described") / "one" / "two" / "data") as server:
        assert store(server.http_port, list(demo_files(slices=2))).status == 200
        yield server


@pytest.fixture(scope="module")
def kept(server: Server) -> dict[str, str]:
    """Where an object of one frame is."""
    first: dict[str, Any] = json.loads(ask(server.http_port, "GET", "/instances?limit=1").body)[0]
    return {name: first[tag]["Value"][0] for name, tag in _TAGS.items()} | {"frames": "1", "path": "7FE00010"}


def test_the_description_that_is_served_is_the_one_that_is_tested(server: Server) -> None:
    with urlopen(f"http://127.0.0.1:{server.http_port}/openapi.json", timeout=10) as answer:
        assert json.load(answer) == _DESCRIPTION


@_SCHEMA.parametrize()
@settings(max_examples=_EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(server: Server, kept: dict[str, str], case: schemathesis.Case[Any]) -> None:
    address = f"http://127.0.0.1:{server.http_port}"
    case.call_and_validate(base_url=address, checks=_CHECKS, timeout=20)
    if case.method != "DELETE" and case.path_parameters:
        case.path_parameters.update({name: kept[name] for name in case.path_parameters if name in kept})
        case.call_and_validate(base_url=address, checks=_CHECKS, timeout=20)


def test_the_server_is_well_after_all_that(server: Server) -> None:
    assert server.search() <= ANSWERS_WITHIN_S
    assert "a request met a bug" not in server.log
    assert not server.incoming()
