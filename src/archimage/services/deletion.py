"""Deleting on request: what is small at once, what takes a while as a job."""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from archimage.errors import NotFoundError
from archimage.model.ids import check_uid
from archimage.model.jobs import Job, JsonValue, Priority
from archimage.model.records import Removed
from archimage.model.tasks import Task
from archimage.ports.jobs import Progress, Rules
from archimage.services.catalogue import CatalogueService, Wanted
from archimage.services.jobs import JobService
from archimage.services.removal import RemovalService

AT_ONCE: Final = 1_000  # instances
DELETE: Final = "delete"

Remove = Callable[[], Removed]


class DeletionService:
    """Deletes; all of it blocks. Raises what `RemovalService` raises, now or in the job."""

    def __init__(self, removal: RemovalService, catalogue: CatalogueService, jobs: JobService) -> None:
        self._removal = removal
        self._catalogue = catalogue
        self._jobs = jobs
        jobs.register(DELETE, self._work, Rules(at_once=2))

    def study(self, study_instance_uid: str) -> Removed | Task:
        """Delete a study."""
        instances = self._catalogue.study(study_instance_uid).instances
        return self._delete(instances, (study_instance_uid,), lambda: self._removal.remove_study(study_instance_uid))

    def series(self, study_instance_uid: str, series_instance_uid: str) -> Removed | Task:
        """Delete a series, and its study if that becomes empty."""
        check_uid(series_instance_uid)
        instances = self._catalogue.instances(study_instance_uid, series_instance_uid, Wanted(limit=1)).total
        return self._delete(
            instances,
            (study_instance_uid, series_instance_uid),
            lambda: self._removal.remove_series(study_instance_uid, series_instance_uid),
        )

    def instance(self, sop_instance_uid: str) -> Removed:
        """Delete an instance, and what becomes empty above it."""
        found = self._catalogue.instance(sop_instance_uid)
        return self._removal.remove_instance(
            found.study_instance_uid, found.series_instance_uid, found.sop_instance_uid
        )

    def _delete(self, instances: int, uids: tuple[str, ...], remove: Remove) -> Removed | Task:
        if instances <= AT_ONCE:
            return remove()
        self._removal.check_held(uids[0])
        title = f"Deleting {instances} instances of {'/'.join(uids)}"
        payload: JsonValue = {"uids": list(uids), "instances": instances}
        number = self._jobs.submit(DELETE, title, payload, priority=Priority.HIGH, key="/".join(uids))
        return self._jobs.get(number).as_task()

    def _work(self, job: Job, progress: Progress) -> JsonValue:
        """Delete a study, or a series of one; what is gone already was deleted by an earlier try."""
        payload = cast("Mapping[str, Any]", job.payload)
        study, *series = payload["uids"]
        progress.tell(0, int(payload["instances"]))
        try:
            removed = self._removal.remove_series(study, *series) if series else self._removal.remove_study(study)
        except NotFoundError:
            if job.attempts == 1:
                raise
            return {"studies": 0, "series": 0, "instances": 0}
        progress.tell(removed.instances, int(payload["instances"]))
        return {"studies": removed.studies, "series": removed.series, "instances": removed.instances}
