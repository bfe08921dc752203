"""What holds for every test."""

import shutil
from collections.abc import Iterator

import pytest

from tests import pynetdicom_reactor
from tests.logged import logging_restored

pynetdicom_reactor.mend()


@pytest.fixture(scope="module", autouse=True)
def _room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove the archives that the fixtures of a module made, unless one of its tests failed: a disk can be small."""
    directory, failed = tmp_path_factory.getbasetemp(), request.session.testsfailed
    before = set(directory.iterdir())
    yield
    if request.session.testsfailed == failed:
        for made in set(directory.iterdir()) - before:
            if not made.is_symlink():
                shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def _logging() -> Iterator[None]:
    """Have logging be as before when a module ends: an archive that takes other settings sets it up for the process."""
    with logging_restored():
        yield
