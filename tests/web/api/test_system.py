"""The state of the archive, its tasks and its events over HTTP; failures are told in one form."""

import http.client
from collections.abc import Iterator
from contextlib import closing

import pytest

from archimage import __version__
from archimage.config import HttpConfig
from archimage.web.protocol import HttpLimits
from tests.services.archive import records
from tests.web.serving import Client, config, serving


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server of twelve instances."""
    settings = config(tmp_path_factory.mktemp("api"), HttpConfig(port=0, cors_origins=("https://viewer.example",)))
    with serving(settings, records(), HttpLimits(keep_alive_timeout_s=1)) as found:
        yield found


def test_the_system_says_what_it_is_and_holds(client: Client) -> None:
    found = client.ask("/api/v1/system").json
    assert (found["name"], found["version"], found["ae_title"]) == ("archimage", __version__, "PACS_SCP")
    assert found["counts"] == {"patients": 2, "studies": 4, "series": 4, "instances": 12}
    assert found["index_size_bytes"] > 0
    assert 0 < found["storage"]["free_bytes"] <= found["storage"]["total_bytes"]
    assert found["uptime_s"] >= 0
    assert "pydicom" in found["libraries"]


def test_what_came_in_is_told_for_a_day_a_week_and_a_month(client: Client) -> None:
    found = client.ask("/api/v1/system/growth").json
    assert found == {period: {"instances": 0, "size_bytes": 0} for period in ("day", "week", "month")}  # they are old


def test_there_are_no_tasks_before_one_is_started(client: Client) -> None:
    assert client.ask("/api/v1/tasks").json == []


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/api/v1/tasks/" + "0" * 32, "GET", 404),
        ("/api/v1/tasks/%00", "GET", 400),
        ("/api/v1/nothing", "GET", 404),
        ("/api/v2", "GET", 404),
        ("/api/v1/system", "DELETE", 405),
    ],
)
def test_failures_say_what_is_wrong_and_what_to_do(client: Client, path: str, method: str, status: int) -> None:
    answer = client.ask(path, method)
    assert answer.status == status
    assert answer.json["error"]
    assert answer.json["next"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_description_names_what_is_served(client: Client) -> None:
    assert set(client.ask("/api/v1/openapi.json").json["paths"]) >= {"/api/v1/system", "/api/v1/tasks"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://viewer.example"},
    ],
)
def test_a_page_of_another_origin_changes_nothing(client: Client, headers: dict[str, str]) -> None:
    path = f"/api/v1/tasks/{'0' * 32}/cancel"
    assert client.ask(path, "POST", None, **headers).status == 403
    assert client.ask(path, "POST", None).status == 404


def test_a_page_of_this_server_may_change_things(client: Client) -> None:
    path = f"/api/v1/tasks/{'0' * 32}/cancel"
    own = {"Origin": f"http://127.0.0.1:{client.port}", "Sec_Fetch_Site": "same-origin"}
    assert client.ask(path, "POST", None, **own).status == 404


@pytest.mark.parametrize(("last", "second"), [("", None), ("1.999", b"event: lost")])
def test_events_are_followed_from_the_last_that_was_seen(client: Client, last: str, second: bytes | None) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)
    connection.request("GET", "/api/v1/events", headers={"Last-Event-ID": last} if last else {})
    with closing(connection), connection.getresponse() as answer:
        assert answer.status == 200, answer.read()
        assert (answer.getheader("Content-Type") or "").startswith("text/event-stream")
        lines = [answer.readline() for _ in range(3)]
        assert lines[0].startswith(b"retry:")
        if second:
            assert second in [answer.readline().strip() for _ in range(3)]
