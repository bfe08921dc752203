"""What two archives keep of the same patients, and how that differs."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reason:
    """For whom earlier studies are wanted, and what has them wanted: a study that is not fetched itself."""

    patient_id: str
    study_instance_uid: str = ""
    body_part: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """A study that one of two archives has not, or of which they have different numbers of instances; -1: untold."""

    study_instance_uid: str
    here: int
    there: int
    study_date: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison of studies has found; remark says what could not be compared."""

    node: str
    studies_here: int = 0
    studies_there: int = 0
    same: int = 0
    only_here: tuple[Difference, ...] = ()
    only_there: tuple[Difference, ...] = ()
    differing: tuple[Difference, ...] = ()
    remark: str = ""

    @property
    def studies(self) -> tuple[Difference, ...]:
        """All that differ."""
        return (*self.only_here, *self.only_there, *self.differing)


@dataclass(frozen=True, slots=True)
class Missing:
    """Instances of a study that one of two archives lacks: of theirs by series; all of a study stand under none."""

    only_here: tuple[str, ...] = ()
    only_there: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def there(self) -> int:
        """How many we lack."""
        return sum(map(len, self.only_there.values()))


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied of a study, and why some of it was not."""

    study_instance_uid: str
    sent: int = 0
    fetched: int = 0
    problem: str = ""
