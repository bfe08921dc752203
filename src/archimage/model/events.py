"""What happened, for whoever wants to know: metrics, audit, routing."""

from dataclasses import dataclass

from archimage.model.records import InstanceRecord


@dataclass(frozen=True, slots=True)
class InstanceStored:
    """An instance was made durable and indexed; replaced tells that it took the place of another object."""

    record: InstanceRecord
    replaced: bool


@dataclass(frozen=True, slots=True)
class InstanceRefused:
    """An object was not kept, and why."""

    sop_instance_uid: str
    source_ae_title: str
    reason: str
