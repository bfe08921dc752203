"""Work items as the management API lists them, and how many are taken."""

import json
from collections.abc import Iterator

import pytest

from archimage.config_ups import UpsConfig
from tests.web.serving import Answer, Client, config, serving
from tests.workitems import new_item

_LIST = "/api/v1/workitems"
_UPS = "/dicom-web/workitems"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server that keeps two work items, and takes no more."""
    settings = config(tmp_path_factory.mktemp("workitems"))
    with serving(settings.model_copy(update={"ups": UpsConfig(max_items=2)})) as found:
        for number in (1, 2):
            assert _create(found, number).status == 201
        yield found


def _create(client: Client, number: int) -> Answer:
    body = json.dumps([new_item(f"DEMO-{number}")]).encode()
    return client.ask(f"{_UPS}?1.2.{number}", "POST", body, Content_Type="application/dicom+json")


def test_they_are_listed_the_newest_first_in_pages(client: Client) -> None:
    first = client.ask(f"{_LIST}?limit=1").json
    assert ([one["uid"] for one in first["items"]], first["next"]) == (["1.2.2"], 2)
    second = client.ask(f"{_LIST}?limit=1&before={first['next']}").json
    assert ([one["uid"] for one in second["items"]], second["next"]) == (["1.2.1"], None)


@pytest.mark.parametrize(
    ("query", "uids"),
    [("q=demo-1", ["1.2.1"]), ("state=SCHEDULED&q=demo", ["1.2.2", "1.2.1"]), ("state=IN%20PROGRESS", [])],
)
def test_they_are_found_by_text_and_state(client: Client, query: str, uids: list[str]) -> None:
    assert [one["uid"] for one in client.ask(f"{_LIST}?{query}").json["items"]] == uids


@pytest.mark.parametrize("query", ["state=DONE", "limit=0", "limit=501", "before=0", "q=" + "x" * 65, "label=Read"])
def test_what_cannot_be_asked_for_is_told(client: Client, query: str) -> None:
    answer = client.ask(f"{_LIST}?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in answer.json["error"]


def test_beyond_what_is_kept_no_more_are_taken(client: Client) -> None:
    answer = _create(client, 3)
    assert answer.status == 507
    assert "2 work items are kept" in answer.json["error"]
    assert "ups.max_items" in answer.json["next"]
    assert client.ask(f"{_UPS}/1.2.3").status == 404
