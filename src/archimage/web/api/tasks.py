"""`/api/v1/tasks`: work in the background."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path

from archimage.model.tasks import Task
from archimage.web.api.resources import Services, failing

TaskId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Name of the task.")]


def list_tasks(services: Services) -> Sequence[Task]:
    """List the tasks that wait, run or have ended lately, the newest first."""
    return services.tasks.list()


def get_task(task_id: TaskId, services: Services) -> Task:
    """Tell how far a task is, and what came of it."""
    return services.tasks.get(task_id)


def cancel_task(task_id: TaskId, services: Services) -> Task:
    """Ask a task to end; one that has ended stays as it is."""
    return services.tasks.cancel(task_id)


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["tasks"], responses=failing(400))
    found.add_api_route("/tasks", list_tasks, methods=["GET"])
    found.add_api_route("/tasks/{task_id}", get_task, methods=["GET"], responses=failing(404))
    found.add_api_route("/tasks/{task_id}/cancel", cancel_task, methods=["POST"], responses=failing(403, 404))
    return found
