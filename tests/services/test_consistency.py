"""What a verification finds while others change the archive."""

from archimage.services.consistency import verify
from tests.attacks.datasets import dataset, new_uid
from tests.services.parts import Parts, expected


def _stored(parts: Parts) -> str:
    """Store an object; return its path."""
    uid = new_uid()
    return parts.service.store(expected(uid), [dataset(uid)]).record.path


def test_a_file_that_is_to_be_deleted_is_no_stray(parts: Parts) -> None:
    _stored(parts)
    for path in ("due.dcm", "stray.dcm"):
        parts.blobs.put(path, b"object")
    with parts.index.writing() as index:
        index.note_replaced("1.2", due="due.dcm")
    *_, findings = verify(parts.index, parts.blobs)
    assert findings.orphans == ["stray.dcm"]


def test_what_comes_and_goes_meanwhile_is_neither_stray_nor_missing(parts: Parts) -> None:
    gone, lost = _stored(parts), _stored(parts)
    for path in (gone, lost):
        parts.blobs.delete(path)
    steps = verify(parts.index, parts.blobs)
    next(steps)
    parts.index.remove([gone.rpartition("/")[2].removesuffix(".dcm")])
    _stored(parts)
    *_, findings = steps
    assert (findings.missing, findings.orphans) == ([lost], [])


def test_a_file_that_cannot_be_read_is_damaged_and_the_others_are_looked_at(parts: Parts) -> None:
    unreadable = _stored(parts)
    file = parts.directory / "objects" / unreadable
    file.unlink()
    file.symlink_to(file.name)  # to itself
    _stored(parts)
    *_, findings = verify(parts.index, parts.blobs)
    assert (findings.instances, findings.damaged, findings.missing) == (2, [unreadable], [])
