"""Files that are more than a DICOM file: what stands in their preamble is not kept (PS3.10 §7.1)."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from archimage.dicom.part10 import FileMeta, decode_file_meta, encode_file_meta
from archimage.index.sqlite import SqliteIndex
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLEMENTATION_CLASS_UID
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.wire import CT


@pytest.mark.parametrize(
    "preamble",
    [b"MZ\x90\0", b"\x7fELF", b'{"a": 1}', b"<script>alert(1)</script>"],
    ids=["PE", "ELF", "JSON", "HTML"],
)
def test_a_hostile_preamble_is_zeroed_on_import(tmp_path: Path, preamble: bytes) -> None:
    uid, data_directory = new_uid(), tmp_path / "data"
    data = dataset(uid)
    meta = FileMeta(CT, uid, EXPLICIT_VR_LITTLE_ENDIAN, IMPLEMENTATION_CLASS_UID)
    file = tmp_path / "polyglot.dcm"
    file.write_bytes(preamble.ljust(128, b"\xcc") + encode_file_meta(meta)[128:] + data)
    command = [sys.executable, "-m", "archimage", "import", str(file), "--data", str(data_directory)]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    with closing(SqliteIndex(data_directory / "index.db")) as index:
        stored = index.lookup(uid)
    assert stored is not None
    kept = (data_directory / "objects" / stored.path).read_bytes()
    assert kept[:128] == bytes(128)
    assert kept[decode_file_meta(kept)[1] :] == data
