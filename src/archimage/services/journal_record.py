"""What the ingest journal knows of an object: enough to make its file and its row again."""

from dataclasses import dataclass
from typing import Any, Self

import orjson

from archimage.model.records import FrameTable, InstanceRecord
from archimage.services.original import original_of


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One object of a committed group.

    name is that of its file in `incoming/`, empty without one; replaces is the path of the object whose place it takes.
    removals is the number of the last removal when the record was written: later ones of the instance make it void.
    """

    record: InstanceRecord
    name: str
    replaces: str | None
    removals: int = 0

    def encode(self) -> bytes:
        """Return the JSON form; digests are written in hexadecimal."""
        return orjson.dumps(self, default=bytes.hex)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the JSON form; only ever what `encode` wrote, its checksum was verified."""
        body = orjson.loads(data)
        fields = body["record"]
        frames = fields.pop("frames")
        digest = bytes.fromhex(fields.pop("digest"))
        table = frames and FrameTable(**{name: _hashable(value) for name, value in frames.items()})
        original = fields.pop("original", None)
        if original is not None:
            original = original_of(original)
        record = InstanceRecord(**fields, digest=digest, frames=table, original=original)
        return cls(record, body["name"], body["replaces"], body.get("removals", 0))


def _hashable(value: object) -> Any:
    """Return JSON's lists as the tuples that they were."""
    return tuple(value) if isinstance(value, list) else value
