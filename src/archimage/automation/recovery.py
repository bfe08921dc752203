"""What processes that are no more have left on their way in, completed: lane after lane of the ingest journal."""

import threading
import time
from contextlib import ExitStack, closing
from functools import partial
from typing import Final

from archimage.automation.object_store import open_blobs
from archimage.config import Config
from archimage.errors import UnavailableError
from archimage.index.relational import RelationalIndex
from archimage.logger import logger
from archimage.ports.storage import BlobStore
from archimage.services.recovery import complete, drop, recover
from archimage.storage.journal import replay, retire
from archimage.storage.lanes import Lane, take_abandoned_lanes

PATIENCE_S: Final = 30.0
_AGAIN_S: Final = 0.5
_log = logger("storage")


def recover_lanes(config: Config, index: RelationalIndex) -> bool:
    """Recover the lanes that nobody holds; tell whether these are all, so that nobody else uses the archive."""
    directory = config.storage.directory
    held = {path.name for path in (directory / "journal").iterdir()}
    left: set[str] = set()
    with ExitStack() as taken:
        lanes = [taken.enter_context(closing(lane)) for lane in take_abandoned_lanes(directory)]
        held.difference_update(lane.name for lane in lanes)
        for lane in lanes:
            _recover_lane(config, lane, index, left)
        if left and (config.index.flush_commits or not held):  # else rows of those who are at work may be lost just now
            with closing(open_blobs(config, directory, lanes[0].name)) as blobs:
                drop(left, blobs, index)
        for lane in lanes:
            retire(lane.journal_directory)
    return not held


def rely_on_journal(config: Config, lane: Lane, blobs: BlobStore, index: RelationalIndex) -> None:
    """Have the index add again from the journal of a lane what its server may lose, unless that flushes all."""
    if not config.index.flush_commits:
        index.again = partial(complete, partial(replay, lane.journal_directory), blobs, index)


def _recover_lane(config: Config, lane: Lane, index: RelationalIndex, left: set[str]) -> None:
    """Recover a lane; an object store that is only now coming up, too, is waited for."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            _recover(config, lane, index, left)
        except UnavailableError as error:
            if time.monotonic() >= until:
                raise
            _log.warning("what a crash has interrupted waits for the object store", lane=lane.name, reason=str(error))
            threading.Event().wait(_AGAIN_S)
        else:
            return


def _recover(config: Config, lane: Lane, index: RelationalIndex, left: set[str]) -> None:
    with closing(open_blobs(config, config.storage.directory, lane.name)) as blobs:
        mended = recover(replay(lane.journal_directory), blobs, index, left)
    if mended:
        _log.warning("completed objects that a crash had interrupted", lane=lane.name, objects=mended)
