"""`/api/v1/jobs`: durable work, done by whichever process, and tried again until it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from archimage.model.jobs import Job, JobState
from archimage.ports.jobs import Lane, Wanted
from archimage.services.jobs import MAX_SHOWN
from archimage.web.api.resources import Services, failing

Number = Annotated[int, Path(ge=1, le=1 << 62, description="Number of the job.")]


class JobListing(BaseModel):
    """Which jobs are listed."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field("", max_length=64, description="What is done: `send`, `retrieve`, `delete`, ...")
    state: JobState | None = Field(None, description="Where they stand.")
    destination: str = Field("", max_length=256, description="With or for whom: an AE title.")
    limit: int = Field(100, ge=1, le=MAX_SHOWN, description="How many at most.")
    before: int | None = Field(None, ge=1, le=1 << 62, description="Only those that are older than the one of this id.")


class JobLane(BaseModel):
    """All jobs of a kind for a destination."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(min_length=1, max_length=64, description="What is done: `send`, `retrieve`, `delete`, ...")
    destination: str = Field("", max_length=256, description="With or for whom; empty for nobody.")

    def as_lane(self) -> Lane:
        """Return it as the services know it."""
        return Lane(self.kind, self.destination)


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A job; done of total units, 0 where the total is not known. Times are seconds since 1970, UTC.

    due_at is when it is tried next; error and next are of the last try, empty where none failed.
    """

    id: int
    kind: str
    title: str
    destination: str
    priority: int
    state: JobState
    owner: str
    created_at: float
    due_at: float
    started_at: float | None
    ended_at: float | None
    attempts: int
    done: int
    total: int
    message: str
    error: str
    next: str


@dataclass(frozen=True, slots=True)
class JobDetail:
    """A job, what it is given, how far it is, and what came of it: JSON values as its kind has them."""

    job: JobSummary
    key: str
    payload: Any
    reached: Any
    result: Any


def list_jobs(listing: Annotated[JobListing, Query()], services: Services) -> Sequence[JobSummary]:
    """List jobs, the newest first."""
    wanted = Wanted(listing.kind, listing.state, listing.destination, listing.before, listing.limit)
    return [_summary(job) for job in services.jobs.find(wanted)]


def count_jobs(services: Services) -> Mapping[str, Mapping[str, int]]:
    """Count by kind and state the jobs that are listed."""
    return services.jobs.counts_found()


def list_paused(services: Services) -> Sequence[JobLane]:
    """List the kinds and destinations of which no job is begun."""
    return [JobLane(kind=lane.kind, destination=lane.destination) for lane in services.jobs.paused_lanes()]


def pause_all(lane: JobLane, services: Services) -> JobLane:
    """Begin no job of a kind for a destination until they are resumed; what runs goes on."""
    services.jobs.pause_lane(lane.as_lane())
    return lane


def resume_all(lane: JobLane, services: Services) -> JobLane:
    """Begin jobs of a kind for a destination again."""
    services.jobs.resume_lane(lane.as_lane())
    return lane


def get_job(number: Number, services: Services) -> JobDetail:
    """Tell one job, what it is given, and what came of it."""
    job = services.jobs.get(number)
    return JobDetail(_summary(job), job.key, job.payload, job.reached, job.result)


def cancel_job(number: Number, services: Services) -> JobSummary:
    """Have a job end; one that has ended stays as it is."""
    return _summary(services.jobs.cancel(number))


def pause_job(number: Number, services: Services) -> JobSummary:
    """Have a job wait until it is resumed; what it has done stays done."""
    return _summary(services.jobs.pause(number))


def resume_job(number: Number, services: Services) -> JobSummary:
    """Go on with a job that was paused, where it was."""
    return _summary(services.jobs.resume(number))


def retry_job(number: Number, services: Services) -> JobSummary:
    """Try again at once what has failed, was cancelled, or waits to be tried again."""
    return _summary(services.jobs.retry(number))


def _summary(job: Job) -> JobSummary:
    return JobSummary(
        id=job.id,
        kind=job.kind,
        title=job.title,
        destination=job.destination,
        priority=job.priority,
        state=job.state,
        owner=job.origin.owner,
        created_at=job.created_at,
        due_at=job.due_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        attempts=job.attempts,
        done=job.done,
        total=job.total,
        message=job.message,
        error=job.error,
        next=job.next,
    )


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["jobs"], responses=failing(400, 403, 503))
    found.add_api_route("/jobs", list_jobs, methods=["GET"])
    found.add_api_route("/jobs/counts", count_jobs, methods=["GET"])
    found.add_api_route("/jobs/paused", list_paused, methods=["GET"])
    found.add_api_route("/jobs/pause", pause_all, methods=["POST"], responses=failing(507))
    found.add_api_route("/jobs/resume", resume_all, methods=["POST"], responses=failing(409, 507))
    one = "/jobs/{number}"
    found.add_api_route(one, get_job, methods=["GET"], responses=failing(404))
    found.add_api_route(f"{one}/cancel", cancel_job, methods=["POST"], responses=failing(404, 507))
    for name, handler in (("pause", pause_job), ("resume", resume_job), ("retry", retry_job)):
        found.add_api_route(f"{one}/{name}", handler, methods=["POST"], responses=failing(404, 409, 507))
    return found
