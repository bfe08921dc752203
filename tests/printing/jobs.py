"""Print jobs of an archive in the test's own process."""

from contextlib import closing

from archimage.app import App
from archimage.model.printing import PrintJob
from archimage.protocol import uids
from archimage.services import printattributes as attributes
from archimage.services.datasets import attribute, items, made, text
from archimage.services.printattributes import reference
from archimage.services.printimages import GREY_SEQUENCE
from archimage.services.printing import PrintService
from tests.attacks.server import wait_until


def service(app: App) -> PrintService:
    """Return what prints."""
    return app.department.printing.service


def submitted(app: App, label: str = "Demo", priority: str = "MED") -> PrintJob:
    """Print a film with an image."""
    printing = service(app)
    with closing(printing.session()) as session:
        asked = made(attribute(attributes.LABEL, label), attribute(attributes.PRIORITY, priority))
        session.create(uids.BASIC_FILM_SESSION, "2.25.1", asked)
        film = made(
            attribute(attributes.DISPLAY_FORMAT, r"STANDARD\1,1"),
            attribute(attributes.SESSION_REFERENCE, reference(uids.BASIC_FILM_SESSION, "2.25.1")),
        )
        told = session.create(uids.BASIC_FILM_BOX, "2.25.2", film).told
        box = text(items(told, attributes.IMAGE_BOXES)[0], 0x00081155)
        values = {0x00280002: 1, 0x00280004: "MONOCHROME2", 0x00280010: 10, 0x00280011: 10, 0x00280100: 8}
        values |= {0x00280101: 8, 0x00280102: 7, 0x00280103: 0}
        picture = made(*(attribute(tag, value) for tag, value in values.items()))
        given = made(attribute(attributes.POSITION, 1), attribute(GREY_SEQUENCE, picture))
        session.change(uids.BASIC_GRAYSCALE_IMAGE_BOX, box, given, memoryview(b"\x80" * 100))
        return printing.submit(session.printed(uids.BASIC_FILM_BOX, "2.25.2", 1), "PACS_SCP", "MODALITY")


def over(app: App, job: PrintJob) -> PrintJob:
    """Wait until nothing more happens to a job; return it."""
    assert wait_until(lambda: service(app).get(job.uid).state.is_over, 30)
    return service(app).get(job.uid)
