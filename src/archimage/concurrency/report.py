"""The tables as they are in a process that runs."""

import os
from typing import Final

from archimage.concurrency.entry import Entry
from archimage.concurrency.table import ENTRIES
from archimage.concurrency.uses import Uses
from archimage.config import Config
from archimage.model.concurrency import Bound, BoundState, ConcurrencyReport, Use

_NEARLY: Final = 0.8


def report(config: Config, uses: Uses) -> ConcurrencyReport:
    """Tell all of it, under the settings as they are now."""
    return ConcurrencyReport(os.getpid(), config.dicom.workers, [_bound(entry, config, uses) for entry in ENTRIES])


def _bound(entry: Entry, config: Config, uses: Uses) -> Bound:
    use, size = uses[entry.name], entry.size_under(config)
    return Bound(
        name=entry.name,
        kind=entry.kind,
        purpose=entry.purpose,
        size=size,
        unit=entry.unit,
        setting=entry.setting,
        used=use.used,
        waiting=use.waiting,
        state=None if entry.harmless else _state(size, use),
        when_full=entry.when_full,
        shared=entry.shared,
    )


def _state(size: float | None, use: Use) -> BoundState | None:
    """Tell whether something is full; of pools, which do well to be at work, whether somebody waits."""
    if use.waiting is not None:
        return "full" if use.waiting else "free"
    if use.used is None or not size:
        return None
    if use.used >= size:
        return "full"
    return "nearly full" if use.used >= _NEARLY * size else "free"
