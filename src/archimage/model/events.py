"""What happened, for whoever wants to know: metrics, audit, routing, people."""

from dataclasses import dataclass

from archimage.model.callers import Caller
from archimage.model.records import InstanceRecord
from archimage.model.tasks import Task


@dataclass(frozen=True, slots=True)
class InstanceStored:
    """An instance was made durable and indexed; replaced tells that it took the place of another object.

    association_id is that of the association over which it came, if over one; caller who brought it otherwise.
    """

    record: InstanceRecord
    replaced: bool
    association_id: str = ""
    caller: Caller | None = None


@dataclass(frozen=True, slots=True)
class StudyGrew:
    """Instances of one study were stored, within a moment; those that took the place of others are among them."""

    study_instance_uid: str
    instances: int
    size_bytes: int
    source_ae_title: str


@dataclass(frozen=True, slots=True)
class InstanceRefused:
    """An object was not kept, and why; association_id is that of the association over which it came, if over one."""

    sop_instance_uid: str
    source_ae_title: str
    reason: str
    association_id: str = ""
    caller: Caller | None = None


@dataclass(frozen=True, slots=True)
class StudyRemoved:
    """A study is gone, with so many instances; the rest tells what is no longer known of it."""

    study_instance_uid: str
    instances: int
    patient_id: str = ""
    patient_name: str = ""
    accession_number: str = ""


@dataclass(frozen=True, slots=True)
class SeriesRemoved:
    """A series is gone, with so many instances."""

    study_instance_uid: str
    series_instance_uid: str
    instances: int


@dataclass(frozen=True, slots=True)
class InstanceRemoved:
    """An instance is gone."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class LabelsChanged:
    """A study has these labels now."""

    study_instance_uid: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HoldChanged:
    """A study was placed on legal hold, or released."""

    study_instance_uid: str
    held: bool


@dataclass(frozen=True, slots=True)
class TaskChanged:
    """A task began, got on or ended."""

    task: Task


@dataclass(frozen=True, slots=True)
class AssociationOpened:
    """A peer has an association with this archive; user is who it has proved to be, empty where it has not."""

    association_id: str
    calling_ae_title: str
    called_ae_title: str
    address: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class AssociationClosed:
    """It has ended; reason is empty where the peer released it."""

    association_id: str
    calling_ae_title: str
    reason: str


@dataclass(frozen=True, slots=True)
class AssociationRefused:
    """A peer asked for an association and was rejected; reason says why, in words."""

    calling_ae_title: str
    called_ae_title: str
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class NodeChanged:
    """A remote node was added, changed or removed."""

    ae_title: str
    removed: bool = False


Event = (
    InstanceStored
    | StudyGrew
    | InstanceRefused
    | StudyRemoved
    | SeriesRemoved
    | InstanceRemoved
    | LabelsChanged
    | HoldChanged
    | TaskChanged
    | AssociationOpened
    | AssociationClosed
    | AssociationRefused
    | NodeChanged
)
