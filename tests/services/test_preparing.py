"""What somebody who opens a study will ask for is made ahead, and nothing that cannot be had does any harm."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from archimage.services.metadata import MetadataService
from archimage.services.preparing import PreparingService
from archimage.storage.cache import FilesystemCache
from tests.attacks.server import wait_until
from tests.services.parts import Parts
from tests.services.test_metadata import STUDY, keep

_WITHIN_S = 10.0


@contextmanager
def preparing(parts: Parts, warm: Callable[[], None]) -> Iterator[PreparingService]:
    """Prepare on an archive."""
    metadata = MetadataService(parts.index, parts.blobs, FilesystemCache(parts.directory / "cache", 1 << 20))
    with closing(PreparingService(metadata, warm)) as service:
        yield service


def made(parts: Parts) -> list[Path]:
    """Return the series whose metadata are kept."""
    return [path for path in (parts.directory / "cache").rglob("*") if path.is_file()]


def test_the_metadata_of_every_series_are_there_before_they_are_asked_for(parts: Parts) -> None:
    for series in ("1.5", "1.6"):
        keep(parts, 1, series=series)
    warmed = threading.Event()
    with preparing(parts, warmed.set) as service:
        service.begin([STUDY])
        assert warmed.wait(_WITHIN_S)
        assert wait_until(lambda: len(made(parts)) == 2, _WITHIN_S)


@pytest.mark.parametrize("uid", ["", "../x", "1.2.3.4", "9" * 65, "1.2;x"])
def test_what_is_no_study_here_is_passed_over(parts: Parts, uid: str) -> None:
    keep(parts, 1)
    with preparing(parts, lambda: None) as service:
        service.begin([uid])
        service.begin([STUDY])
        assert wait_until(lambda: len(made(parts)) == 1, _WITHIN_S)


def test_no_more_is_begun_than_somebody_may_wait_for(parts: Parts) -> None:
    keep(parts, 1)
    go, warmed = threading.Event(), []

    def warm() -> None:
        warmed.append(1)
        assert go.wait(_WITHIN_S)

    with preparing(parts, warm) as service:
        for _ in range(100):
            service.begin([STUDY] * 100)
        go.set()
        assert wait_until(lambda: len(warmed) == 16, _WITHIN_S)
        service.begin([STUDY])
        assert wait_until(lambda: len(warmed) == 17, _WITHIN_S)


def test_closing_does_not_wait_for_what_has_not_begun(parts: Parts) -> None:
    keep(parts, 1)
    go, begun, warmed = threading.Event(), threading.Event(), []

    def warm() -> None:
        warmed.append(1)
        begun.set()
        assert go.wait(_WITHIN_S)

    with preparing(parts, warm) as service:
        for _ in range(3):
            service.begin([STUDY])
        assert begun.wait(_WITHIN_S)
        threading.Timer(0.1, go.set).start()
    service.begin([STUDY])
    assert (len(warmed), made(parts)) == (1, [])
