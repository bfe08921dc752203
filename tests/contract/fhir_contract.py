"""What every adapter of `ports.fhir.FhirResources` does; a test module derives and gives it an empty table."""

from dataclasses import replace

from archimage.model.fhir import KeptResource
from archimage.ports.fhir import FhirResources


def _resource(name: str, *, kind: str = "A", status: str = "on", about: str = " x/1 y/2 ") -> KeptResource:
    return KeptResource(kind, name, status, about, f'{{"id": "{name}"}}', 1.0, 2.0)


class FhirContract:
    """Resources by kind and id."""

    def test_a_resource_is_kept_until_it_is_removed(self, resources: FhirResources) -> None:
        kept = _resource("1")
        resources.put(kept)
        assert resources.get("A", "1") == kept
        assert resources.get("B", "1") is resources.get("A", "2") is None
        assert resources.remove("A", "1")
        assert not resources.remove("A", "1")
        assert resources.get("A", "1") is None

    def test_another_takes_the_place_of_the_one_of_its_kind_and_id(self, resources: FhirResources) -> None:
        resources.put(_resource("1"))
        resources.put(_resource("1", kind="B"))
        changed = replace(_resource("1", status="off"), body="{}", changed_at=3.0)
        resources.put(changed)
        assert resources.get("A", "1") == changed
        assert resources.count("A") == resources.count("B") == 1

    def test_the_newest_come_first(self, resources: FhirResources) -> None:
        for name in "132":
            resources.put(_resource(name))
        assert [one.id for one in resources.find("A")] == [one for one, _ in resources.keys("A")] == ["2", "3", "1"]
        assert not resources.find("B")
        assert not resources.keys("B")

    def test_they_are_found_by_status_and_by_whole_words(self, resources: FhirResources) -> None:
        resources.put(_resource("1"))
        resources.put(_resource("2", status="off", about=" x/12 "))
        assert [one.id for one in resources.find("A", status="off")] == ["2"]
        assert resources.keys("A", about="x/1") == [("1", " x/1 y/2 ")]
        assert resources.keys("A", about="x/1%") == resources.keys("A", about="x/1", status="off") == []
        assert [one for one, _ in resources.keys("A", about="x/12")] == ["2"]
