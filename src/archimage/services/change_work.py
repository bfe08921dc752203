"""The work of a change: object after object rewritten, then the rows above them put right.

It can be begun again at any point. An object that has the wanted values is left alone; what has been noted of a study
is counted anew; rows are set to what they are to be, whatever they are. So nothing has to be known of a crash.

The rows of a study are set once all of its objects are done; until then lists show the old values. Objects that come
while it lasts, or later, are stored as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from archimage.dicom.reencode import plain_syntax
from archimage.dicom.scan import HeaderScanner
from archimage.errors import ArchimageError, CancelledError, HeldError, NotFoundError
from archimage.logger import logger
from archimage.model.attributes import BY_COLUMN, Level
from archimage.model.changes import Change, ChangedStudy, ChangeState
from archimage.ports.change import Changes
from archimage.ports.index import Index
from archimage.ports.pixels import JsonValue
from archimage.services.attributes import WANTED, index_values
from archimage.services.change_plans import columns_of
from archimage.services.corrector import Corrector, Wanted
from archimage.services.frames import FrameService
from archimage.services.replacement import Replacement, ReplacementService, is_passing
from archimage.services.tasks import Progress

_BATCH: Final = 16  # objects
_ATTEMPTS: Final = 3
_TOLD_PROBLEMS: Final = 100
_log = logger("task")


@dataclass(frozen=True, slots=True)
class Tools:
    """What the work is done with; system is how this archive names itself in the objects."""

    changes: Changes
    index: Index
    frames: FrameService
    corrector: Corrector
    replacement: ReplacementService
    system: str


class ChangeWork:
    """The work of one change; it blocks. Raises CancelledError once the change is running no more."""

    def __init__(self, tools: Tools, change: Change, progress: Progress) -> None:
        self._tools = tools
        self._change = change
        self._progress = progress
        self._wanted = Wanted.of(change, tools.system)
        self._columns = columns_of(change.new_values)
        self._before = 0

    def run(self) -> dict[str, JsonValue]:
        """Do it; return how many objects were done and failed, and why these failed.

        Raises:
            CancelledError: somebody wants the end.
            OutOfResourcesError, StorageError: the disk or the index refuses; it can be begun again later.
        """
        studies = self._tools.changes.studies(self._change.number)
        done = [self._study(one) for one in studies]
        self._settle_patient()
        self._tools.index.sync()
        problems = {uid: why for one in done for uid, why in one.problems.items()}
        return {
            "completed": sum(one.done for one in done),
            "failed": sum(one.failed for one in done),
            "problems": dict(islice(problems.items(), _TOLD_PROBLEMS)),
        }

    # Objects

    def _study(self, study: ChangedStudy) -> ChangedStudy:
        """Change the objects of a study, and its rows."""
        if study.is_done and not study.failed:
            self._before += study.done
            return study
        uids = self._tools.changes.instances_of(study.study_instance_uid, self._change.series_instance_uid)
        study = replace(study, objects=len(uids), done=0, failed=0, problems={}, is_done=False)
        for start in range(0, len(uids), _BATCH):
            study = self._batch(study, uids[start : start + _BATCH])
            self._tools.changes.note(self._change.number, study)
            self._tell(study)
        if study.done:
            self._settle_rows(study.study_instance_uid)
        study = replace(study, is_done=True)
        self._tools.changes.note(self._change.number, study)
        self._before += study.done + study.failed
        return study

    def _tell(self, study: ChangedStudy) -> None:
        so_far = self._before + study.done + study.failed
        self._progress.tell(so_far, max(so_far, self._change.objects))
        now = self._tools.changes.get(self._change.number)
        if now is None or now.state is not ChangeState.RUNNING:
            raise CancelledError("the change was cancelled")

    def _batch(self, study: ChangedStudy, uids: Sequence[str]) -> ChangedStudy:
        """Change some objects; those that others replace at the same moment are tried again."""
        problems: dict[str, str] = {}
        left: Sequence[str] = uids
        for _ in range(_ATTEMPTS):
            if left:
                left = self._attempt(left, problems)
        problems.update(dict.fromkeys(left, "others replace it all the time"))
        for uid, reason in problems.items():
            _log.warning("not changed", change=self._change.number, sop_instance_uid=uid, reason=reason)
        told = dict(islice({**study.problems, **problems}.items(), _TOLD_PROBLEMS))
        done = study.done + len(uids) - len(problems)
        return replace(study, done=done, failed=study.failed + len(problems), problems=told)

    def _attempt(self, uids: Sequence[str], problems: dict[str, str]) -> Sequence[str]:
        """Change some objects; return those that are to be tried again. One that is gone has nothing to change."""
        made: list[Replacement] = []
        kept = self._tools.changes.kept(uids)
        again = []
        try:
            for uid in (uid for uid in uids if uid in kept):
                try:
                    one = self._tools.corrector.correct(kept[uid], self._wanted)
                except NotFoundError:
                    again.append(uid)
                except ArchimageError as error:
                    _note(problems, uid, error)
                else:
                    made += [one] if one is not None else []
        except BaseException:
            for one in made:
                one.content.discard()
            raise
        for one, answer in zip(made, self._tools.replacement.replace(made), strict=True):
            if isinstance(answer, NotFoundError):
                again.append(one.record.sop_instance_uid)
            elif isinstance(answer, ArchimageError):
                _note(problems, one.record.sop_instance_uid, answer)
        return again

    # Rows

    def _settle_rows(self, study: str) -> None:
        """Set the rows of a study, and whose it is."""
        change, level = self._change, self._change.kind.level
        with self._tools.index.writing() as index:
            if change.person:
                index.assign(study, change.person)
            elif level is Level.STUDY:
                index.set_study(study, self._columns)
            elif level is Level.SERIES:
                index.set_series(study, change.series_instance_uid, self._columns)

    def _settle_patient(self) -> None:
        """Set the row of the patient: his own new values, or what his other studies say of whom some were taken."""
        change = self._change
        if change.kind.level is not Level.PATIENT:
            return
        values = self._left_values() if change.person else self._columns
        try:
            with self._tools.index.writing() as index:
                index.set_patient(change.patient, values)
        except HeldError:
            if not change.person:
                raise  # else the studies that he has left are held: his row stays as they came

    def _left_values(self) -> Mapping[str, str]:
        """Return the columns of the patient whom the studies were taken from, as those that he has left tell them."""
        person = self._tools.changes.person(self._change.patient)
        columns = {name: "" for name in person or () if name in _OF_PATIENT}
        missing = set(columns)
        for values in self._values_of_patient():
            for name in missing & values.keys():
                columns[name] = values[name]
            missing -= values.keys()
            self._progress.check()
            if not missing:
                break
        return columns

    def _values_of_patient(self) -> Iterator[Mapping[str, str]]:
        """Yield what each object says that names the patient, the first that came first."""
        changes, patient = self._tools.changes, self._change.patient
        named = (patient.patient_id, patient.issuer_of_patient_id)
        for study in changes.studies_of(patient):
            uids = changes.instances_of(study)
            for start in range(0, len(uids), _BATCH):
                for kept in changes.kept(uids[start : start + _BATCH]).values():
                    stored = kept.stored
                    scanner = HeaderScanner(plain_syntax(stored.transfer_syntax_uid), WANTED)
                    scanner.feed(self._tools.frames.header(stored))
                    values = index_values(scanner.finish())
                    if (values.get("patient_id", ""), values.get("issuer_of_patient_id", "")) == named:
                        yield values


_OF_PATIENT: Final = frozenset(name for name, one in BY_COLUMN.items() if one.level is Level.PATIENT)


def _note(problems: dict[str, str], uid: str, error: ArchimageError) -> None:
    """Note why an object cannot be changed; what lies with the server, and not with it, is raised."""
    if is_passing(error):
        raise error
    problems[uid] = str(error)
