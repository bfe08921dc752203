"""What is measured: one module per family of figures; `ALL` names them in the order of the table."""

from collections.abc import Callable, Mapping

from bench.harness import Bench
from bench.scenarios import find, full_index, idle, pool, retrieve, send, store

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
}
