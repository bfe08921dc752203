"""The tables of durable work: jobs, and the lanes in which they wait, one for each kind and destination."""

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text

from archimage.index.schema import metadata

job: Final = Table(
    "job",
    metadata,
    Column("pk", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("rank", Integer, nullable=False),  # the lowest first: less the priority
    Column("key", Text, nullable=False),
    Column("live_key", Text),  # NULL without a key, and once the job has ended
    Column("state", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("message", Text, nullable=False),
    Column("reached", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("next", Text, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("result", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("worker", Text, nullable=False),
    Column("held_until", Float, nullable=False),
    Column("owner", Text),  # who asked, as `caller` says; NULL where a node of the release before has kept it
    Index(None, "kind", "destination", "state", "rank", "pk"),
    Index(None, "live_key", unique=True),
    Index(None, "state", "due_at"),
    Index(None, "state", "held_until"),
    Index(None, "state", "ended_at"),
    Index(None, "owner", "pk"),
    sqlite_autoincrement=True,
)

job_lane: Final = Table(
    "job_lane",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("destination", Text, primary_key=True),
    Column("paused", Integer, nullable=False),
    Column("taken_at", Float, nullable=False),
)
