"""What is asked of remote nodes, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Offer:
    """A SOP class that was proposed to a node; why tells why it was not accepted."""

    sop_class_uid: str
    name: str
    accepted: bool
    transfer_syntax_uid: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Echo:
    """A node has answered; the rest is what it says of itself.

    elapsed_s covers connection, association and C-ECHO; max_pdu_length in bytes, 0 is without limit.
    """

    elapsed_s: float
    implementation_class_uid: str
    implementation_version_name: str
    max_pdu_length: int
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """What a node keeps: keyword to text, list of texts, or list of the same; not complete where a limit cut it."""

    level: str
    rows: Sequence[Mapping[str, object]]
    complete: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to retrieve: a study, one series of it, or instances of that series."""

    study_instance_uid: str
    series_instance_uid: str = ""
    sop_instance_uids: tuple[str, ...] = ()

    @property
    def level(self) -> str:
        """Query/Retrieve Level."""
        if self.sop_instance_uids:
            return "IMAGE"
        return "SERIES" if self.series_instance_uid else "STUDY"

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Unique keys, as keyword and value."""
        uids = (
            ("StudyInstanceUID", self.study_instance_uid),
            ("SeriesInstanceUID", self.series_instance_uid),
            ("SOPInstanceUID", "\\".join(self.sop_instance_uids)),
        )
        return tuple((keyword, value) for keyword, value in uids if value)


@dataclass(frozen=True, slots=True)
class Transfer:
    """What became of a retrieval or sending; remark says what was special about it.

    problems tells why the first instances that failed did so, by SOP Instance UID; failed_uids are all of a sending.
    """

    method: str
    completed: int
    warning: int
    failed: int
    remark: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)
    failed_uids: tuple[str, ...] = ()
