"""Claims of work items over DIMSE: many workers, each on its association, and no item is had by two.

Workers come in pairs that go through the same items from both ends, and stop where they meet: so each item is wanted by
two of them. A claim that is answered has been flushed. Afterwards it is checked that each item was had once.
"""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from http.client import HTTPConnection

import orjson

from bench import peers, wire
from bench.figures import OURS, Sample, Target
from bench.harness import Bench

CLAIMED = "UPS: work items claimed over {} associations"
WORKERS = 32
ITEMS = 4_000
_PUSH, _PULL = "1.2.840.10008.5.1.4.34.6.1", "1.2.840.10008.5.1.4.34.6.3"
_SUCCESS, _TAKEN = 0x0000, 0xC302


def claims(bench: Bench) -> None:
    """Claim all work items of an archive."""
    name = CLAIMED.format(WORKERS)
    bench.expect((Target(name, 1_000),))
    bench.alternate(name, {OURS: partial(_claims, bench, name, ITEMS // 10 if bench.quick else ITEMS)})


def _claims(bench: Bench, name: str, count: int) -> Iterator[Sample]:
    with peers.archimage(bench.work) as server:
        uids = _items(server.http_port, count)
        had: list[list[str]] = [[] for _ in range(WORKERS)]
        share = count // (WORKERS // 2)
        shares = [uids[start : start + share] for start in range(0, count, share)]
        workers = [
            threading.Thread(target=_work, args=(server.port, server.ae_title, part[::way], had[2 * at + (way < 0)]))
            for at, part in enumerate(shares)
            for way in (1, -1)
        ]
        began = time.monotonic()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        took_s = time.monotonic() - began
        times = Counter(uid for found in had for uid in found)
        if sorted(times) != sorted(uids) or max(times.values()) != 1:
            raise wire.WireError(f"of {count} items {len(times)} were claimed, {sum(times.values())} times")
        yield Sample(name, OURS, count / took_s, "claims/s")


def _items(http_port: int, count: int) -> list[str]:
    """Make work items."""
    uids = [f"2.25.{uuid.uuid4().int}" for _ in range(count)]
    model = {
        "00100020": {"vr": "LO", "Value": ["DEMO-1"]},
        "00741000": {"vr": "CS", "Value": ["SCHEDULED"]},
        "00741200": {"vr": "CS", "Value": ["MEDIUM"]},
        "00741204": {"vr": "LO", "Value": ["Read"]},
        "00404005": {"vr": "DT", "Value": ["20300102080000"]},
        "00404041": {"vr": "CS", "Value": ["READY"]},
    }
    body, headers = orjson.dumps([model]), {"Content-Type": "application/dicom+json"}
    with closing(HTTPConnection("127.0.0.1", http_port, timeout=wire.TIMEOUT_S)) as connection:
        for uid in uids:
            connection.request("POST", f"/dicom-web/workitems?{uid}", body, headers)
            response = connection.getresponse()
            response.read()
            if response.status != 201:
                raise wire.WireError(f"a work item was answered {response.status}")
    return uids


def _work(port: int, called: str, uids: Sequence[str], had: list[str]) -> None:
    """Claim one after the other until somebody else has had the next."""
    with wire.Channel.open(port, called, (wire.Context(_PULL, wire.IMPLICIT_LE),)) as channel:
        for uid in uids:
            channel.sock.sendall(_claim(uid))
            status = channel.read_status()
            if status == _TAKEN:
                return
            if status != _SUCCESS:
                raise wire.WireError(f"a claim was answered {status:#06x}")
            had.append(uid)


def _claim(uid: str) -> bytes:
    action = wire.command({0x0003: _PUSH, 0x0100: 0x0130, 0x0110: 1, 0x0800: 1, 0x1001: uid, 0x1008: 1})
    transaction = wire.uid(0x0008, 0x1195, f"2.25.{uuid.uuid4().int}")
    return wire.message(1, action, transaction + wire.text(0x0074, 0x1000, "IN PROGRESS"))
