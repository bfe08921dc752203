"""What the address of the study list asks for, and the addresses of its neighbours."""

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from archimage.errors import InvalidQueryError
from archimage.services.catalogue import STUDY_ORDERS, Wanted

PAGE_SIZE: Final = 25
NEWEST_FIRST: Final = "-study_date"
MODALITIES: Final = (
    *("CR", "CT", "DX", "ECG", "ES", "IO", "MG", "MR", "NM", "OCT", "OP", "OT", "PT", "PX", "RF", "RTDOSE"),
    *("RTPLAN", "RTSTRUCT", "SC", "SEG", "SM", "SR", "US", "XA", "XC"),
)
"""What the filter offers: the modalities of PS3.3 C.7.3.1.1.1 that archives mostly hold."""
_MAX_PAGE: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class StudyList:
    """A part of the study list; first_date and last_date as 2024-12-31, either may be empty. Pages count from 1."""

    text: str = ""
    first_date: str = ""
    last_date: str = ""
    modality: str = ""
    label: str = ""
    sort: str = NEWEST_FIRST
    page: int = 1

    @property
    def wanted(self) -> Wanted:
        """What the catalogue is asked for."""
        dates = f"{_compact(self.first_date)}-{_compact(self.last_date)}".strip()
        matches = {"study_date": "" if dates == "-" else dates, "modalities_in_study": self.modality}
        given = tuple((column, value) for column, value in matches.items() if value)
        labels = (self.label,) if self.label else ()
        return Wanted(self.text, given, labels, self.sort, PAGE_SIZE, (self.page - 1) * PAGE_SIZE)

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves studies out."""
        return any((self.text, self.first_date, self.last_date, self.modality, self.label))

    def turned(self, page: int) -> str:
        """Return the address of another page of it."""
        return replace(self, page=page).address

    def sorted_by(self, column: str) -> str:
        """Return the address of it sorted by a column; the other way round where it is by that one already."""
        first, second = (f"-{column}", column) if column == "study_date" else (column, f"-{column}")
        return replace(self, sort=second if self.sort == first else first, page=1).address

    def direction(self, column: str) -> str:
        """Tell how it is sorted by a column, in the words of `aria-sort`."""
        if self.sort.removeprefix("-") != column:
            return "none"
        return "descending" if self.sort.startswith("-") else "ascending"

    @property
    def address(self) -> str:
        """Its address; what is usual is left out."""
        given = {
            "q": self.text,
            "from": self.first_date,
            "to": self.last_date,
            "modality": self.modality,
            "label": self.label,
            "sort": "" if self.sort == NEWEST_FIRST else self.sort,
            "page": "" if self.page == 1 else str(self.page),
        }
        query = urlencode({name: value for name, value in given.items() if value})
        return f"/?{query}" if query else "/"


def read(query: QueryParams) -> StudyList:
    """Read what an address asks for.

    Raises:
        InvalidQueryError: it asks for a page or an order that cannot be.
    """
    page = query.get("page") or "1"
    if not (page.isascii() and page.isdigit() and 1 <= int(page[:9]) <= _MAX_PAGE):
        raise InvalidQueryError(f"page: {page[:40]!r} is no page number")
    sort = query.get("sort") or NEWEST_FIRST
    if sort.removeprefix("-") not in STUDY_ORDERS:
        raise InvalidQueryError(f"sort: {sort[:40]!r} cannot be sorted by")
    return StudyList(
        query.get("q", "").strip(),
        query.get("from", ""),
        query.get("to", ""),
        query.get("modality", ""),
        query.get("label", ""),
        sort,
        int(page[:9]),
    )


def _compact(date: str) -> str:
    return date.replace("-", "")
