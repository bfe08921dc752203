"""DICOM JSON written from bytes equals what pydicom makes of every real file, but where pydicom leaves the standard."""

import json
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest

from archimage.dicom.bulk import format_bulk_path
from archimage.dicom.inflate import Inflater
from archimage.dicom.json import metadata_json
from archimage.dicom.layout import DEFLATED_SYNTAXES
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.part10 import FileMeta
from tests.dicom.files import BROKEN, real_dataset, real_files

WHOLE = [path for path in real_files() if path.name not in BROKEN]
UNREADABLE_TO_PYDICOM = {"badVR.dcm"}
"""Its to_json_dict fails at an integer string that is no number."""

PYDICOM_THRESHOLD, OURS = 1024, 768
"""pydicom counts base64 characters, this bytes."""

Model = dict[str, dict[str, Any]]


def ours(data: bytes, syntax: str) -> Model:
    model: Model = orjson.loads(metadata_json(data, syntax, format_bulk_path, bulk_threshold_bytes=OURS))
    return model


def pydicoms(dataset: pydicom.Dataset) -> Model:
    """What to_json_dict returns, put right where it leaves the standard (see the module's docstring)."""
    model = dataset.to_json_dict(PYDICOM_THRESHOLD, str)
    return put_right(json.loads(json.dumps(model)))


def put_right(model: Model, prefix: str = "") -> Model:
    """Follow PS3.18 F.2.2 and F.2.5; a reference is to name its element, and pixels are never inline."""
    kept = {tag: attribute for tag, attribute in sorted(model.items()) if not tag.endswith("0000")}
    for tag, attribute in kept.items():
        if attribute["vr"] == "SQ":
            items = [put_right(item, f"{prefix}{tag}/{n}/") for n, item in enumerate(attribute.pop("Value"), 1)]
            attribute.update({"Value": items} if items else {})
        elif "BulkDataURI" in attribute or (tag == "7FE00010" and not prefix and len(attribute) > 1):
            kept[tag] = {"vr": attribute["vr"], "BulkDataURI": prefix + tag}
        elif "Value" in attribute:
            attribute["Value"] = [None if value == "" else value for value in attribute["Value"]]
    return kept


def inflated_dataset(path: Path) -> tuple[FileMeta, bytes]:
    """Return a file's meta information and its data set, no longer deflated."""
    meta, data = real_dataset(path)
    deflated = meta.transfer_syntax_uid in DEFLATED_SYNTAXES
    return meta, b"".join(Inflater(DEFAULT_LIMITS).feed(data)) if deflated else data


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in WHOLE])
def test_every_real_file_is_written_as_pydicom_writes_it(path: Path) -> None:
    meta, data = inflated_dataset(path)
    written = ours(data, meta.transfer_syntax_uid)
    if path.name in UNREADABLE_TO_PYDICOM:
        assert written["00280008"] == {"vr": "IS", "Value": ["1A"]}
    else:
        assert written == pydicoms(pydicom.dcmread(path))
