"""All bulk data and all pixels of an object, a series, a study (PS3.18 §10.4.1.1.5, §10.4.1.1.6)."""

import json
from collections import defaultdict
from typing import Any

import pytest

from tests.attacks.datasets import PIXEL_DATA, SERIES_INSTANCE_UID, dataset, new_uid
from tests.dicom.encoded import pixels
from tests.web.stowing import STUDY, Answer, image, part10, store
from tests.web.test_wado_frames import frames_of
from tests.web.wadoing import SERIES, Kept, Part, get, one, parts

ANY = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
_CINE = "examples_ybr_color.dcm"
_JPEG = "SC_rgb_jpeg_gdcm.dcm"
_PLAN = "rtplan.dcm"
_CT = "CT_small.dcm"


def references(model: Any) -> list[str]:
    """Return every URI of bulk data in metadata."""
    if isinstance(model, list):
        return [uri for one in model for uri in references(one)]
    if not isinstance(model, dict):
        return []
    own = [model["BulkDataURI"]] if "BulkDataURI" in model else []
    return own + [uri for value in model.values() for uri in references(value)]


def located(answer: Answer) -> dict[str, list[Part]]:
    """Return parts by the address that the metadata know: that of a frame stands below it."""
    found: dict[str, list[Part]] = defaultdict(list)
    for part in parts(answer):
        address = part.headers["content-location"]
        found[address.rsplit("/", 1)[0] if "/frames/" in address else address].append(part)
    return found


def test_all_bulk_data_of_every_real_object_is_what_its_metadata_refer_to(port: int, real: list[Kept]) -> None:
    answered = without = 0
    for kept in real:
        wanted = references(json.loads(get(port, f"{kept.address}/metadata", "application/dicom+json").body))
        answer = get(port, f"{kept.address}/bulkdata", ANY)
        if not wanted:
            assert answer.status == 406, kept.path.name
            without += 1
            continue
        assert answer.status == 200, (kept.path.name, answer.body[:300])
        found = located(answer)
        answered += 1
        paths = {address.rpartition("/instances/")[2] for address in found}
        frames = f"{kept.uid}/frames"
        expected = {uri.rpartition("/instances/")[2] for uri in wanted}
        if frames not in paths:  # what cannot be told apart comes whole
            expected = {f"{kept.uid}/bulkdata/7FE00010" if path == frames else path for path in expected}
        assert paths == expected, kept.path.name
        for address, values in found.items():
            if not address.endswith("/frames"):
                (value,) = values
                whole = get(port, address.partition("/dicom-web")[2], "application/octet-stream")
                assert value.body == whole.body, address
    assert answered > 90
    assert without > 5


@pytest.mark.parametrize("level", ["", "/series/{series}", "/series/{series}/instances/{uid}"])
def test_pixels_of_each_level_are_those_of_its_frames(port: int, real: list[Kept], level: str) -> None:
    kept = one(real, _CINE)
    address = f"/studies/{kept.study}" + level.format(series=kept.series, uid=kept.uid)
    found = located(get(port, f"{address}/pixeldata", ANY))
    (own,) = [values for place, values in found.items() if place.endswith(f"{kept.address}/frames")]
    assert [part.body for part in own] == frames_of(kept)


def test_pixels_are_native_unless_something_else_is_asked_for(port: int, real: list[Kept]) -> None:
    kept = one(real, _JPEG)
    default = parts(get(port, f"/studies/{kept.study}/series/{kept.series}/pixeldata", "application/octet-stream, */*"))
    assert {part.headers["content-type"].partition("=")[2] for part in default} == {"1.2.840.10008.1.2.1"}
    native = parts(get(port, f"{kept.address}/frames/1", 'multipart/related; type="application/octet-stream"'))
    assert native[0].body in [part.body for part in default]
    pictures = parts(get(port, f"{kept.address}/bulkdata", 'multipart/related; type="image/jls"'))
    assert [part.headers["content-type"] for part in pictures] == ["image/jls; transfer-syntax=1.2.840.10008.1.2.4.80"]


def test_other_values_are_bytes_whatever_the_pixels_are(port: int, real: list[Kept]) -> None:
    for kept in real:
        wanted = references(json.loads(get(port, f"{kept.address}/metadata", "application/dicom+json").body))
        kinds = {uri.rpartition("/instances/")[2].split("/")[1] for uri in wanted}
        if kinds == {"frames", "bulkdata"}:
            break
    else:
        pytest.fail("no real object has pixels and other bulk data")
    answer = get(port, f"{kept.address}/bulkdata", ANY)
    by_kind = {"frames" if "/frames" in place else "bulkdata": values for place, values in located(answer).items()}
    assert {part.headers["content-type"] for part in by_kind["bulkdata"]} == {"application/octet-stream"}


def test_what_does_not_exist_is_not_found_and_what_has_no_pixels_not_acceptable(port: int, real: list[Kept]) -> None:
    plan = one(real, _PLAN)
    for path in ("/studies/1.2.3", "/studies/1.2.3/series/1.2.3", f"/studies/{plan.study}/series/1.2.3"):
        for what in ("pixeldata", "bulkdata"):
            assert get(port, f"{path}/{what}", ANY).status == 404
    assert get(port, f"/studies/{plan.study}/series/{plan.series}/pixeldata", ANY).status == 406
    assert get(port, f"{plan.address}/bulkdata", "application/pdf").status == 406


def test_an_unchanged_series_is_not_sent_twice(port: int, real: list[Kept]) -> None:
    kept = one(real, _CT)
    path = f"/studies/{kept.study}/series/{kept.series}"
    tags = [get(port, f"{path}/{what}", ANY).headers["etag"] for what in ("pixeldata", "bulkdata")]
    assert tags[0] != tags[1]
    assert get(port, f"{path}/bulkdata", ANY, If_None_Match=tags[1]).status == 304


def test_pixels_that_cannot_be_had_as_asked_are_left_out_with_a_warning(port: int, real: list[Kept]) -> None:
    accept = 'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.4.102'
    kept = one(real, _CT)
    assert get(port, f"/studies/{kept.study}/series/{kept.series}/pixeldata", accept).status == 406
    video, series = new_uid(), "1.2.826.0.1.3680043.8.499.2.9"
    syntax, more = "1.2.840.10008.1.2.4.102", ((0x00280008, "IS", b"1 "),)
    replaced = {SERIES_INSTANCE_UID: series.encode()}
    header = dataset(video, replaced=replaced, more=more, left_out=frozenset({PIXEL_DATA}))
    stream = header + pixels(b"\0\0\0\x18ftypmp42")
    plain = image(new_uid(), pixels=bytes(256), replaced=replaced)
    assert store(port, [part10(stream, video, syntax), plain]).status == 200
    path = f"/studies/{STUDY}/series/{series}"
    answer = get(port, f"{path}/pixeldata", accept)
    assert (answer.status, answer.headers["warning"].startswith("299 ")) == (206, True)
    (part,) = parts(answer)
    assert part.headers["content-location"].endswith(f"{video}/frames")
    default = get(port, f"{path}/bulkdata", 'multipart/related; type="application/octet-stream"')
    assert (default.status, len(parts(default))) == (200, 2)


def frames_in(uid: str, count: int) -> bytes:
    """Make an image of frames of 256 bytes."""
    return image(uid, pixels=bytes(range(256)) * count, more=((0x00280008, "IS", f"{count:<6}".encode()),))


def test_a_large_series_comes_in_pieces(port: int) -> None:
    counts = {new_uid(): count for count in (2, 20_000, 300)}
    assert store(port, [frames_in(uid, count) for uid, count in counts.items()]).status == 200
    found = located(get(port, f"/studies/{STUDY}/series/{SERIES}/bulkdata", ANY))
    frames = {place.rpartition("/instances/")[2].split("/")[0]: values for place, values in found.items()}
    assert {uid: len(frames[uid]) for uid in counts} == counts
    assert {part.body for uid in counts for part in frames[uid]} == {bytes(range(256))}


def test_of_several_objects_a_broken_one_is_left_out_of_the_pixels_and_comes_as_it_is_in_bulk(port: int) -> None:
    good, broken = new_uid(), new_uid()
    assert store(port, [frames_in(good, 1), image(broken, pixels=b"xyz ")]).status == 200
    place = f"/studies/{STUDY}/series/{SERIES}"
    frames = [part.headers["content-location"] for part in parts(get(port, f"{place}/pixeldata", ANY))]
    assert any(f"/{good}/frames/1" in address for address in frames)
    assert not any(broken in address for address in frames)
    bulk = {part.headers["content-location"]: part.body for part in parts(get(port, f"{place}/bulkdata", ANY))}
    (whole,) = [body for address, body in bulk.items() if address.endswith(f"/{broken}/bulkdata/7FE00010")]
    assert whole == b"xyz "
