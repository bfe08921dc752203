"""Who may see a part of the archive alone is listed his own jobs, and counts no others."""

from collections.abc import Iterator

import pytest

from tests.access.site import Headers, Site, basic, closed_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site of two studies."""
    with closed_site(tmp_path_factory.mktemp("jobs") / "data") as found:
        yield found


def counted(site: Site, who: Headers) -> dict[str, int]:
    """Return how many jobs of each kind somebody counts, whatever their state."""
    counts = site.api("GET", "/jobs/counts", headers=who).json
    return {kind: sum(states.values()) for kind, states in counts.items()}


def test_of_a_part_of_the_archive_own_jobs_alone_are_listed_and_counted(site: Site) -> None:
    everybody, own = basic("administrator"), site.token("administrator", "neuro", scope={"patients": ["NEURO"]})
    for kind in ("verify", "export"):
        body = {"studies": [site.neuro.study, site.other.study]}
        assert site.api("POST", f"/jobs/{kind}", body, everybody).status == 202
    assert counted(site, own) == {}
    assert site.api("POST", "/jobs/verify", {"studies": [site.neuro.study]}, own).status == 202
    assert [job["kind"] for job in site.api("GET", "/jobs", headers=own).json] == ["verify"]
    assert counted(site, own) == {"verify": 1}
    assert counted(site, everybody) == {"verify": 2, "export": 1}
