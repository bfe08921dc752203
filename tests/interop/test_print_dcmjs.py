"""dcmjs-dimse as a modality that prints on us, over the context of the meta SOP class; and as a printer of ours."""

import base64
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from archimage.net.conversation import RemoteNode
from archimage.protocol import uids
from tests.attacks.server import wait_until
from tests.interop.javascript import DCMJS, node, outcome
from tests.interop.peers import free_port, process, serve_both
from tests.interop.peers import wait_until as wait_until_running
from tests.printing.command import command, noise, write
from tests.printing.films import FILM_UID, GREY, SESSION_UID, Films, pdf_pictures

_SCRIPT: Final = Path(__file__).with_name("print_dcmjs.cjs")
_PRINTER: Final = Path(__file__).with_name("print_dcmjs_printer.cjs")


def _answers(port: int, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    asked = {"port": port, "calling": "MODALITY", "called": "PACS_SCP", "meta": GREY, "requests": requests}
    found: list[dict[str, Any]] = outcome(_SCRIPT, asked, DCMJS)
    return found


def _request(kind: str, sop_class: str, instance: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "sop_class": sop_class, "instance": instance, **more}


def test_dcmjs_dimse_prints_a_film(tmp_path: Path) -> None:
    session = {"ReferencedSOPClassUID": uids.BASIC_FILM_SESSION, "ReferencedSOPInstanceUID": SESSION_UID}
    film = {"ImageDisplayFormat": r"STANDARD\2,2", "FilmSizeID": "A4", "EmptyImageDensity": "WHITE"}
    film_box = {**film, "ReferencedFilmSessionSequence": [session]}
    wanted = [
        _request("get", uids.PRINTER, uids.PRINTER_INSTANCE, tags=["PrinterStatus", "PrinterName"]),
        _request("create", uids.BASIC_FILM_SESSION, SESSION_UID, elements={"FilmSessionLabel": "Demo"}),
        _request("create", uids.BASIC_FILM_BOX, FILM_UID, elements=film_box),
        _request("act", uids.BASIC_FILM_BOX, FILM_UID),
        _request("delete", uids.BASIC_FILM_SESSION, SESSION_UID),
        _request("delete", uids.BASIC_FILM_BOX, FILM_UID),
    ]
    with serve_both(tmp_path / "data") as served:
        answers = _answers(served.node.port, wanted)
        assert [one.get("status") for one in answers] == [0, 0, 0, 0xB603, 0, 0x0112], answers
        assert answers[0]["elements"]["PrinterStatus"] == "NORMAL"
        assert len(answers[2]["elements"]["ReferencedImageBoxSequence"]) == 4
        films = Films(served.dicomweb_url.removesuffix("/dicom-web"))
        (job,) = films.jobs()
        assert wait_until(lambda: films.job(job["uid"])["state"] == "done", 30)
        (picture,) = pdf_pictures(films.pdf(job["uid"]))
    assert (job["label"], job["originator"]) == ("Demo", "MODALITY")
    assert sorted(np.unique(picture).tolist()) == [0, 255]


def test_our_command_prints_on_dcmjs_dimse(tmp_path: Path) -> None:
    images = [noise(1, 60, 40), noise(2, 31, 33)]
    printer, log = RemoteNode("PRINTER", "127.0.0.1", free_port()), tmp_path / "printer.log"
    with process([node(DCMJS), _PRINTER, printer.port], log) as running:
        wait_until_running(running, lambda: "listening" in log.read_text(), log)
        done = command(printer, *write(tmp_path, *images), "--layout", "1,2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["films"] == 1
    told = [json.loads(line) for line in log.read_text().splitlines()[1:]]
    film, box = uids.BASIC_FILM_BOX, uids.BASIC_GRAYSCALE_IMAGE_BOX
    asked = [("create", film), ("set", box), ("set", box), ("action", film), ("delete", film)]
    session = [(what, uids.BASIC_FILM_SESSION) for what in ("create", "delete")]
    assert [(one["what"], one["sop"]) for one in told] == [session[0], *asked, session[1]]
    for number, pixels in enumerate(images, 1):
        image = told[number + 1]
        assert (image["position"], image["rows"], image["columns"]) == (number, *pixels.shape)
        assert base64.b64decode(image["pixels"])[: pixels.size] == pixels.tobytes()
