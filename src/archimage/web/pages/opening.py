"""Where a study can be opened: in a viewer of this server, or by a program on the computer of whoever looks at it.

Weasis takes commands in its addresses, 3D Slicer the parameters of its DICOM module.
"""

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, urlencode

from archimage.web.ohif.adapting import ROOT


@dataclass(frozen=True, slots=True)
class Viewers:
    """The viewers of this server; full tells whether OHIF is installed, which is then the one to open a study in."""

    full: bool

    def study(self, study: str) -> str:
        """Return the address that opens a study."""
        return f"{ROOT}/viewer?StudyInstanceUIDs={study}" if self.full else self.built_in(study)

    def series(self, study: str, series: str) -> str:
        """Return the address that opens a study with one of its series."""
        if self.full:
            return f"{self.study(study)}&initialSeriesInstanceUID={series}"
        return f"{self.built_in(study)}&series={series}"

    @staticmethod
    def built_in(study: str) -> str:
        """Return the address that opens a study in the built-in viewer."""
        return f"/viewer?study={study}"


class Program(NamedTuple):
    """A program, and the address by which a browser has it open a study."""

    name: str
    address: str


def programs(dicomweb: str, study: str) -> tuple[Program, ...]:
    """Return the programs that can open a study; dicomweb is the whole address of the DICOMweb service."""
    command = f'$dicom:rs --url "{dicomweb}" -r "studyUID={study}"'
    asked = urlencode({"studyUID": study, "dicomweb_endpoint": dicomweb}, quote_via=quote, safe="")
    return (
        Program("Weasis", f"weasis://?{quote(command, safe='')}"),
        Program("3D Slicer", f"slicer://viewer/?{asked}"),
    )
