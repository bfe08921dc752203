"""Ranges, entity tags and what an answer varies with (PS3.18 §8.4; RFC 9110 §8.8, §12.5.5, §14)."""

import pytest

from tests.attacks.datasets import new_uid
from tests.web.breaking import CINE, copied
from tests.web.stowing import STUDY, image, store
from tests.web.wadoing import SERIES, get, parts

BYTES = "application/octet-stream"
PARTS = f'multipart/related; type="{BYTES}"'
PIXELS = bytes(range(256))


@pytest.fixture(scope="module")
def address(port: int) -> str:
    """Where a small image is."""
    uid = new_uid()
    assert store(port, [image(uid, pixels=PIXELS)]).status == 200
    return f"/studies/{STUDY}/series/{SERIES}/instances/{uid}"


@pytest.fixture(scope="module")
def cine(port: int) -> str:
    """Where many frames are, in a study of two objects."""
    uids = (new_uid(), new_uid(), new_uid())
    other = (*uids[:2], new_uid())
    assert store(port, [copied(CINE, uids), copied(CINE, other, number=2)]).status == 200
    return "/studies/{}/series/{}/instances/{}".format(*uids)


# Ranges.


@pytest.mark.parametrize("accept", [None, "*/*", BYTES, f"{PARTS}, {BYTES}", f"{BYTES}, {PARTS}"])
@pytest.mark.parametrize("path", ["bulkdata/7FE00010", "frames/1"])
def test_what_may_go_alone_goes_alone_in_ranges(port: int, address: str, path: str, accept: str | None) -> None:
    answer = get(port, f"{address}/{path}", accept, Range="bytes=10-19")
    assert (answer.status, answer.body) == (206, PIXELS[10:20])
    assert answer.headers["content-range"] == "bytes 10-19/256"


@pytest.mark.parametrize("accept", [None, "*/*", "application/dicom"])
def test_an_object_goes_in_ranges(port: int, address: str, accept: str | None) -> None:
    whole = get(port, address, "application/dicom").body
    answer = get(port, address, accept, Range="bytes=128-131")
    assert (answer.status, answer.body, answer.headers["content-range"]) == (
        206,
        b"DICM",
        f"bytes 128-131/{len(whole)}",
    )


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("bulkdata/7FE00010", PARTS),
        ("frames/1", PARTS),
        ("frames", PARTS),
        ("", 'multipart/related; type="application/dicom"'),
    ],
)
def test_a_multipart_of_one_part_has_the_range_in_it(port: int, address: str, path: str, accept: str) -> None:
    where = f"{address}/{path}".rstrip("/")
    (whole,) = parts(get(port, where, accept))
    answer = get(port, where, accept, Range="bytes=-16")
    (part,) = parts(answer)
    assert (answer.status, part.body) == (206, whole.body[-16:])
    size = len(whole.body)
    assert part.headers["content-range"] == f"bytes {size - 16}-{size - 1}/{size}"
    assert part.headers["content-type"] == whole.headers["content-type"]
    beyond = get(port, where, accept, Range="bytes=9000000-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    stale = get(port, where, accept, Range="bytes=0-1", If_Range=answer.headers["etag"])
    assert (stale.status, len(parts(stale)[0].body)) == (200, size)


def test_several_parts_go_whole_whatever_range_is_asked_for(port: int, cine: str) -> None:
    for path in (f"{cine}/frames/1,2", f"{cine}/frames", cine.partition("/series")[0]):
        whole, asked = get(port, path), get(port, path, Range="bytes=0-9")
        assert (asked.status, [part.body for part in parts(asked)]) == (200, [part.body for part in parts(whole)])


# Entity tags.


@pytest.mark.parametrize(
    ("path", "accept", "weak"),
    [
        ("", "application/dicom", False),
        ("", 'multipart/related; type="application/dicom"', True),
        ("", "application/zip", False),
        ("/frames/1", BYTES, False),
        ("/frames/1", PARTS, True),
        ("/frames", PARTS, True),
        ("/bulkdata", PARTS, True),
        ("/bulkdata/7FE00010", BYTES, False),
        ("/bulkdata/7FE00010", PARTS, True),
        ("/metadata", "application/dicom+json", False),
        ("/metadata", 'multipart/related; type="application/dicom+xml"', True),
        ("/rendered", "image/jpeg", False),
        ("/rendered", "image/gif", False),
        ("/rendered", 'multipart/related; type="image/jpeg"', True),
        ("/thumbnail", "image/jpeg", False),
    ],
)
def test_a_tag_is_strong_only_where_the_same_bytes_come_again(
    port: int, cine: str, path: str, accept: str, *, weak: bool
) -> None:
    first, second = get(port, f"{cine}{path}", accept), get(port, f"{cine}{path}", accept)
    assert first.headers["etag"] == second.headers["etag"]
    assert first.headers["etag"].startswith('W/"') == weak == (first.body != second.body)
    again = get(port, f"{cine}{path}", accept, If_None_Match=first.headers["etag"])
    assert (again.status, again.headers["etag"]) == (304, first.headers["etag"])
    for answer in (first, again):
        assert "Accept" in answer.headers["vary"].split(", ")


@pytest.mark.parametrize("path", ["/studies", "/studies/count", "/series", "/instances?limit=1", ""])
def test_what_is_chosen_by_accept_varies_with_it(port: int, path: str) -> None:
    assert get(port, path).headers["vary"] == "Accept"
