"""Orthanc's paths as we serve them, called by pyorthanc, and beside the real Orthanc that holds the same objects."""

import io
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx
import pydicom
import pyorthanc
import pytest
from pydicom.data import get_testdata_file

from archimage.dicom.demo import SLICES, demo_files, number_of_files
from archimage.dicom.scan import scan
from archimage.protocol import uids
from tests.interop.orthanc import run_orthanc
from tests.interop.peers import Sample, free_port, serve_both

_SOP_CLASS_UID: Final = 0x00080016
_CT: Final = "CT_small.dcm"
_LEVELS: Final = ("patients", "studies", "series", "instances")
_DIFFERENT: Final = {
    *("FileSize", "FileUuid", "IsStable", "LastUpdate", "Labels"),  # of the server, or of a newer Orthanc
    *("ExpectedNumberOfInstances", "Status"),  # which we do not work out
}
_BETTER: Final = {
    *("FrameIncrementPointer",),  # of which Orthanc tells the first value alone
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")),  # and of these none
}
Client: TypeAlias = Any
"""`pyorthanc.Orthanc`, whose answers have no type of their own."""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Our server, empty."""
    with (
        serve_both(tmp_path_factory.mktemp("ours") / "data") as served,
        pyorthanc.Orthanc(_root(served.dicomweb_url)) as client,
    ):
        client.timeout = 60
        yield client


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The real Orthanc, empty."""
    folder = tmp_path_factory.mktemp("theirs")
    with (
        run_orthanc(folder, free_port(), {}) as orthanc,
        pyorthanc.Orthanc(f"http://127.0.0.1:{orthanc.http_port}") as client,
    ):
        client.timeout = 60
        yield client


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Client]:
    """Our server with the demo images."""
    with serve_both(tmp_path / "data") as served, pyorthanc.Orthanc(_root(served.dicomweb_url)) as client:
        client.timeout = 60
        for file in demo_files():
            client.post_instances(file)
        yield client


def _root(dicomweb: str) -> str:
    return dicomweb.removesuffix("/dicom-web")


@pytest.fixture(scope="module")
def kept(ours: Client, theirs: Client, samples: list[Sample]) -> dict[str, Sample]:
    """Real files that both hold, by the identifier that both give; no two are of one UID, or leave theirs out.

    Orthanc does not read files that give UIDs the VR UN, and takes backslashes for yen signs where value 1 of Specific
    Character Set is ISO 2022 IR 13.
    """
    found: dict[str, Sample] = {}
    for sample in samples:
        if not sample.study_instance_uid:
            continue
        header = scan(sample.dataset, sample.pair[1], frozenset({_SOP_CLASS_UID}))
        charset = header.text(0x00080005) or ""
        if header.found[_SOP_CLASS_UID][0] == "UN" or charset.startswith("ISO 2022 IR 13"):
            continue
        data = sample.path.read_bytes()
        first = ours.post_instances(data)
        if first["Status"] == "Success" and _is_read(theirs, data):
            assert first == theirs.post_instances(data) | {"Status": "Success"}
            found[first["ID"]] = sample
    return found


def _is_read(theirs: Client, data: bytes) -> bool:
    try:
        theirs.post_instances(data)
    except httpx.HTTPError:
        return False
    return True


def test_the_same_objects_have_the_same_identifiers(ours: Client, theirs: Client, kept: dict[str, Sample]) -> None:
    assert len(kept) > 100
    assert {sample.pair[1] for sample in kept.values()} >= {uids.IMPLICIT_VR_LITTLE_ENDIAN, uids.JPEG_BASELINE}
    for level in _LEVELS:
        there = set(theirs._get(f"{theirs.url}/{level}"))
        assert there <= set(ours._get(f"{ours.url}/{level}")), level


@pytest.mark.parametrize("patient_id", ["MÜLLER 1", " lead and trail ", "two  spaces", "lower Case", "a\\b", ""])
def test_identifiers_are_the_same_whatever_the_patient_id(ours: Client, theirs: Client, patient_id: str) -> None:
    dataset = pydicom.dcmread(str(get_testdata_file(_CT)))
    dataset.PatientID = patient_id.split("\\") if "\\" in patient_id else patient_id
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        dataset[keyword].value += "".join(f".{ord(char)}" for char in patient_id)[:12].rstrip(".") or ".0"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    file = io.BytesIO()
    dataset.save_as(file)
    first, second = (client.post_instances(file.getvalue()) for client in (ours, theirs))
    assert first == second
    assert ours.get_instances_id(first["ID"])["ParentSeries"] == first["ParentSeries"]


def test_the_same_objects_are_described_alike(ours: Client, theirs: Client, kept: dict[str, Sample]) -> None:
    for level in _LEVELS:
        mine = {one["ID"]: one for one in ours._get(f"{ours.url}/{level}", {"expand": ""})}
        for other in theirs._get(f"{theirs.url}/{level}", {"expand": ""}):
            assert _comparable(mine[other["ID"]], other) == _comparable(other, other), level


def _comparable(told: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is the server's own; of the lists of what stands below, what the other server has of it too.

    To Orthanc all without a Patient ID are one person, of the first one's name.
    """
    strangers = not other.get("PatientMainDicomTags", {"PatientID": "?"}).get("PatientID")
    return {
        name: sorted(set(value) & set(other[name])) if isinstance(value, list) else value
        for name, value in told.items()
        if name not in _DIFFERENT and not (strangers and name == "PatientMainDicomTags")
    }


def test_data_sets_are_told_alike(ours: Client, theirs: Client, kept: dict[str, Sample]) -> None:
    for identifier, sample in kept.items():
        first, second = (client.get_instances_id_tags(identifier) for client in (ours, theirs))
        assert _public(first) == _public(second), sample.path.name
        short, other = (client.get_instances_id_tags(identifier, {"short": True}) for client in (ours, theirs))
        assert short.keys() == other.keys()
        assert _without_private(ours.get_instances_id_simplified_tags(identifier)) == _simple(_public(second))


def _public(tags: dict[str, Any]) -> dict[str, Any]:
    """Leave out private elements, whose names and VRs are from dictionaries of each server's own."""
    return {
        tag: {
            **entry,
            "Name": entry["Name"].removeprefix("RETIRED_"),
            "Value": [_public(item) for item in entry["Value"]] if entry["Type"] == "Sequence" else entry["Value"],
        }
        for tag, entry in tags.items()
        if not int(tag[:4], 16) & 1 and entry["Name"] not in _BETTER
    }


def _simple(tags: dict[str, Any]) -> dict[str, Any]:
    """Make simplified tags of tags."""
    return {
        entry["Name"]: [_simple(item) for item in entry["Value"]] if entry["Type"] == "Sequence" else entry["Value"]
        for entry in tags.values()
    }


def _without_private(tags: dict[str, Any]) -> dict[str, Any]:
    return {
        name: [_without_private(item) for item in value] if isinstance(value, list) else value
        for name, value in tags.items()
        if "," not in name and name not in {"PrivateCreator", *_BETTER}
    }


def test_pyorthanc_walks_from_patients_to_instances(fresh: Client) -> None:
    patients = [pyorthanc.Patient(identifier, fresh) for identifier in fresh.get_patients()]
    patient = next(one for one in patients if one.patient_id == "DEMO-CT")
    assert (patient.name, patient.sex, patient.birth_date) == ("Demo^CT", "O", datetime(1960, 1, 1))  # noqa: DTZ001
    (study,) = patient.studies
    assert study.date == datetime(2024, 1, 2, 10, 15)  # noqa: DTZ001
    assert study.parent_patient.patient_id == study.patient_information["PatientID"] == "DEMO-CT"
    assert sorted(one.modality for one in study.series) == ["CT", "SEG", "SR"]
    series = next(one for one in study.series if one.modality == "CT")
    assert (series.description, series.parent_study.uid) == ("Axial with contrast", study.uid)
    assert sorted(one.instance_number for one in series.instances) == list(range(1, SLICES + 1))
    instance = next(one for one in series.instances if one.instance_number == 7)
    assert instance.image_position_patient[2] == instance.get_pydicom().ImagePositionPatient[2]
    assert instance.parent_patient == patient
    assert instance.tags["0010,0020"] == {"Name": "PatientID", "Type": "String", "Value": "DEMO-CT"}
    assert instance.simplified_tags["Modality"] == instance.get_content_by_tag("0008-0060") == "CT"
    assert (series.last_update - datetime.now()).total_seconds() < 86_400  # noqa: DTZ005


def test_pyorthanc_gets_files_and_archives(fresh: Client) -> None:
    (study,) = pyorthanc.find_studies(fresh, {"PatientID": "DEMO-MR"})
    instances = [one for series in study.series for one in series.instances]
    uids_of_study = {one.uid for one in instances}
    dataset = instances[0].get_pydicom()
    assert dataset.SOPInstanceUID == instances[0].uid
    assert dataset.pixel_array.any()
    whole = io.BytesIO()
    study.parent_patient.download(whole)
    series = study.series[0]
    uids_of_series = {one.uid for one in series.instances}
    wanted = ((whole, uids_of_study), (io.BytesIO(study.get_zip()), uids_of_study))
    for archive, held in (*wanted, (io.BytesIO(series.get_zip()), uids_of_series)):
        with zipfile.ZipFile(archive) as opened:
            assert opened.testzip() is None
            assert {pydicom.dcmread(opened.open(name)).SOPInstanceUID for name in opened.namelist()} == held
    assert fresh.get_instances_id_preview(instances[0].id_).startswith(b"\x89PNG")


def test_pyorthanc_finds_by_level_wildcard_range_and_list(fresh: Client) -> None:
    def found(find: Any, **query: str) -> list[str]:
        return sorted(one.main_dicom_tags.get("StudyID") or one.id_ for one in find(fresh, query))

    assert len(found(pyorthanc.find_patients, PatientName="demo^*")) == len(fresh.get_patients()) == 4
    assert len(found(pyorthanc.find_studies, PatientID="DEMO-?T")) == 1
    assert len(found(pyorthanc.find_studies, StudyDate="20240101-20240102", ModalitiesInStudy="CT\\MR")) >= 1
    assert len(found(pyorthanc.find_series, Modality="CT")) == 1
    assert len(found(pyorthanc.find_instances, Modality="CT", InstanceNumber="7")) == 1
    assert pyorthanc.find_instances(fresh, {"Modality": "CT"}, limit=7, retrieve_all_resources=False)[6:]
    assert len(pyorthanc.find_instances(fresh, {"Modality": "CT"}, limit=7)) == SLICES
    trees = pyorthanc.find(fresh, series_filter=lambda series: series.modality == "CT")
    assert [patient.patient_id for patient in trees] == ["DEMO-CT"]


def test_pyorthanc_labels_studies(fresh: Client) -> None:
    (study,) = pyorthanc.find_studies(fresh, {"PatientID": "DEMO-CT"})
    study.add_label("teaching")
    assert study.labels == ["teaching"]
    assert pyorthanc.find_studies(fresh, labels=["teaching"]) == [study]
    study.remove_label("teaching")
    assert (study.labels, pyorthanc.find_studies(fresh, labels=["teaching"])) == ([], [])


def test_pyorthanc_uploads_files_data_sets_and_archives(ours: Client, tmp_path: Path) -> None:
    ct, mr = (str(get_testdata_file(name)) for name in (_CT, "MR_small.dcm"))
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(ct, "ct.dcm")
        archive.write(mr, "sub/mr.dcm")
        archive.writestr("notes.txt", "no image")
    for what in (ct, pydicom.dcmread(ct)):
        (instance,) = pyorthanc.upload(ours, what)
        assert instance.uid == pydicom.dcmread(ct).SOPInstanceUID
        assert pyorthanc.upload(ours, what, check_before_upload=True) == [instance]
    assert {one.uid for one in pyorthanc.upload(ours, str(tmp_path / "two.zip"))} == {
        pydicom.dcmread(path).SOPInstanceUID for path in (ct, mr)
    }


def test_pyorthanc_deletes_for_good(fresh: Client) -> None:
    (series,) = pyorthanc.find_series(fresh, {"Modality": "CT"})
    first, *_ = series.instances
    assert fresh.delete_instances_id(first.id_)["RemainingAncestor"]["ID"] == series.id_
    with pytest.raises(httpx.HTTPError, match="404"):
        first.get_dicom_file_content()
    assert len(series.instances) == SLICES - 1
    patient = series.parent_patient
    assert fresh.delete_patients_id(patient.id_) == {"RemainingAncestor": None}
    assert patient.id_ not in fresh.get_patients()
    assert fresh.get_statistics()["CountInstances"] == len(fresh.get_instances())
    assert len(fresh.get_instances()) == number_of_files() - SLICES - 2  # with the CT go its segmentation and report
