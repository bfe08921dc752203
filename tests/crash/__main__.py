"""`python -m tests.crash --kills 1000`: kill the server so many times under four senders, and look at what is left."""

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from tests.crash.storm import Tally, storms


def main() -> int:
    """Run; exit code 1 when anything acknowledged was lost or anything is left over."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31), help="repeats sizes and instants")
    arguments = parser.parse_args()
    _say(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory(prefix="archimage-crash-") as directory:
        tallies = list(storms(Path(directory), arguments.kills, seed=arguments.seed, report=_report))
    kills, acknowledged = sum(tally.kills for tally in tallies), sum(tally.acknowledged for tally in tallies)
    problems = sum(len(tally.problems) for tally in tallies)
    _say(f"{kills} kills, {acknowledged} acknowledged, {problems} problems")
    return 1 if problems else 0


def _report(tally: Tally) -> None:
    _say(
        f"{tally.kills} kills, {tally.acknowledged} acknowledged, slowest start {tally.slowest_start_s:.1f} s, "
        f"{len(tally.problems)} problems"
    )
    for problem in tally.problems:
        _say(f"  {problem}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
