"""DCMTK prints on us: dcmpsprt makes the job, dcmprscu prints it; and our command prints on DCMTK's printer."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from archimage.dicom.film.geometry import Sheet
from archimage.net.conversation import RemoteNode
from tests.attacks.server import wait_until
from tests.interop.peers import Served, free_port, listener, run, serve_both, tool
from tests.printing.films import Films, pdf_pictures

_SETTINGS = """[[GENERAL]]
[PRINT]
Directory = {directory}/spool
[DATABASE]
Directory = {directory}/database
[[COMMUNICATION]]
[PRINTER]
Aetitle = {title}
Description = the printer
Hostname = 127.0.0.1
Port = {port}
Type = {kind}
DisableNewVRs = false
DisplayFormat=1,1\\2,2
FilmSizeID = 8INX10IN\\14INX17IN
ImplicitOnly = false
MagnificationType = REPLICATE\\BILINEAR\\CUBIC\\NONE
MaxPDU = 32768
MediumType = PAPER
PresentationLUTMatchRequired = false
PresentationLUTinFilmSession = false
Supports12Bit = true
SupportsPresentationLUT = true
SupportsTrim = true
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Our server."""
    with serve_both(tmp_path_factory.mktemp("printing") / "data") as found:
        yield found


def _settings(directory: Path, node: RemoteNode, kind: str = "PRINTER") -> Path:
    for name in ("spool", "database"):
        (directory / name).mkdir()
    text = _SETTINGS.format(directory=directory, title=node.ae_title, port=node.port, kind=kind)
    path = directory / "print.cfg"
    path.write_text(text, "ascii")
    return path


def test_dcmprscu_prints_a_film_whose_pixels_are_those_of_the_images(served: Served, tmp_path: Path) -> None:
    settings = _settings(tmp_path, served.node)
    images = [str(get_testdata_file(name)) for name in ("CT_small.dcm", "MR_small.dcm")]
    make = ("-c", settings, "-p", "PRINTER", "--layout", "2", "2", "--identity", "--magnification", "NONE", "-s")
    run(tool("dcmpsprt"), *make, *images, timeout_s=60)
    (stored,) = (tmp_path / "database").glob("SP_*.dcm")
    run(tool("dcmprscu"), "-c", settings, "-p", "PRINTER", "--copies", "2", "--label", "Demo", stored, timeout_s=60)
    films = Films(served.dicomweb_url.removesuffix("/dicom-web"))
    (job,) = films.jobs()
    assert (job["copies"], job["label"], job["films"]) == (2, "Demo", 1)
    assert wait_until(lambda: films.job(job["uid"])["state"] == "done", 30)
    (film,) = pdf_pictures(films.pdf(job["uid"]))
    rest = film.copy()
    hardcopies = {ds.SOPInstanceUID: ds for ds in map(dcmread, (tmp_path / "database").glob("HG_*.dcm"))}
    content = dcmread(stored).ImageBoxContentSequence
    assert len(content) == 2
    boxes = Sheet("8INX10IN", "PORTRAIT", r"STANDARD\2,2", 150).boxes()
    for placed in content:
        hardcopy = hardcopies[placed.ReferencedImageSequence[0].ReferencedSOPInstanceUID]
        wanted = np.rint(255 * (hardcopy.pixel_array / 4095)).astype(np.uint8)
        box, (rows, columns) = boxes[placed.ImageBoxPosition - 1], wanted.shape
        top, left = box.top - (rows - box.height) // 2, box.left - (columns - box.width) // 2
        assert np.array_equal(film[top : top + rows, left : left + columns], wanted)
        rest[top : top + rows, left : left + columns] = 0
    assert not rest.any()


def test_our_command_prints_on_us(served: Served) -> None:
    node, image = served.node, str(get_testdata_file("CT_small.dcm"))
    options = ("--layout", "2,1", "--copies", "3", "--magnification", "NONE", "--label", "Ours", "--json")
    told = run(sys.executable, "-m", "archimage", "print", node.host, node.port, image, "-aec", "PACS_SCP", *options)
    outcome = orjson.loads(told.stdout)
    films = Films(served.dicomweb_url.removesuffix("/dicom-web"))
    ((uid, state),) = outcome["jobs"].items()
    assert (outcome["films"], outcome["warnings"], state) == (1, [], "done")
    assert films.job(uid)["copies"] == 3
    (film,) = pdf_pictures(films.pdf(uid))
    assert np.count_nonzero(film) > 128 * 64


def test_our_command_prints_on_dcmprscp(tmp_path: Path) -> None:
    node = RemoteNode("DCMPRSCP", "127.0.0.1", free_port())
    settings = _settings(tmp_path, node, "LOCALPRINTER")
    command: list[str | Path | int] = [tool("dcmprscp"), "-c", settings, "-p", "PRINTER"]
    with listener(command, node.port, tmp_path / "dcmprscp.log"):
        images = [str(get_testdata_file(name)) for name in ("CT_small.dcm", "MR_small.dcm")]
        options = ("--layout", "1,1", "--json", "--wait", "5", "-aec", "DCMPRSCP")
        told = run(sys.executable, "-m", "archimage", "print", node.host, node.port, *images, *options)
    assert orjson.loads(told.stdout)["films"] == 2
    hardcopies = [dcmread(path) for path in (tmp_path / "database").glob("HG_*.dcm")]
    assert sorted((ds.Rows, ds.Columns) for ds in hardcopies) == [(64, 64), (128, 128)]
