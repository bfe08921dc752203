"""What plugins may ask for while they are called: an object that is kept, and which objects a study has."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from archimage.dicom.layout import DEFLATED_SYNTAXES
from archimage.errors import ExcessiveRequestError, NotFoundError
from archimage.model.attributes import BY_COLUMN, Level
from archimage.model.ids import check_uid
from archimage.model.query import Condition, Exact, Query
from archimage.model.records import StoredInstance
from archimage.ports.index import Finding
from archimage.services.frames import FrameService

MAX_INSTANCES: Final = 50_000
"""Instances of a study that are listed."""
_LISTED: Final = tuple(BY_COLUMN[name] for name in ("modality", "patient_id"))


class Serving:
    """Answers from the index and the store; all of it blocks."""

    def __init__(self, index: Finding, frames: FrameService, most_bytes: int) -> None:
        """Hand over objects of at most so many bytes."""
        self._index = index
        self._frames = frames
        self._most_bytes = most_bytes

    def answer(self, wanted: Mapping[str, Any]) -> bytes:
        """Answer one question of a plugin.

        Raises:
            ArchimageError: what it asks for cannot be had.
        """
        match wanted:
            case {"read": str(uid), "whole": bool(whole)}:
                return self._object(uid, whole=whole)
            case {"instances": str(uid)}:
                return orjson.dumps(self._instances(uid))
        raise NotFoundError("a plugin asks for something that is not served")

    def _object(self, uid: str, *, whole: bool) -> bytes:
        """Return a file, or what stands in it before the pixels."""
        instance = self._frames.instance(None, None, uid)
        if whole or instance.transfer_syntax_uid in DEFLATED_SYNTAXES:
            return self._read(instance, instance.size_bytes)
        return self._read(instance, instance.data_set_offset) + self._frames.header(instance)

    def _read(self, instance: StoredInstance, length: int) -> bytes:
        if length > self._most_bytes:
            raise ExcessiveRequestError(f"the object has {length} bytes, and a plugin may read {self._most_bytes}")
        with self._frames.open(instance) as file:
            return file.read(0, length)

    def _instances(self, uid: str) -> list[dict[str, object]]:
        within = (Condition(BY_COLUMN["study_instance_uid"], Exact(check_uid(uid))),)
        query = Query(Level.IMAGE, within, _LISTED, limit=MAX_INSTANCES)
        rows = {row["sop_instance_uid"]: row for page in self._index.find(query) for row in page}
        return [
            {
                "sop_instance_uid": one.sop_instance_uid,
                "sop_class_uid": one.sop_class_uid,
                "series_instance_uid": row["series_instance_uid"],
                "study_instance_uid": uid,
                "transfer_syntax_uid": one.transfer_syntax_uid,
                "size_bytes": one.size_bytes,
                "patient_id": row.get("patient_id", ""),
                "modality": row.get("modality", ""),
            }
            for one in self._frames.instances(uid)
            if (row := rows.get(one.sop_instance_uid)) is not None
        ]
