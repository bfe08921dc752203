"""dciodvfy finds nothing in de-identified objects that was not there before."""

import re
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID

from archimage.dicom.deidentify.pseudonyms import Pseudonyms
from archimage.dicom.demo import demo_files
from archimage.storage.secrets import project_secret
from tests.cli.planting import REAL
from tests.dicom.files import real_file
from tests.interop.peers import run, tool

MOST = [
    f"--option={name}"
    for name in (
        "clean-descriptors",
        "clean-graphics",
        "clean-structured-content",
        "retain-device-identity",
        "retain-institution-identity",
        "retain-modified-dates",
        "retain-patient-characteristics",
        "retain-safe-private",
    )
]
LEFT_OUT = {"image_dfl.dcm"}
"""dciodvfy takes a deflated data set for a broken one."""


def faults(path: Path) -> set[str]:
    """What the verifier says, without the UIDs, which are others afterwards."""
    lines = run("dciodvfy", "-new", path).stdout.splitlines()
    assert lines
    return {re.sub("<[0-9.]+>", "<UID>", line) for line in lines if line.startswith("Error")}


@pytest.mark.parametrize("options", [[], MOST], ids=["basic", "most"])
def test_dciodvfy_finds_no_new_fault(options: list[str], tmp_path: Path) -> None:
    tool("dciodvfy")
    originals, out = tmp_path / "in", tmp_path / "out"
    originals.mkdir()
    contents = [real_file(name).read_bytes() for name in REAL if name not in LEFT_OUT] + list(demo_files(slices=2))
    for number, content in enumerate(contents):
        path = originals / f"{number}.dcm"
        path.write_bytes(content)
        if number < len(REAL) - len(LEFT_OUT):  # several of the real ones share their UIDs
            dataset = pydicom.dcmread(path)
            dataset.SOPInstanceUID = UID(f"1.2.3.{number}")
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.save_as(path)
    command = [
        "deidentify",
        str(originals),
        "-o",
        str(out),
        "--project",
        "p",
        "--data",
        str(tmp_path / "data"),
        *options,
    ]
    subprocess.run([sys.executable, "-m", "archimage", *command], timeout=110, check=True, capture_output=True)
    pseudonyms = Pseudonyms(project_secret(tmp_path / "data", "p"))
    new = {}
    for path in originals.iterdir():
        uid = pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID
        new[path.name] = faults(out / f"{pseudonyms.uid(uid)}.dcm") - faults(path)
    assert {name: lines for name, lines in new.items() if lines} == {}
