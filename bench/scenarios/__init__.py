"""What is measured: one module per family of figures; `ALL` names them in the order of the table."""

from collections.abc import Callable, Mapping, Sequence

from bench.harness import Bench
from bench.scenarios import (
    commitment,
    find,
    full_index,
    hl7,
    idle,
    observing_cost,
    ohif,
    pages,
    pool,
    postgresql,
    retrieve,
    send,
    start,
    stop,
    store,
    web_frames,
    web_metadata,
    web_query,
    web_transfer,
    workitems,
)

ALL: Mapping[str, Callable[[Bench], None]] = {
    "store_ct": store.store_ct,
    "store_small": store.store_small,
    "store_big": store.store_big,
    "store_relaxed": store.store_relaxed,
    "get_move": retrieve.get_move,
    "find": find.find,
    "send": send.send,
    "idle": idle.idle,
    "full_index": full_index.full_index,
    "pool": pool.pool,
    "start": start.start,
    "stop": stop.stop,
    "metrics_cost": observing_cost.metrics_cost,
    "tracing_cost": observing_cost.tracing_cost,
    "web_metadata": web_metadata.web_metadata,
    "web_query": web_query.web_query,
    "web_rate": web_query.web_rate,
    "web_native": web_frames.web_native,
    "web_encapsulated": web_frames.web_encapsulated,
    "web_rendered": web_frames.web_rendered,
    "web_wado": web_transfer.web_wado,
    "web_stow": web_transfer.web_stow,
    "web_memory": web_transfer.web_memory,
    "hl7": hl7.hl7,
    "ohif": ohif.ohif,
    "commitment": commitment.commitment,
    "pages_list": pages.pages_list,
    "pages_viewer": pages.pages_viewer,
    "ups_claims": workitems.claims,
    "postgresql_index": postgresql.postgresql_index,
}
_OF_OPERATIONS = ("start", "stop", "metrics_cost", "tracing_cost")
_OF_DEPARTMENT = ("commitment", "hl7", "ups_claims")
_NOT_DIMSE = ("web_", "ohif", "pages_", "postgresql_", *_OF_OPERATIONS, *_OF_DEPARTMENT)
GROUPS: Mapping[str, Sequence[str]] = {
    "dimse": [name for name in ALL if not name.startswith(_NOT_DIMSE)],
    "web": [name for name in ALL if name.startswith("web_")],
    "viewer": ["ohif"],
    "department": list(_OF_DEPARTMENT),
    "operations": list(_OF_OPERATIONS),
    "pages": [name for name in ALL if name.startswith("pages_")],
    "postgresql": ["postgresql_index"],
}
"""What can be named instead of many scenarios; each has a section of its own in docs/performance.md."""
