"""Plugins as people write them, good and bad, and real objects for them."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from archimage.model.plugins import PluginSource

INSTANCE: Final[Mapping[str, Any]] = {
    "sop_instance_uid": "1.2.3.4",
    "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
    "series_instance_uid": "1.2.3",
    "study_instance_uid": "1.2",
    "transfer_syntax_uid": "1.2.840.10008.1.2.1",
    "size_bytes": 1000,
    "patient_id": "SECRET-ID",
}


def write(folder: Path, name: str, text: str) -> PluginSource:
    """Write a plugin into a folder; return where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(text), "utf-8")
    return PluginSource(name, "folder", str(path))
