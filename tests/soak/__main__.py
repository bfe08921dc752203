"""`python -m tests.soak --minutes 30`: soak a server, print what was found; exit code 1 when a limit is not kept.

The load is closed first, for the peak, then open: what is due is due, and time runs from then on.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.soak.soak import soak


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="archimage-soak-") as directory:
        report = soak(Path(directory), arguments.minutes, _progress)
    _progress("")
    report.show()
    if arguments.json:
        arguments.json.write_text(json.dumps(report.figures(), indent=1))
    for broken in report.broken():
        sys.stdout.write(f"not kept: {broken}\n")
    return 1 if report.broken() else 0


def _progress(line: str) -> None:
    """Show what is going on, on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{line:<72}" if line else f"\r{'':<72}\r")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
