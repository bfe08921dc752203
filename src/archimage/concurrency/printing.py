"""What printing here may cost."""

from typing import Final

from archimage.concurrency.entry import Entry
from archimage.dicom.film import geometry, received
from archimage.net.scp import printing as scp
from archimage.services import filmsession

PRINTING: Final = (
    Entry("print jobs", "limit", "jobs that wait", "Printing is answered 0xC601 or 0xC602.", setting="print.max_jobs"),
    Entry(
        "image box",
        "limit",
        "data set of one image box, which is held in memory until its pixels are on disk",
        "N-SET is answered 0xA700.",
        setting="print.max_image_bytes",
        unit="bytes",
    ),
    Entry(
        "attributes of an image box",
        "limit",
        "all of its data set but the pixels",
        "N-SET is answered 0xA700.",
        received.MAX_ATTRIBUTES_BYTES,
        unit="bytes",
    ),
    Entry(
        "film session",
        "limit",
        "pixels of the images of an association, which are on disk until it ends",
        "N-SET is answered 0xC605.",
        setting="print.max_session_bytes",
        unit="bytes",
    ),
    Entry("image boxes", "limit", "image boxes of a film", "N-CREATE is answered 0x0106.", geometry.MAX_BOXES),
    Entry("films", "limit", "film boxes of an association", "N-CREATE is answered 0x0213.", filmsession.MAX_FILMS),
    Entry(
        "presentation LUTs", "limit", "those of an association", "N-CREATE is answered 0x0213.", filmsession.MAX_LUTS
    ),
    Entry(
        "print jobs that are followed",
        "limit",
        "jobs of an association, of which it is told what becomes of them",
        "Of further ones it is not told by itself; N-GET tells.",
        scp.MAX_WATCHED,
    ),
)
