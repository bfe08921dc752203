"""The DICOMweb view of a project: who may see its label sees the copies without names, and nothing else."""

import json
from collections.abc import Iterator

import pydicom.uid
import pytest

from tests.access.site import RULES, Site, basic, closed_site
from tests.attacks.server import wait_until

VIEW = """
[[rule]]
name = "Readers see the copies of the trial"
roles = ["reader"]
allow = ["query", "retrieve"]
labels = ["trial"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site where readers see a project alone, which has a copy of the first study."""
    rules = RULES.replace('roles = ["reader"]', 'roles = ["librarian"]') + VIEW
    with closed_site(tmp_path_factory.mktemp("view") / "data", rules=rules) as found:
        yield found


def test_readers_of_a_project_see_copies_alone(site: Site) -> None:
    begun = site.api("POST", f"/studies/{site.neuro.study}/deidentified", {"project": "trial"})
    assert begun.status == 202, begun.body
    task = f"/tasks/{begun.json['id']}"
    assert wait_until(lambda: site.api("GET", task).json["state"] == "done", 60), site.api("GET", task).body
    reader = basic("reader")
    (study,) = site.ask("GET", "/dicom-web/studies?includefield=all", sent=reader).json
    uid, name, patient = (study[tag]["Value"][0] for tag in ("0020000D", "00100010", "00100020"))
    assert uid not in {site.neuro.study, site.other.study}
    assert pydicom.uid.UID(uid).is_valid
    assert "Access" not in json.dumps(name)
    assert patient != "NEURO"
    given = site.ask("GET", f"/dicom-web/studies/{uid}", sent=reader)
    assert given.status == 200
    for identifier in (b"NEURO", b"Demo^Access", site.neuro.study.encode(), site.neuro.instance.encode()):
        assert identifier not in given.body
    for original in (site.neuro, site.other):
        assert site.ask("GET", f"/dicom-web/studies/{original.study}/metadata", sent=reader).status == 403


def test_a_copy_is_not_made_by_who_may_only_look(site: Site) -> None:
    refused = site.api("POST", f"/studies/{site.other.study}/deidentified", {"project": "trial"}, basic("reader"))
    assert refused.status == 403
