"""De-identification for receivers: in a form that they take, or not at all, and nothing of it stays."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID

from archimage.cli.workbench import Workbench
from archimage.dicom.codecs.syntaxes import (
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
)
from archimage.errors import ContextNotAcceptedError, InvalidRequestError, NotAcceptableError
from archimage.model.nodes import Node
from archimage.model.projects import Purpose
from archimage.model.records import StoredInstance
from archimage.net.scp.outgoing import Outbound, plan
from archimage.services.nodes import check_node
from archimage.services.projects import ProjectService
from archimage.services.retrieve import RetrieveService
from archimage.services.sources import identify, sources
from archimage.services.visible import VisibleIndex
from archimage.storage.cache import FilesystemCache
from archimage.storage.filesystem import FilesystemBlobStore
from tests.dicom.files import real_file
from tests.services.archive import fill

PURPOSE = Purpose("p")


@pytest.fixture(scope="module")
def bench() -> Iterator[Workbench]:
    """Workers, and what reads files."""
    with Workbench(1) as found:
        yield found


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Where files are made."""
    return tmp_path / "made"


@pytest.fixture
def projects(bench: Workbench, made: Path) -> ProjectService:
    """The service, of one secret for all projects."""
    return ProjectService(bench.frames, bench.pool, FilesystemCache(made, 0), lambda _: bytes(32))


def files(folder: Path) -> list[Path]:
    """What lies in a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def kept(bench: Workbench, path: Path) -> Iterator[StoredInstance]:
    """Keep a file for as long as it is needed."""
    identity = identify(path.read_bytes())
    assert identity is not None
    (source,) = sources([path])
    with bench.copied(source, identity) as instance:
        yield instance


@pytest.fixture
def loop(bench: Workbench) -> Iterator[StoredInstance]:
    """A loop in lossy JPEG, of which something is blanked."""
    yield from kept(bench, real_file("examples_ybr_color.dcm"))


@pytest.mark.parametrize(
    ("accepted", "given"),
    [
        ({JPEG_BASELINE, JPEG_2000_LOSSLESS}, JPEG_2000_LOSSLESS),
        ({JPEG_BASELINE, EXPLICIT_LITTLE_ENDIAN}, EXPLICIT_LITTLE_ENDIAN),
    ],
)
def test_what_was_blanked_is_given_without_further_loss_in_what_is_accepted(
    projects: ProjectService, made: Path, loop: StoredInstance, accepted: set[str], given: str
) -> None:
    found = projects.given(loop, PURPOSE, accepted)
    with found.file as file:
        assert files(made) == []  # it is open, and has no name
        dataset = pydicom.dcmread(BytesIO(file.read(0, file.size_bytes)))
        assert file.size_bytes == found.instance.size_bytes
    assert dataset.file_meta.TransferSyntaxUID == found.instance.transfer_syntax_uid == given
    assert dataset.SOPInstanceUID == found.instance.sop_instance_uid != loop.sop_instance_uid
    assert dataset.pixel_array.shape[0] == found.frames


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "test-SR.dcm"])
def test_a_receiver_that_takes_implicit_vr_alone_gets_it(projects: ProjectService, bench: Workbench, name: str) -> None:
    for instance in kept(bench, real_file(name)):
        found = projects.given(instance, PURPOSE, {IMPLICIT_LITTLE_ENDIAN})
        with found.file as file:
            dataset = pydicom.dcmread(BytesIO(file.read(0, file.size_bytes)))
        assert dataset.file_meta.TransferSyntaxUID == IMPLICIT_LITTLE_ENDIAN
        assert dataset.PatientIdentityRemoved == "YES"
        original = pydicom.dcmread(real_file(name))
        assert dataset.Modality == original.Modality
        assert not any(
            "/made/" in str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()
        )
        if "PixelData" in original:
            assert np.array_equal(dataset.pixel_array, original.pixel_array)


def test_what_is_taken_in_no_form_is_not_given(projects: ProjectService, made: Path, loop: StoredInstance) -> None:
    for accepted in (set[str](), {JPEG_BASELINE}):
        with pytest.raises(ContextNotAcceptedError, match="no transfer syntax that it could be given in"):
            projects.given(loop, PURPOSE, accepted)
    assert files(made) == []


def test_faces_are_not_removed_of_single_objects(projects: ProjectService, bench: Workbench, made: Path) -> None:
    purpose = Purpose("p", ("clean-recognizable-visual-features",))
    for instance in kept(bench, real_file("MR_small.dcm")):
        with pytest.raises(NotAcceptableError, match="an object by itself"):
            projects.given(instance, purpose, {instance.transfer_syntax_uid})
        faces = projects.faces([instance], purpose)
        with pytest.raises(NotAcceptableError, match="fewer than 8 slices"):
            projects.deidentify(instance, purpose, faces)
        assert projects.faces([instance], PURPOSE) is None
    assert files(made) == []
    with pytest.raises(NotAcceptableError, match="nodes get single objects"):
        check_node(Node("A", "192.0.2.1", 104, deidentify="p", deidentify_options=purpose.options))


def test_a_class_of_a_makers_own_is_not_given(projects: ProjectService, bench: Workbench, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(real_file("MR_small.dcm"))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.3.4")
    dataset.save_as(tmp_path / "own.dcm")
    (instance,) = [one for one in kept(bench, tmp_path / "own.dcm") if refused(projects, one)]
    assert instance.sop_class_uid == "1.2.3.4"


def refused(projects: ProjectService, instance: StoredInstance) -> bool:
    """Tell whether an object is refused for its class."""
    with pytest.raises(NotAcceptableError, match="a maker's own"):
        projects.given(instance, PURPOSE, {instance.transfer_syntax_uid})
    return True


def test_where_nothing_de_identifies_nothing_goes_to_whom_it_would_have_to_be(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as threads:
        index = fill(tmp_path)
        retrieves = RetrieveService(VisibleIndex(index), FilesystemBlobStore(tmp_path, "1"))
        instance = StoredInstance("1.2", "1.2.3", EXPLICIT_LITTLE_ENDIAN, "x", 1, 0, b"")
        (outgoing,) = plan([instance], [], PURPOSE)

        async def sources() -> list[object]:
            ahead = Outbound(retrieves, threads, None).ahead([outgoing], "SOMEBODY", asyncio.Event())
            return [source async for _, source in ahead.sources([outgoing])]

        (source,) = asyncio.run(sources())
        index.close()
    assert isinstance(source, NotAcceptableError)
    assert outgoing.is_made


@pytest.mark.parametrize(
    ("project", "options", "told"),
    [("no/name", (), "no name of a project"), ("p", ("x",), "no option is called"), ("", ("clean-graphics",), "count")],
)
def test_a_node_has_a_project_and_options_that_there_are(project: str, options: tuple[str, ...], told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        check_node(Node("A", "192.0.2.1", 104, deidentify=project, deidentify_options=options))
    entered = check_node(Node("A", "192.0.2.1", 104, deidentify=" p ", deidentify_options=("clean-graphics",)))
    assert entered.purpose == Purpose("p", ("clean-graphics",))
    assert check_node(Node("A", "192.0.2.1", 104)).purpose is None
