"""Lists of studies as people look through them: the same pages from either end, counts only where they are cheap."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from archimage.index.labels import LabelTable
from archimage.services import query
from archimage.services.catalogue import STUDY_ORDERS, UNCOUNTED, CatalogueService, Wanted
from archimage.services.query import QueryService
from tests.services.archive import fill


@pytest.fixture
def service(tmp_path: Path) -> Iterator[CatalogueService]:
    """Lists an archive of four studies of two patients."""
    index = fill(tmp_path)
    yield CatalogueService(QueryService(index), LabelTable(index), dicomweb="/dicom-web")
    index.close()


def uids(service: CatalogueService, **wanted: object) -> list[str]:
    """Return the studies of a page."""
    return [one.study_instance_uid for one in service.studies(Wanted(**wanted)).items]  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "p1", "yamada"])
@pytest.mark.parametrize("sort", [sign + order for order in STUDY_ORDERS for sign in ("", "-")])
def test_pages_of_one_study_are_the_whole_list_in_its_order(service: CatalogueService, sort: str, text: str) -> None:
    whole = uids(service, text=text, sort=sort)
    assert len(whole) == (2 if text else 4)
    assert [uids(service, text=text, sort=sort, limit=1, offset=at) for at in range(len(whole))] == [[u] for u in whole]
    assert uids(service, text=text, sort=sort, limit=3, offset=len(whole) - 1) == whole[-1:]
    assert uids(service, text=text, sort=sort, limit=3, offset=len(whole)) == []


def test_a_glance_at_few_tells_how_many_there_are(service: CatalogueService) -> None:
    assert service.glance(Wanted("yamada")).total == 2
    assert service.glance(Wanted("nobody")).total == 0
    assert service.glance(Wanted()).total == 4


def test_a_glance_at_many_does_not_wait_until_they_are_counted(
    service: CatalogueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "FEW", 1)
    wanted = Wanted("p1", sort="-study_date", limit=1)
    seen = service.glance(wanted)
    assert (seen.total, [one.study_instance_uid for one in seen.items]) == (UNCOUNTED, ["1.3"])
    assert service.studies(wanted).total == 2


def test_what_is_typed_is_found_among_the_studies_of_a_modality(service: CatalogueService) -> None:
    assert uids(service, text="yamada", matches=(("modalities_in_study", "CT"),), sort="study_date") == ["1.2", "1.3"]
    assert uids(service, text="yamada", matches=(("modalities_in_study", "MR"),)) == []
