"""What every adapter of `ports.object.Objects` does; a test module derives and gives it an empty table."""

from dataclasses import replace

from archimage.model.objects import KeptObject
from archimage.ports.object import Objects


def _object(uid: str, *, sop_class: str = "1.1", digest: bytes = b"one", name: str = "") -> KeptObject:
    model = {"00720002": {"vr": "SH", "Value": [name]}}
    return KeptObject(uid, sop_class, "1.2.840.10008.1.2.1", 4, digest, 5.0, "AE", model)


class ObjectsContract:
    """The tests."""

    def test_an_object_is_kept_with_its_bytes(self, objects: Objects) -> None:
        assert objects.put(_object("2.1", name="Demo"), b"data", replace=False) == "stored"
        found = objects.get("2.1")
        assert found is not None
        assert found == replace(_object("2.1", name="Demo"), id=found.id)
        assert (found.title, found.digest, found.model["00720002"]["vr"]) == ("Demo", b"one", "SH")
        assert objects.data("2.1") == b"data"

    def test_the_same_bytes_are_kept_once_and_others_only_when_they_may_replace(self, objects: Objects) -> None:
        objects.put(_object("2.1"), b"data", replace=False)
        assert objects.put(_object("2.1"), b"data", replace=True) == "duplicate"
        assert objects.put(_object("2.1", digest=b"two"), b"more", replace=False) == "other"
        assert objects.data("2.1") == b"data"
        assert objects.put(_object("2.1", digest=b"two"), b"more", replace=True) == "replaced"
        assert objects.data("2.1") == b"more"
        assert len(objects.find((), before=None, limit=10)) == 1

    def test_they_are_found_by_class_the_newest_first(self, objects: Objects) -> None:
        for uid, sop_class in (("2.1", "1.1"), ("2.2", "1.2"), ("2.3", "1.1")):
            objects.put(_object(uid, sop_class=sop_class), b"data", replace=False)
        newest, oldest = objects.find(("1.1",), before=None, limit=10)
        assert (newest.sop_instance_uid, oldest.sop_instance_uid) == ("2.3", "2.1")
        assert objects.find(("1.1",), before=newest.id, limit=10) == [oldest]
        assert [one.sop_instance_uid for one in objects.find(("1.1", "1.2"), before=None, limit=2)] == ["2.3", "2.2"]
        assert objects.find(("1.9",), before=None, limit=10) == []

    def test_what_is_removed_is_gone(self, objects: Objects) -> None:
        objects.put(_object("2.1"), b"data", replace=False)
        assert objects.remove("2.1")
        assert not objects.remove("2.1")
        assert objects.get("2.1") is None
        assert objects.data("2.1") is None
