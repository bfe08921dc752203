"""The data set of an instance as a tree that a page can show; large binary values are given by reference."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from archimage.dicom.dictionary import keyword_of_tag, name_of_tag
from archimage.errors import ExcessiveRequestError
from archimage.model.listings import Element, InstanceTags
from archimage.services.catalogue import CatalogueService
from archimage.services.metadata import MetadataService

MAX_BYTES: Final = 8 << 20
"""Of the metadata as JSON: a page that shows more helps nobody."""


class TagService:
    """Reads data sets; all of it blocks."""

    def __init__(self, catalogue: CatalogueService, metadata: MetadataService) -> None:
        self._catalogue = catalogue
        self._metadata = metadata

    def get(self, sop_instance_uid: str) -> InstanceTags:
        """Return the data set of an instance.

        Raises:
            NotFoundError: it is not kept.
            ExcessiveRequestError: it is larger than anybody would look at.
        """
        found = self._catalogue.instance(sop_instance_uid)
        uids = (found.study_instance_uid, found.series_instance_uid, found.sop_instance_uid)
        metadata = self._metadata.instance(*uids)
        if metadata.size_bytes > MAX_BYTES:
            raise ExcessiveRequestError(f"the data set has {metadata.size_bytes} bytes; get {found.address}/metadata")
        (data_set,) = orjson.loads(b"".join(metadata.json()))
        return InstanceTags(*uids, _elements(data_set))


def _elements(data_set: Mapping[str, Any]) -> Sequence[Element]:
    return [_element(tag, content) for tag, content in data_set.items()]


def _element(tag: str, content: Mapping[str, Any]) -> Element:
    number, vr = int(tag, 16), content["vr"]
    values = content.get("Value", ())
    return Element(
        tag=tag,
        keyword=keyword_of_tag(number),
        name=name_of_tag(number),
        vr=vr,
        values=() if vr == "SQ" else [_value(value) for value in _all_values(content, values)],
        items=[_elements(item) for item in values] if vr == "SQ" else (),
        bulk_data=content.get("BulkDataURI", ""),
    )


def _all_values(content: Mapping[str, Any], values: Sequence[Any]) -> Sequence[Any]:
    return [content["InlineBinary"]] if "InlineBinary" in content else values


def _value(value: Any) -> str | int | float | None:
    """Return a value as it is; of a person name its groups, joined as in the object."""
    if isinstance(value, Mapping):
        groups = [value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return value  # type: ignore[no-any-return]
