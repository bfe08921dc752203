"""Under which path an object is kept; built from checked UIDs and digits only."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

_DATE: Final = re.compile(r"[0-9]{8}", re.ASCII)
_REPLACED: Final = re.compile(r"(-[0-9a-f]{16})?\.dcm$", re.ASCII)


class Layout(StrEnum):
    """How the archive's directories are laid out."""

    UID = "uid"
    DATE = "date"

    def path(self, values: Mapping[str, str], received_at: float) -> str:
        """Return `Study/Series/SOP.dcm`, or `YYYY/MM/DD/SOP.dcm` by study date or, without one, by the day of arrival.

        received_at is in seconds since 1970, UTC.
        """
        sop_instance_uid = values["sop_instance_uid"]
        if self is Layout.UID:
            return f"{values['study_instance_uid']}/{values['series_instance_uid']}/{sop_instance_uid}.dcm"
        date = values.get("study_date", "")
        if not _DATE.fullmatch(date):
            date = datetime.fromtimestamp(received_at, UTC).strftime("%Y%m%d")
        return f"{date[:4]}/{date[4:6]}/{date[6:]}/{sop_instance_uid}.dcm"


def sop_instance_uid_of(path: str) -> str:
    """Return the UID of the object that is kept at a path, whichever layout made it."""
    return _REPLACED.sub("", path.rpartition("/")[2])


def replacement_path(path: str, digest: bytes) -> str:
    """Return where an object goes that takes the place of another at path, which is removed after."""
    return f"{_REPLACED.sub('', path)}-{digest.hex()[:16]}.dcm"
