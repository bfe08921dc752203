"""Objects stored over HTTP are kept byte for byte, and each is told what became of it (PS3.18 §10.5)."""

import io
import json
import socket
import urllib.request
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.encaps import generate_frames

from archimage.dicom.scan import HeaderScanner
from archimage.dicom.xml import model_xml
from archimage.protocol.status import Status
from archimage.protocol.uids import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, JPEG_BASELINE
from archimage.services.attributes import WANTED, index_values
from tests.attacks.datasets import SOP_CLASS_UID, STUDY_INSTANCE_UID, dataset, new_uid
from tests.attacks.server import Server, wait_until
from tests.attacks.wire import CT
from tests.dicom.files import BROKEN, real_dataset, real_file, real_files
from tests.web.stowing import (
    BOUNDARY,
    OTHER,
    STUDY,
    Part,
    ask,
    image,
    kept,
    multipart,
    part10,
    post,
    related,
    store,
)

_JSON: Final = "application/dicom+json"
_XML: Final = "application/dicom+xml"
_PIXELS: Final = "7FE00010"


def described(uid: str, **attributes: Any) -> dict[str, Any]:
    """Describe a small CT as a DICOM JSON Model; attributes are `vr=value` by tag, `T00100010=("LO", ["x"])`."""
    values = {
        "00080016": ("UI", [CT]),
        "00080018": ("UI", [uid]),
        "0020000D": ("UI", [STUDY]),
        "0020000E": ("UI", ["1.2.3"]),
        "00100010": ("PN", [{"Alphabetic": "Müller^Jörg"}]),
    }
    model: dict[str, Any] = {tag: {"vr": vr, "Value": value} for tag, (vr, value) in values.items()}
    return model | {name[1:]: value for name, value in attributes.items()}


def with_metadata(models: list[dict[str, Any]], *bulk: Part) -> bytes:
    """Write a body of metadata and the parts that it refers to."""
    return multipart([(_JSON, json.dumps(models).encode()), *bulk])


# Whole objects.


@pytest.mark.parametrize("size", [2, 60_000, 70_000, 3 << 20])
def test_an_object_is_kept_byte_for_byte(server: Server, port: int, size: int) -> None:
    uid = new_uid()
    answer = store(port, [image(uid, pixels=bytes(range(256)) * (size // 256) + b"ab")])
    assert (answer.status, answer.stored()) == (200, [uid])
    assert answer.headers["content-type"] == _JSON
    assert kept(server, uid) == dataset(uid, pixels=bytes(range(256)) * (size // 256) + b"ab")


def test_a_body_sent_in_small_chunks_is_kept_byte_for_byte(server: Server, port: int) -> None:
    uids = [new_uid() for _ in range(3)]
    body = multipart(("application/dicom", image(uid, pixels=b"ab" * 40_000)) for uid in uids)
    answer = post(port, (body[at : at + 777] for at in range(0, len(body), 777)))
    assert (answer.status, answer.stored()) == (200, uids)
    assert all(kept(server, uid) == dataset(uid, pixels=b"ab" * 40_000) for uid in uids)


_REFUSED = {
    *BROKEN, "bad_sequence.dcm",  # cut short, or a UID that is none
    "DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-empty.dcm", "DICOMDIR-implicit", "DICOMDIR-nopatient",
    "DICOMDIR-reordered",
    "UN_sequence.dcm", "chrSQEncoding.dcm", "chrSQEncoding1.dcm", "empty_charset_LEI.dcm", "nested_priv_SQ.dcm",
    "no_meta_group_length.dcm", "priv_SQ.dcm",  # no SOP Class UID or SOP Instance UID
    "JPEGLSNearLossless_08.dcm", "JPEGLSNearLossless_16.dcm", "SC_rgb_jls_lossy_line.dcm",
    "SC_rgb_jls_lossy_sample.dcm",  # no Study Instance UID
}  # fmt: skip
_PALETTES = {
    "fall.dcm", "hotiron.dcm", "hotmetalblue.dcm", "pet.dcm", "pet20step.dcm", "spring.dcm", "summer.dcm", "winter.dcm",
}  # fmt: skip
"""Color palettes: they have no patient, and so no study."""


@pytest.mark.parametrize("path", [path for path in real_files() if path.name in _REFUSED], ids=lambda path: path.name)
def test_what_cannot_be_kept_is_refused(port: int, path: Path) -> None:
    assert store(port, [path.read_bytes()]).status == 409


@pytest.mark.parametrize("path", [path for path in real_files() if path.name in _PALETTES], ids=lambda path: path.name)
def test_what_has_no_patient_is_kept_among_such_objects(port: int, path: Path) -> None:
    answer = store(port, [path.read_bytes()])
    (uid,) = answer.stored()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/objects/{uid}", timeout=20) as found:
        assert (answer.status, json.load(found)["summary"]["sop_instance_uid"]) == (200, uid)


def test_every_other_real_file_goes_in_and_its_data_set_is_kept_byte_for_byte(server: Server, port: int) -> None:
    for path in real_files():
        if path.name in _REFUSED | _PALETTES:
            continue
        meta, data = real_dataset(path)
        scanner = HeaderScanner(meta.transfer_syntax_uid, WANTED)
        scanner.feed(data)
        values = index_values(scanner.finish())
        answer = store(port, [path.read_bytes()])
        assert (answer.status, answer.stored()) == (200, [values["sop_instance_uid"]]), path
        assert kept(server, values["sop_instance_uid"]) == data, path
        study = f"/studies/{values['study_instance_uid']}"
        assert ask(port, "DELETE", study).status == 200
        assert ask(port, "DELETE", study).status == 404


def test_a_single_part_is_an_object(server: Server, port: int) -> None:
    uid = new_uid()
    answer = post(port, image(uid), "application/dicom; transfer-syntax=*")
    assert (answer.status, answer.stored()) == (200, [uid])
    assert kept(server, uid) == dataset(uid)


def test_parts_without_a_media_type_have_that_of_the_request(server: Server, port: int) -> None:
    uid = new_uid()
    body = multipart([("x/y", image(uid))]).replace(b"Content-Type: x/y\r\n", b"")
    assert post(port, body).stored() == [uid]


def test_a_deflated_object_is_kept_as_it_came(server: Server, port: int) -> None:
    uid = new_uid()
    data = dataset(uid, transfer_syntax_uid=DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    assert store(port, [part10(data, uid, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)]).status == 200
    assert kept(server, uid) == data


def test_a_client_library_stores_and_deletes(server: Server, port: int) -> None:
    client = DICOMwebClient(f"http://127.0.0.1:{port}/dicom-web")
    datasets = [pydicom.dcmread(real_file(name)) for name in ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm")]
    response = client.store_instances(datasets)
    assert [item.ReferencedSOPInstanceUID for item in response.ReferencedSOPSequence] == [
        one.SOPInstanceUID for one in datasets
    ]
    assert "FailedSOPSequence" not in response
    first = datasets[0]
    client.store_instances([first], study_instance_uid=first.StudyInstanceUID)
    client.delete_instance(first.StudyInstanceUID, first.SeriesInstanceUID, first.SOPInstanceUID)
    client.delete_series(datasets[1].StudyInstanceUID, datasets[1].SeriesInstanceUID)
    client.delete_study(datasets[2].StudyInstanceUID)
    assert not {row.sop_instance_uid for row in server.rows()} & {one.SOPInstanceUID for one in datasets}


# What became of each.


def test_each_object_is_told_its_reason(server: Server, port: int) -> None:
    known, fresh, cut = new_uid(), new_uid(), new_uid()
    assert store(port, [image(known)]).status == 200
    files = [image(known), image(known, pixels=b"other"), image(cut)[:-20], image(fresh), b"no DICOM file"]
    files.append(part10(dataset(new_uid()), "1.2.3", "1.2.3.4"))
    answer = store(port, files)
    assert answer.status == 202
    assert answer.stored() == [known, fresh]
    assert answer.reasons() == [Status.DUPLICATE_SOP_INSTANCE, Status.CANNOT_UNDERSTAND]
    assert answer.reasons(OTHER) == [Status.CANNOT_UNDERSTAND, 0xC122]
    assert "4 of 6 not stored" in answer.headers["warning"]


def test_the_answer_says_where_to_retrieve_from(port: int) -> None:
    uid = new_uid()
    model = store(port, [image(uid)]).model
    study = f"http://127.0.0.1:{port}/dicom-web/studies/{STUDY}"
    (item,) = model["00081199"]["Value"]
    assert model["00081190"]["Value"] == [study]
    assert item["00081190"]["Value"] == [f"{study}/series/1.2.826.0.1.3680043.8.499.2/instances/{uid}"]
    assert item["00081150"]["Value"] == [CT]


def test_only_the_study_of_the_address_is_taken(server: Server, port: int) -> None:
    uid, other = new_uid(), new_uid()
    files = [image(uid), image(other, replaced={STUDY_INSTANCE_UID: b"1.2.3"})]
    answer = store(port, files, path=f"/studies/{STUDY}")
    assert (answer.status, answer.stored(), answer.reasons()) == (202, [uid], [Status.DATASET_MISMATCH])
    alone = store(port, [image(new_uid())], path="/studies/1.2.3")
    assert (alone.status, alone.reasons()) == (409, [Status.DATASET_MISMATCH])


def test_an_object_without_its_uids_conflicts(port: int) -> None:
    answer = store(port, [part10(dataset("1.2.3", left_out=frozenset({SOP_CLASS_UID})), "1.2.3")])
    assert (answer.status, answer.reasons(OTHER)) == (409, [Status.DATASET_MISMATCH])


@pytest.mark.parametrize("preamble", [b"MZ\x90", b"\x7fELF", b"<html>", b"II*\0"])
def test_a_preamble_is_not_kept_and_that_is_told(server: Server, port: int, preamble: bytes) -> None:
    uid = new_uid()
    answer = store(port, [part10(dataset(uid), uid, preamble=preamble)])
    assert answer.status == 200
    assert "without the preamble" in answer.headers["warning"]
    (row,) = [row for row in server.rows() if row.sop_instance_uid == uid]
    assert (server.directory / "objects" / row.path).read_bytes()[:128] == bytes(128)


def test_the_answer_is_xml_where_that_is_asked_for(port: int) -> None:
    uid = new_uid()
    headers = {"Content-Type": related(), "Accept": _XML}
    answer = ask(port, "POST", "/studies", multipart([("application/dicom", image(uid))]), headers)
    assert (answer.status, answer.headers["content-type"]) == (200, _XML)
    assert uid in [value.text for value in ET.fromstring(answer.body).iter() if value.tag.endswith("Value")]  # noqa: S314


def test_an_answer_in_no_form_that_there_is_costs_no_upload(port: int) -> None:
    headers = {"Content-Type": related(), "Accept": "image/png"}
    assert ask(port, "POST", "/studies", multipart([("application/dicom", image(new_uid()))]), headers).status == 406


# What is not taken.


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("", 415),
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
        (f'multipart/related; type="image/jpeg"; boundary={BOUNDARY}', 415),
        ('multipart/related; type="application/dicom"', 400),
        ('multipart/related; type="application/dicom"; boundary=""', 400),
        ("multipart/related; boundary", 400),
        ("a/b, c/d", 415),
    ],
)
def test_a_body_of_no_kind_that_is_taken_is_refused(port: int, content_type: str, status: int) -> None:
    assert post(port, multipart([("application/dicom", image(new_uid()))]), content_type).status == status


def test_a_body_in_another_coding_is_refused(port: int) -> None:
    headers = {"Content-Type": related(), "Content-Encoding": "gzip"}
    assert ask(port, "POST", "/studies", b"\x1f\x8b", headers).status == 415


@pytest.mark.parametrize("more", [{"Content-Transfer-Encoding": "base64"}, {"Content-Encoding": "gzip"}])
def test_a_part_in_another_coding_is_refused(port: int, more: dict[str, str]) -> None:
    answer = post(port, multipart([("application/dicom", image(new_uid()), more)]))
    assert (answer.status, answer.reasons(OTHER)) == (415, [Status.CANNOT_UNDERSTAND])


def test_a_part_of_another_kind_does_not_keep_the_others_out(port: int) -> None:
    uid = new_uid()
    answer = post(port, multipart([("text/plain", b"hello"), ("application/dicom", image(uid))]))
    assert (answer.status, answer.stored(), answer.reasons(OTHER)) == (202, [uid], [Status.CANNOT_UNDERSTAND])


@pytest.mark.parametrize("body", [b"", b"--example-boundary--", b"[]"])
def test_a_request_without_an_object_is_refused(port: int, body: bytes) -> None:
    assert post(port, body, _JSON if body == b"[]" else related()).status == 400


def test_of_a_body_that_is_cut_short_what_came_whole_is_kept(server: Server, port: int) -> None:
    whole, cut = new_uid(), new_uid()
    body = multipart(("application/dicom", image(uid, pixels=bytes(100_000))) for uid in (whole, cut))
    answer = post(port, body[:-200])
    assert (answer.status, answer.stored(), answer.reasons(OTHER)) == (202, [whole], [Status.CANNOT_UNDERSTAND])
    assert "not read to its end" in answer.headers["warning"]
    assert cut not in {row.sop_instance_uid for row in server.rows()}
    assert not server.incoming()
    assert post(port, body[:1_000]).status == 400


def test_a_client_that_goes_away_leaves_whole_objects_only(server: Server, port: int) -> None:
    whole, cut = new_uid(), new_uid()
    body = multipart(("application/dicom", image(uid, pixels=bytes(2 << 20))) for uid in (whole, cut))
    with socket.create_connection(("127.0.0.1", port)) as sender:
        head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: {related()}\r\n"
        sender.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: 3 << 20])
        assert wait_until(lambda: whole in {row.sop_instance_uid for row in server.rows()}, 5.0)
    assert wait_until(lambda: not server.incoming(), 5.0)
    assert cut not in {row.sop_instance_uid for row in server.rows()}


# Metadata with bulk values.


def test_metadata_and_its_bulk_values_become_an_object(server: Server, port: int) -> None:
    uids = [new_uid(), new_uid()]
    models = [described(uid, **{f"T{_PIXELS}": {"vr": "OW", "BulkDataURI": f"bulk/{uid}"}}) for uid in uids]
    parts: list[Part] = [
        ("application/octet-stream", uid.encode() * 9_000, {"Content-Location": f"bulk/{uid}"}) for uid in uids
    ]
    answer = post(port, with_metadata(models, *parts), related(_JSON))
    assert (answer.status, answer.stored()) == (200, uids)
    for uid in uids:
        found = pydicom.dcmread(io.BytesIO(part10(kept(server, uid), uid)))
        assert found.PatientName == "Müller^Jörg"
        assert found.PixelData == uid.encode() * 9_000
    assert not server.incoming()


def test_bulk_values_may_come_first_and_be_named_by_content_id(server: Server, port: int) -> None:
    uid = new_uid()
    model = described(uid, **{f"T{_PIXELS}": {"vr": "OW", "BulkDataURI": "cid:pixels@x"}})
    parts: list[Part] = [
        ("application/octet-stream", b"abcd", {"Content-ID": "<pixels@x>"}),
        (_JSON, json.dumps(model).encode()),
    ]
    assert post(port, multipart(parts), related(_JSON)).stored() == [uid]
    assert pydicom.dcmread(io.BytesIO(part10(kept(server, uid), uid))).PixelData == b"abcd"


@pytest.mark.parametrize("form", [_JSON, _XML])
def test_metadata_alone_is_an_object(server: Server, port: int, form: str) -> None:
    uid = new_uid()
    model = described(uid, T00280010={"vr": "US", "Value": [7]}, T00420011={"vr": "OB", "InlineBinary": "AQIDBA=="})
    body = json.dumps(model).encode() if form == _JSON else model_xml(model)
    assert post(port, body, form).stored() == [uid]
    found = pydicom.dcmread(io.BytesIO(part10(kept(server, uid), uid)))
    assert (found.Rows, found.EncapsulatedDocument, found.PatientName) == (7, b"\1\2\3\4", "Müller^Jörg")
    assert post(port, multipart([(form, body)]), related(form)).stored() == [uid]


def test_compressed_pixels_keep_their_frames_and_get_the_syntax_that_they_have(server: Server, port: int) -> None:
    source = pydicom.dcmread(real_file("examples_ybr_color.dcm"))
    frames = list(generate_frames(source.PixelData, number_of_frames=source.NumberOfFrames))
    uid = new_uid()
    source.SOPInstanceUID = uid
    model = source.to_json_dict(bulk_data_threshold=1_000, bulk_data_element_handler=lambda _: "pixels")
    parts: list[Part] = [("image/jpeg", frame, {"Content-Location": "pixels"}) for frame in frames]
    assert post(port, with_metadata([model], *parts), related(_JSON)).stored() == [uid]
    (row,) = [row for row in server.rows() if row.sop_instance_uid == uid]
    assert row.transfer_syntax_uid == JPEG_BASELINE == source.file_meta.TransferSyntaxUID
    found = pydicom.dcmread(server.directory / "objects" / row.path)
    assert list(generate_frames(found.PixelData, number_of_frames=found.NumberOfFrames)) == frames


def test_real_metadata_comes_back_as_it_was(server: Server, port: int) -> None:
    for name in ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "693_UNCI.dcm", "liver_1frame.dcm"):
        source = pydicom.dcmread(real_file(name))
        bulk: list[Part] = []

        def given(element: pydicom.DataElement, bulk: list[Part] = bulk) -> str:
            bulk.append(("application/octet-stream", element.value, {"Content-Location": f"bulk/{len(bulk)}"}))
            return f"bulk/{len(bulk) - 1}"

        source.SOPInstanceUID = uid = new_uid()
        source.StudyInstanceUID = STUDY
        model = source.to_json_dict(bulk_data_threshold=1_000, bulk_data_element_handler=given)
        model["00020010"] = {"vr": "UI", "Value": [EXPLICIT_VR_LITTLE_ENDIAN]}
        assert post(port, with_metadata([model], *bulk), related(_JSON)).stored() == [uid], name
        found = pydicom.dcmread(io.BytesIO(part10(kept(server, uid), uid)))
        assert found.to_json_dict(suppress_invalid_tags=True).keys() >= {
            tag for tag in model if not tag.startswith("0002") and tag[4:] != "0000"
        }, name
        assert getattr(found, "PixelData", None) == getattr(source, "PixelData", None), name
        assert found.PatientName == source.PatientName


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({f"T{_PIXELS}": {"vr": "OW", "BulkDataURI": "elsewhere"}}, Status.CANNOT_UNDERSTAND),
        ({"T00280010": {"vr": "US", "Value": [70_000]}}, Status.CANNOT_UNDERSTAND),
        ({"T0020000D": {"vr": "UI", "Value": []}}, Status.DATASET_MISMATCH),
        ({"T00083002": {"vr": "UI", "Value": ["1.2.840.10008.1.2.2"]}}, 0xC122),
    ],
    ids=["no such part", "a number too large", "no study", "big endian"],
)
def test_metadata_that_no_object_can_be_made_of_is_told_why(port: int, change: dict[str, Any], reason: int) -> None:
    answer = post(port, json.dumps(described(new_uid(), **change)).encode(), _JSON)
    assert (answer.status, answer.reasons()) == (409, [reason])


def test_metadata_without_an_identity_or_of_another_study_conflicts(port: int) -> None:
    nobody = described("1.2.3")
    del nobody["00080018"]
    answer = post(port, json.dumps(nobody).encode(), _JSON)
    assert (answer.status, answer.reasons(OTHER)) == (409, [Status.DATASET_MISMATCH])
    answer = post(port, json.dumps(described(new_uid())).encode(), _JSON, path="/studies/1.2.3")
    assert (answer.status, answer.reasons()) == (409, [Status.DATASET_MISMATCH])


def test_pixels_of_an_unknown_kind_are_refused(port: int) -> None:
    model = described(new_uid(), **{f"T{_PIXELS}": {"vr": "OW", "BulkDataURI": "x"}})
    answer = post(port, with_metadata([model], ("image/webp", b"RIFF", {"Content-Location": "x"})), related(_JSON))
    assert (answer.status, answer.reasons()) == (415, [Status.CANNOT_UNDERSTAND])


def test_what_no_delete_finds_is_not_found(port: int) -> None:
    assert ask(port, "DELETE", "/studies/9.9.9").status == 404
    assert ask(port, "DELETE", f"/studies/{STUDY}/series/9.9").status == 404
    assert ask(port, "DELETE", f"/studies/{STUDY}/series/9.9/instances/9").status == 404
    assert ask(port, "DELETE", "/studies/..%2f..").status == 400


def test_a_delete_says_how_much_is_gone(server: Server, port: int, tmp_path: Path) -> None:
    uids = [new_uid() for _ in range(3)]
    store(port, [image(uid, replaced={STUDY_INSTANCE_UID: b"1.2.3.9"}) for uid in uids])
    answer = ask(port, "DELETE", "/studies/1.2.3.9")
    assert (answer.status, answer.model) == (200, {"studies": 1, "series": 1, "instances": 3})
    assert not {row.sop_instance_uid for row in server.rows()} & set(uids)
    assert store(port, [image(uids[0])]).stored() == [uids[0]]
