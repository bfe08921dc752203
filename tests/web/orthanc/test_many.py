"""Lists of many: they are answered in parts, in little memory, or not at all."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from archimage.config import QueryConfig
from archimage.model.hashed import Named
from bench.index_fill import fill
from tests.web.serving import Client, config, serving

_STUDIES, _EACH, _MOST = 150, 100, 12_000


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server of 15,000 instances, of which one answer may hold 12,000."""
    directory: Path = tmp_path_factory.mktemp("many")
    fill(directory / "index.db", _STUDIES, _EACH)
    with serving(config(directory, query=QueryConfig(max_results=_MOST))) as found:
        yield found


def test_parts_of_a_list_are_the_list(client: Client) -> None:
    found: list[str] = []
    while part := client.ask(f"/instances?since={len(found)}&limit=4000").json:
        found += part
    assert len(found) == len(set(found)) == _STUDIES * _EACH


def test_more_than_one_answer_may_hold_is_refused_and_not_cut(client: Client) -> None:
    answer = client.ask("/instances")
    assert answer.status == 400
    assert "with a limit" in answer.json["Message"]
    assert len(client.ask(f"/instances?since={_STUDIES * _EACH - _MOST}").json) == _MOST


def test_a_part_from_the_end_takes_no_longer_than_one_from_the_beginning(client: Client) -> None:
    def taken(since: int) -> float:
        started = time.perf_counter()
        assert len(client.ask(f"/instances?since={since}&limit=10").json) == 10
        return time.perf_counter() - started

    taken(0)
    assert min(taken(14_000) for _ in range(5)) < 10 * min(taken(0) for _ in range(5))


def test_each_of_many_is_found_by_its_identifier(client: Client) -> None:
    for study in client.ask("/studies?limit=3&since=100").json:
        for series in client.ask(f"/studies/{study}/series?expand=false").json:
            assert len(client.ask(f"/series/{series}/instances?expand=false").json) == _EACH / 2
    assert client.ask(f"/instances/{Named(('P', '1', '2', '3')).hashed_id}").status == 404
