"""The soak as CI runs it: five minutes, and nothing beside it."""

import os
from pathlib import Path

import pytest

from tests.soak.soak import soak

_MINUTES = 5


@pytest.mark.skipif("PYTEST_XDIST_WORKER" in os.environ, reason="it would time what runs beside it; make test runs it")
@pytest.mark.timeout(60 * _MINUTES + 300)
def test_nothing_is_lost_or_late_and_nothing_grows_at_80_percent_of_the_peak(tmp_path: Path) -> None:
    report = soak(tmp_path, _MINUTES, lambda _line: None)
    report.show()
    assert report.broken() == []
