"""`archimage deidentify`, from files that name people to files that do not."""

import stat
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.errors import InvalidDicomError

from archimage.dicom.demo import demo_files
from tests.cli.conftest import Invoke
from tests.cli.planting import BLANKING, KINDS, Planter, burned, is_blanked, survivors
from tests.dicom.files import real_files

ALL_CLEANED = [
    f"--option={name}"
    for name in (
        "clean-descriptors",
        "clean-structured-content",
        "clean-graphics",
        "retain-safe-private",
        "retain-modified-dates",
    )
]


@pytest.mark.parametrize("options", [[], ALL_CLEANED])
def test_of_over_500_identifiers_in_files_of_every_modality_none_survives(
    options: list[str], archimage: Invoke, tmp_path: Path
) -> None:
    planter, into, out = Planter(), tmp_path / "in", tmp_path / "out"
    into.mkdir()
    planter.study(into)
    (tmp_path / "rules.toml").write_text(BLANKING)
    common = ("-o", out, "--project", "p", "--data", tmp_path / "data", "--rules", tmp_path / "rules.toml", "--json")
    result = archimage("deidentify", into, *common, *options)
    told, files = result.json, {path.name: path.read_bytes() for path in out.iterdir()}
    originals = {path.name: path.read_bytes() for path in into.iterdir()}
    assert len(survivors(planter.tokens, originals)) == len(planter.tokens) - 1 > 1000  # but for that in pixels
    assert told["written"] == len(originals) == len(files)
    assert survivors(planter.tokens, files, result.out) == set()
    assert survivors(["19370412", "MADE FOR QX"], files) == set()
    objects = {name: pydicom.dcmread(BytesIO(data)) for name, data in files.items()}
    assert {dataset.Modality for dataset in objects.values()} == KINDS
    for name, dataset in objects.items():
        assert dataset.preamble == bytes(128)
        assert name == f"{dataset.SOPInstanceUID}.dcm"
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.PatientIdentityRemoved == "YES"
        assert "SourceApplicationEntityTitle" not in dataset.file_meta
    assert is_blanked(objects.values())


def test_the_files_in_which_identifiers_are_planted_are_of_every_modality_that_there_is() -> None:
    found = set()
    for path in real_files():
        with suppress(InvalidDicomError):
            found.add(pydicom.dcmread(path, stop_before_pixels=True).get("Modality"))
    assert found - {None} <= KINDS


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT with its segmentation and report, and radiographs."""
    folder = tmp_path_factory.mktemp("few")
    for number, data in enumerate(demo_files(slices=2)):
        if pydicom.dcmread(BytesIO(data), stop_before_pixels=True).Modality in {"CT", "SEG", "SR", "CR"}:
            (folder / f"{number}.dcm").write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def radiograph() -> bytes:
    return next(data for data in demo_files(slices=2) if pydicom.dcmread(BytesIO(data)).Modality == "CR")


def test_text_in_pixels_refuses_the_object_and_a_rule_blanks_it(
    archimage: Invoke, tmp_path: Path, radiograph: bytes
) -> None:
    original, marked = tmp_path / "Qxname Zk.dcm", pydicom.dcmread(BytesIO(radiograph))
    original.write_bytes(burned(radiograph, "QXNAME ZKGIVEN 4711", (20, 8)))
    common = ["deidentify", original, "-o", tmp_path / "out", "--project", "p", "--data", tmp_path / "data"]
    refused = archimage(*common, "--json")
    assert (refused.code, refused.json["refused"]) == (1, 1)
    assert refused.json["problems"] == [{"number": 1, "reason": "frame 1 looks as if text were burned into it"}]
    assert "Qxname" not in refused.out
    assert list((tmp_path / "out").iterdir()) == []
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nmodality = "CR"\nblank = [[0, 0, 10000, 40]]\n')
    assert archimage(*common, "--rules", rules).code == 0
    (tmp_path / "data" / "archimage.toml").write_text(f'[deidentification]\nrules = "{rules}"\n')
    assert archimage(*common).code == 0
    (written,) = (tmp_path / "out").iterdir()
    result = pydicom.dcmread(written)
    assert (result.BurnedInAnnotation, result.DeidentificationMethodCodeSequence[1].CodeValue) == ("NO", "113101")
    assert len(np.unique(result.pixel_array[:40])) == 1
    assert np.array_equal(result.pixel_array[40:], marked.pixel_array[40:])


def test_an_object_that_says_that_names_are_burned_in_is_refused_without_a_rule(
    archimage: Invoke, tmp_path: Path, radiograph: bytes
) -> None:
    dataset = pydicom.dcmread(BytesIO(radiograph))
    dataset.BurnedInAnnotation = "YES"
    dataset.save_as(tmp_path / "in.dcm")
    common = ["deidentify", tmp_path / "in.dcm", "-o", tmp_path / "out", "--project", "p", "--data", tmp_path / "data"]
    assert "no rule tells where" in archimage(*common).err
    assert "clean-pixel-data was not asked for" in archimage(*common, "--keep-pixels").err
    (tmp_path / "rules.toml").write_text('[[rule]]\nmodality = "CR"\nblank = []\n')
    assert archimage(*common, "--rules", tmp_path / "rules.toml").code == 0


def test_the_same_project_makes_the_same_files_again_and_another_others(
    archimage: Invoke, tmp_path: Path, few: Path
) -> None:
    common = ["deidentify", few, "--data", tmp_path / "data"]
    for name, project in (("a", "one"), ("b", "one"), ("c", "two")):
        assert archimage(*common, "--project", project, "-o", tmp_path / name).code == 0
    first, again, other = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "abc")
    assert first == again
    assert len(first) == len(list(few.iterdir()))
    assert not set(first) & set(other)
    secrets = sorted((tmp_path / "data" / "deidentification").iterdir())
    assert [path.name for path in secrets] == ["one.secret", "two.secret"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in secrets)
    assert secrets[0].read_bytes() != secrets[1].read_bytes()


def test_references_between_objects_still_hold(archimage: Invoke, tmp_path: Path, few: Path) -> None:
    archimage("deidentify", few, "-o", tmp_path / "out", "--project", "p", "--data", tmp_path / "data")
    objects = [pydicom.dcmread(path) for path in (tmp_path / "out").iterdir()]
    uids = {dataset.SOPInstanceUID for dataset in objects}
    segmentation = next(dataset for dataset in objects if dataset.Modality == "SEG")
    named = segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert {item.ReferencedSOPInstanceUID for item in named} <= uids
    ct = next(dataset for dataset in objects if dataset.Modality == "CT")
    assert segmentation.StudyInstanceUID == ct.StudyInstanceUID
    assert segmentation.FrameOfReferenceUID == ct.FrameOfReferenceUID
    assert len({dataset.PatientID for dataset in objects if dataset.StudyInstanceUID == ct.StudyInstanceUID}) == 1


def test_of_two_objects_with_one_uid_the_second_is_told_and_a_duplicate_is_none(
    archimage: Invoke, tmp_path: Path, radiograph: bytes
) -> None:
    (tmp_path / "a.dcm").write_bytes(radiograph)
    (tmp_path / "b.dcm").write_bytes(radiograph)
    common = ["deidentify", "-o", tmp_path / "out", "--project", "p", "--data", tmp_path / "data"]
    assert archimage(*common, tmp_path / "a.dcm", tmp_path / "b.dcm").code == 0
    dataset = pydicom.dcmread(tmp_path / "b.dcm")
    dataset.Rows, dataset.Columns = dataset.Columns, dataset.Rows
    dataset.save_as(tmp_path / "b.dcm")
    result = archimage(*common, tmp_path / "a.dcm", tmp_path / "b.dcm")
    assert result.code == 1
    assert "another object" in result.err
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_what_cannot_be_asked_for_is_a_usage_error_or_a_refusal(archimage: Invoke, tmp_path: Path, few: Path) -> None:
    common = ["deidentify", few, "-o", tmp_path / "out", "--data", tmp_path / "data"]
    assert "no option is called" in archimage(*common, "--project", "p", "--option", "clean-all").err
    assert "no name of a project" in archimage(*common, "--project", "../p").err
    (tmp_path / "rules.toml").write_text('[[rule]]\nmodality = "CR"\n')
    assert archimage(*common, "--project", "p", "--rules", tmp_path / "rules.toml").code == 2
    assert not (tmp_path / "out").exists()


def test_documents_and_broken_files_are_not_written(archimage: Invoke, tmp_path: Path, radiograph: bytes) -> None:
    dataset = pydicom.dcmread(BytesIO(radiograph))
    del dataset.PixelData
    dataset.EncapsulatedDocument = b"%PDF QXNAME"
    dataset.save_as(tmp_path / "a.dcm")
    (tmp_path / "b.dcm").write_bytes(radiograph[:700])
    result = archimage(
        "deidentify", tmp_path / "a.dcm", tmp_path / "b.dcm", "-o", tmp_path / "out", "--project", "p",
        "--data", tmp_path / "data", "--json",
    )  # fmt: skip
    assert result.code == 1
    assert (result.json["refused"], result.json["failed"]) == (1, 1)
    assert list((tmp_path / "out").iterdir()) == []
