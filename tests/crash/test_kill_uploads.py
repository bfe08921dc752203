"""kill -9 while objects are uploaded and removed: nothing acknowledged is lost, nothing removed returns."""

from pathlib import Path

import pytest

from tests.crash.grounds import Bucket
from tests.crash.storm import Storm
from tests.servers.fixtures import s3
from tests.servers.seaweedfs import SeaweedFS

__all__ = ["s3"]
_KILLS = 6


@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("mode", ["write-back", "write-through"])
def test_rows_and_objects_in_the_store_agree_after_kills(
    tmp_path: Path, s3: SeaweedFS, mode: str, workers: int
) -> None:
    storm = Storm(tmp_path / "data", 40 + workers, workers=workers, ground=Bucket(s3, mode), removing=True)
    tally = storm.run(_KILLS)
    assert tally.problems == []
    assert tally.acknowledged > _KILLS
    assert tally.removed
