"""dcmjs-dimse as a modality that prints on us, over the context of the meta SOP class."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from archimage.protocol import uids
from tests.attacks.server import wait_until
from tests.interop.javascript import DCMJS, outcome
from tests.interop.peers import serve_both
from tests.printing.films import FILM_UID, GREY, SESSION_UID, Films, pdf_pictures

_SCRIPT: Final = Path(__file__).with_name("print_dcmjs.cjs")


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
