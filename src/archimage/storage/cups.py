"""Films on paper: handed to CUPS by its command `lp`, which has to be installed.

A queue stands in the settings, and what a peer says is never part of the command.
"""

import shutil
import subprocess
from typing import Final

from archimage.errors import NotAcceptableError, UnavailableError
from archimage.model.printing import PrintJob

_PATIENCE_S: Final = 60.0
_MISSING: Final = "CUPS is not installed: there is no command lp"
_MOST_TOLD: Final = 200


def fault() -> str:
    """Return why nothing can be printed, empty where it can."""
    return "" if shutil.which("lp") else _MISSING


def to_paper(queue: str, pdf: bytes, job: PrintJob) -> None:
    """Print a PDF on a queue, or on the default one if it is empty.

    Raises:
        NotAcceptableError: CUPS is not installed.
        UnavailableError: it does not take it.
    """
    if missing := fault():
        raise NotAcceptableError(missing, next_step="Install CUPS' client, or set print.output to keep.")
    arguments = ["lp", *(["-d", queue] if queue else []), "-n", str(job.copies), "-o", "fit-to-page", "-"]
    try:
        done = subprocess.run(  # noqa: S603 - words of the settings, but for a number
            arguments, input=pdf, capture_output=True, timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"lp does not work: {type(error).__name__}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[:_MOST_TOLD]
        raise UnavailableError(f"CUPS does not take the films: {said}")
