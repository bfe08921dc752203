"""What processes that are no more have left on their way in, completed: lane after lane of the ingest journal."""

import threading
import time
from functools import partial
from typing import Final

from archimage.automation.object_store import open_blobs
from archimage.config import Config
from archimage.errors import UnavailableError
from archimage.index.relational import RelationalIndex
from archimage.logger import logger
from archimage.ports.storage import BlobStore
from archimage.services.recovery import complete, recover
from archimage.storage.journal import replay, retire
from archimage.storage.lanes import Lane, take_abandoned_lanes

PATIENCE_S: Final = 30.0
_AGAIN_S: Final = 0.5
_log = logger("storage")


def recover_lanes(config: Config, index: RelationalIndex) -> bool:
    """Recover the lanes that nobody holds; tell whether these are all, so that nobody else uses the archive."""
    directory = config.storage.directory
    held = {path.name for path in (directory / "journal").iterdir()}
    for lane in take_abandoned_lanes(directory):
        held.discard(lane.name)
        try:
            _recover_lane(config, lane, index)
        finally:
            lane.close()
    return not held


def rely_on_journal(config: Config, lane: Lane, blobs: BlobStore, index: RelationalIndex) -> None:
    """Have the index add again from the journal of a lane what its server may lose, unless that flushes all."""
    if not config.index.flush_commits:
        index.again = partial(complete, partial(replay, lane.journal_directory), blobs, index)


def _recover_lane(config: Config, lane: Lane, index: RelationalIndex) -> None:
    """Recover a lane; an object store that is only now coming up, too, is waited for."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            _recover(config, lane, index)
        except UnavailableError as error:
            if time.monotonic() >= until:
                raise
            _log.warning("what a crash has interrupted waits for the object store", lane=lane.name, reason=str(error))
            threading.Event().wait(_AGAIN_S)
        else:
            return


def _recover(config: Config, lane: Lane, index: RelationalIndex) -> None:
    blobs = open_blobs(config, config.storage.directory, lane.name)
    try:
        mended = recover(replay(lane.journal_directory), blobs, index)
        retire(lane.journal_directory)
    finally:
        blobs.close()
    if mended:
        _log.warning("completed objects that a crash had interrupted", lane=lane.name, objects=mended)
