"""Which of several nodes has done something is told wherever somebody looks."""

import http.client
import json
from contextlib import closing
from pathlib import Path

import pytest

from tests.attacks.server import running
from tests.attacks.trail import is_told

APPLICATION_ACTIVITY = "110100"


@pytest.mark.parametrize("name", ["", "pacs-2"])
def test_a_node_is_named_in_log_trail_and_probes_where_it_has_a_name(tmp_path: Path, name: str) -> None:
    with running(tmp_path / "data", settings={"node__name": name}) as server:
        told = name or None
        for path in ("/ready", "/health"):
            with closing(http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=10)) as connection:
                connection.request("GET", path)
                assert json.loads(connection.getresponse().read()).get("node") == told
        if name:
            assert is_told(server, APPLICATION_ACTIVITY, name)
        server.echo()
    assert "event=" in server.log
    assert ("node=pacs-2" in server.log) == bool(name)
