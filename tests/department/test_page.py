"""The day of docs/department.md, typed as written."""

from pathlib import Path
from typing import Final

from tests.test_docs import ROOT
from tests.typist import Typist, check

PAGE: Final = ROOT / "docs" / "department.md"


def test_the_day_goes_as_the_page_says(tmp_path: Path) -> None:
    environment = {
        "ARCHIMAGE__DICOM__PORT": "11112",
        "ARCHIMAGE__HTTP__PORT": "8042",
        "ARCHIMAGE__HL7__PORT": "2575",
        "ARCHIMAGE__HL7__ENABLED": "true",
        "ARCHIMAGE__STORAGE__DIRECTORY": "day",
        "COLUMNS": "200",
    }
    typed = list(Typist(tmp_path, ("11112", "8042", "2575"), environment).types_all(PAGE))
    assert len(typed) > 8
    check(typed)
