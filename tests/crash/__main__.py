"""`python -m tests.crash --kills 1000`: kill the server so many times under four senders, and look at what is left."""

import argparse
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.crash.changes import ChangeStorm
from tests.crash.compressions import CompressionStorm
from tests.crash.grounds import Bucket, Ground
from tests.crash.removals import RemovalStorm
from tests.crash.storm import Tally, storms
from tests.servers import postgresql
from tests.servers.seaweedfs import seaweedfs


def main() -> int:
    """Run; exit code 1 when anything acknowledged was lost or anything is left over."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    others = parser.add_mutually_exclusive_group()
    others.add_argument("--removals", action="store_true", help="have objects removed meanwhile, by another process")
    others.add_argument("--compression", action="store_true", help="have them compressed meanwhile, and removed too")
    others.add_argument("--changes", action="store_true", help="have patients corrected meanwhile")
    parser.add_argument("--postgresql", action="store_true", help="have the index on a PostgreSQL, which is killed too")
    modes = ("write-back", "write-through")
    parser.add_argument("--bucket", choices=modes, help="have the objects in an object store, which is killed too")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31), help="repeats sizes and instants")
    arguments = parser.parse_args()
    _say(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory(prefix="archimage-crash-") as directory:
        asked: dict[str, type[RemovalStorm | CompressionStorm | ChangeStorm]] = {
            "removals": RemovalStorm,
            "compression": CompressionStorm,
            "changes": ChangeStorm,
        }
        for name, kind in asked.items():
            if getattr(arguments, name):
                return _changes(kind, Path(directory), arguments.kills, arguments.seed)
        with _ground(Path(directory), arguments.bucket, is_shared=arguments.postgresql) as ground:
            found = storms(Path(directory), arguments.kills, seed=arguments.seed, ground=ground, report=_report)
            tallies = list(found)
    kills, acknowledged = sum(tally.kills for tally in tallies), sum(tally.acknowledged for tally in tallies)
    problems = sum(len(tally.problems) for tally in tallies)
    _say(f"{kills} kills, {acknowledged} acknowledged, {problems} problems")
    return 1 if problems else 0


@contextmanager
def _ground(directory: Path, mode: str | None, *, is_shared: bool) -> Iterator[Callable[[], Ground]]:
    """Run what was asked for; yield what has a storm stand on it."""
    with ExitStack() as held:
        store = held.enter_context(seaweedfs(directory / "store")) if mode else None

        def made() -> Ground:
            database = held.enter_context(postgresql.running(durable=True)) if is_shared else None
            return Ground(database) if store is None or mode is None else Bucket(store, mode, database)

        yield made


def _changes(kind: type[RemovalStorm | CompressionStorm | ChangeStorm], directory: Path, kills: int, seed: int) -> int:
    """Run storms of 20 kills with one server process and with two by turns."""
    problems = 0
    for number, start in enumerate(range(0, kills, 20)):
        storm = kind(directory / f"storm{number}", seed + number, workers=1 + number % 2)
        storm.run(min(20, kills - start))
        _say(f"{min(start + 20, kills)} kills, {storm.seen}, {len(storm.problems)} problems")
        for problem in storm.problems:
            _say(f"  {problem}")
        problems += len(storm.problems)
    return 1 if problems else 0


def _report(tally: Tally) -> None:
    _say(
        f"{tally.kills} kills, {tally.struck} beside, {tally.acknowledged} acknowledged, {tally.refused} refused, "
        f"slowest start {tally.slowest_start_s:.1f} s, {len(tally.problems)} problems"
    )
    for problem in tally.problems:
        _say(f"  {problem}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
