"""What plugins are written with: hooks, what they are told, and what they may answer (docs/plugins.md).

    from archimage.plugin import Instance, Label, hook

    @hook
    def on_instance_stored(instance: Instance) -> Label | None:
        dataset = instance.dataset()
        return Label("contrast") if "ContrastBolusAgent" in dataset else None

It needs no server: whatever a hook is told can be made in a test of one's own (`Instance.of_file`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = [
    "HOOKS",
    "Association",
    "FailedJob",
    "Hook",
    "Instance",
    "Label",
    "Narrow",
    "Query",
    "Refuse",
    "Removed",
    "Routed",
    "Send",
    "Study",
    "hook",
]

Hook = Literal[
    "on_instance_stored",
    "on_study_complete",
    "on_study_deleted",
    "on_routed",
    "on_job_failed",
    "on_query",
    "on_association",
]
"""The hooks there are."""
HOOKS: Final[tuple[Hook, ...]] = get_args(Hook)
MARK: Final = "__archimage_hook__"
"""Attribute of what `hook` has marked."""

Function = TypeVar("Function", bound=Callable[..., Any])


def hook(function: Function) -> Function:
    """Mark a function as the hook of its name; a plain function of such a name is one too.

    Raises:
        TypeError: there is no such hook.
    """
    name = getattr(function, "__name__", "")
    if name not in HOOKS:
        raise TypeError(f"{name!r} is no hook; there are {', '.join(HOOKS)}")
    function.__dict__[MARK] = name
    return function


@dataclass(frozen=True, slots=True)
class Label:
    """Give the study a label, 1 to 64 characters; an answer of hooks on what came and what rules act on."""

    name: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send the instance, or the whole study, to a node by its AE title; an answer of the same hooks as `Label`."""

    node: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse a query or an association; the reason is logged, and the peer of a query is told it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Narrow:
    """Let a query find only what matches these keys as well: keyword to value, as the asker would write them."""

    keys: Mapping[str, str]


Told = Label | Send
Read = Callable[[str, bool], bytes]
"""Returns an instance by its SOP Instance UID: the whole file, or what stands before its pixels."""


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance that was stored; received_at is seconds since 1970, UTC, size_bytes that of its file."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    size_bytes: int
    patient_id: str = ""
    modality: str = ""
    source_ae_title: str = ""
    received_at: float = 0.0
    read: Read | None = field(default=None, repr=False, compare=False)
    """Where its bytes come from, `dataset` and `file` ask for them."""

    def dataset(self, *, pixels: bool = False) -> "Dataset":
        """Return its data set; without its pixels, and what follows them, unless these are asked for.

        Raises:
            LookupError: it was removed meanwhile, or is larger than a plugin may read.
        """
        from pydicom import dcmread  # only who needs it waits for it

        return dcmread(BytesIO(self._bytes(whole=pixels)), force=True, stop_before_pixels=not pixels)

    def file(self) -> bytes:
        """Return the whole DICOM file; raises as `dataset`."""
        return self._bytes(whole=True)

    @classmethod
    def of_file(cls, path: str | Path) -> "Instance":
        """Return what the archive would tell of a file, for trying a hook."""
        from pydicom import dcmread

        path = Path(path)
        found = dcmread(path, stop_before_pixels=True)

        def text(keyword: str) -> str:
            return str(found.get(keyword, ""))

        return cls(
            text("SOPInstanceUID"),
            text("SOPClassUID"),
            text("SeriesInstanceUID"),
            text("StudyInstanceUID"),
            str(found.file_meta.get("TransferSyntaxUID", "")),
            path.stat().st_size,
            text("PatientID"),
            text("Modality"),
            read=lambda _uid, _whole: path.read_bytes(),
        )

    def _bytes(self, *, whole: bool) -> bytes:
        if self.read is None:
            raise LookupError("nothing can be read of it here")
        return self.read(self.sop_instance_uid, whole)


@dataclass(frozen=True, slots=True)
class Study:
    """A study of which nothing came for a while; dates and names as they stand in its objects, empty when absent."""

    study_instance_uid: str
    patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    study_date: str = ""
    accession_number: str = ""
    study_description: str = ""
    modalities: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    series_count: int = 0
    instance_count: int = 0
    list_instances: Callable[[str], Iterator[Instance]] | None = field(default=None, repr=False, compare=False)
    """Where its instances come from, `instances` asks for them."""

    def instances(self) -> Iterator[Instance]:
        """Yield its instances, by series and number; they are asked for when they are needed.

        Raises:
            LookupError: it was removed meanwhile.
        """
        if self.list_instances is None:
            raise LookupError("nothing can be listed of it here")
        return self.list_instances(self.study_instance_uid)


@dataclass(frozen=True, slots=True)
class Routed:
    """What a rule of routing acts on, whose action `plugin:NAME` runs the hook: a study, and what came of it since.

    on is "study" where the rule acts on studies, "instance" where it acts on single objects.
    """

    rule: str
    on: Literal["study", "instance"]
    study: Study
    sop_instance_uids: tuple[str, ...] = ()

    def instances(self) -> Iterator[Instance]:
        """Yield the instances that the rule acts on now, by series and number; raises as those of the study."""
        wanted = frozenset(self.sop_instance_uids)
        return (one for one in self.study.instances() if one.sop_instance_uid in wanted)


@dataclass(frozen=True, slots=True)
class Removed:
    """A study that was deleted, with so many instances."""

    study_instance_uid: str
    instance_count: int = 0
    patient_id: str = ""
    accession_number: str = ""


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A durable job that has failed for good, until somebody has it tried again: `archimage jobs retry NUMBER`.

    kind is what was to be done (`route`, `send`, `prefetch`, `sync` ...), destination for or with whom; error says what
    went wrong last, after so many attempts, next what to do about it. Its study is empty where it is about none.
    """

    number: int
    kind: str
    title: str
    destination: str = ""
    study_instance_uid: str = ""
    attempts: int = 0
    error: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A search: keys by keyword, as they were written; what has no value asks for nothing and is not among them.

    level is PATIENT, STUDY, SERIES or IMAGE. user is who has proved to be somebody, empty where nobody has. door is the
    way he came: API stands for the pages and the management API, Orthanc for Orthanc's paths. text is what he typed
    that is looked for in several attributes at once.
    """

    door: Literal["C-FIND", "QIDO-RS", "API", "FHIR", "Orthanc"]
    level: str
    keys: Mapping[str, str] = field(default_factory=dict)
    calling_ae_title: str = ""
    address: str = ""
    user: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Association:
    """A peer asks for an association, and would be let in; abstract_syntaxes are the UIDs that it proposes."""

    calling_ae_title: str
    called_ae_title: str
    address: str
    user: str = ""
    encrypted: bool = False
    abstract_syntaxes: tuple[str, ...] = ()
