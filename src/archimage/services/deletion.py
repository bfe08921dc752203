"""Deleting on request: what is small at once, what takes a while as a task."""

from collections.abc import Callable, Sequence
from typing import Final

from archimage.model.ids import check_uid
from archimage.model.records import Removed
from archimage.model.tasks import Task
from archimage.services.catalogue import CatalogueService, Wanted
from archimage.services.removal import RemovalService
from archimage.services.tasks import Progress, TaskService

AT_ONCE: Final = 1_000  # instances

Remove = Callable[[], Removed]


class DeletionService:
    """Deletes; all of it blocks. Raises what `RemovalService` raises, now or in the task."""

    def __init__(self, removal: RemovalService, catalogue: CatalogueService, tasks: TaskService) -> None:
        self._removal = removal
        self._catalogue = catalogue
        self._tasks = tasks

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

    def _delete(self, instances: int, uids: Sequence[str], remove: Remove) -> Removed | Task:
        if instances <= AT_ONCE:
            return remove()

        self._removal.check_held(uids[0])

        def work(progress: Progress) -> dict[str, int]:
            progress.tell(0, instances)
            removed = remove()
            return {"studies": removed.studies, "series": removed.series, "instances": removed.instances}

        return self._tasks.start("delete", f"Deleting {instances} instances of {'/'.join(uids)}", work)
