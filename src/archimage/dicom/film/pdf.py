"""Films as pages of a PDF, whose pixels are those of the films, bit for bit, and whose pages are of the films' size."""

import io
import zlib
from collections.abc import Sequence
from typing import Final

from PIL import Image, PdfParser

_POINTS_PER_INCH: Final = 72
_LEVEL: Final = 3


def encode_pdf(films: Sequence[Image.Image], dpi: int) -> bytes:
    """Return a PDF with a page for each film."""
    out = io.BytesIO()
    with PdfParser.PdfParser(f=out, mode="wb") as pdf:
        pdf.start_writing()
        pdf.write_header()
        pages = [pdf.next_object_id(0) for _ in films]
        pdf.pages.extend(pages)
        pdf.write_catalog()
        for film, page in zip(films, pages, strict=True):
            _write_page(pdf, film, page, dpi)
        pdf.write_xref_and_trailer()
    return out.getvalue()


def _write_page(pdf: PdfParser.PdfParser, film: Image.Image, page: PdfParser.IndirectReference, dpi: int) -> None:
    width, height = (side * _POINTS_PER_INCH / dpi for side in film.size)
    picture = pdf.write_obj(
        None,
        stream=zlib.compress(film.tobytes(), _LEVEL),
        Type=PdfParser.PdfName("XObject"),
        Subtype=PdfParser.PdfName("Image"),
        Width=film.width,
        Height=film.height,
        Filter=PdfParser.PdfName("FlateDecode"),
        BitsPerComponent=8,
        ColorSpace=PdfParser.PdfName("DeviceRGB" if film.mode == "RGB" else "DeviceGray"),
    )
    content = pdf.write_obj(None, stream=b"q %f 0 0 %f 0 0 cm /film Do Q\n" % (width, height))
    pdf.write_page(
        page,
        Resources=PdfParser.PdfDict(XObject=PdfParser.PdfDict(film=picture)),
        MediaBox=[0, 0, width, height],
        Contents=content,
    )
