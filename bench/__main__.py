"""`python -m bench [scenario ...]`: measure, print one table, write one JSON file. Time is never asserted on."""

import argparse
import shutil
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench import machine, report
from bench.harness import Bench
from bench.scenarios import ALL, GROUPS

HOME = Path(__file__).parent


def main() -> int:
    """Run the scenarios named, or all of them."""
    options = _options()
    signal.signal(signal.SIGTERM, _stop)
    described = machine.describe()
    work = options.work or HOME / "out" / "work"
    bench = Bench(out=HOME / "out", work=work, rounds=options.rounds, quick=options.quick)
    try:
        for name in _scenarios(options.scenario):
            print(f"== {name}", file=sys.stderr, flush=True)
            ALL[name](bench)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    command = _command(options)
    report.show(bench.results, described)
    report.write_json(options.json, bench.results, described, command)
    if options.markdown:
        report.write_markdown(options.markdown, options.scenario[0], bench.results, described, command)
    return 0


def _stop(_number: int, _frame: object) -> None:
    """Leave by an exception, which ends the servers on its way."""
    raise SystemExit(128 + signal.SIGTERM)


def _scenarios(named: Sequence[str]) -> Iterable[str]:
    return [name for one in named for name in GROUPS.get(one, [one])] or ALL


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = [*GROUPS, *ALL]
    parser.add_argument("scenario", nargs="*", choices=[[], *names], metavar="scenario", help=", ".join(names))
    parser.add_argument("--rounds", type=int, default=3, help="how often every server is measured (default 3)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data: to see that it runs")
    parser.add_argument("--work", type=Path, help="directory for the servers' data (default bench/out/work)")
    parser.add_argument("--json", type=Path, default=HOME / "out" / "results.json", metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="page whose figures of a group are written anew")
    options = parser.parse_args()
    if options.markdown and not (len(options.scenario) == 1 and options.scenario[0] in GROUPS):
        parser.error(f"--markdown takes the figures of one group: {' or '.join(GROUPS)}")
    return options


def _command(options: argparse.Namespace) -> str:
    parts = ["python -m bench", *options.scenario, f"--rounds {options.rounds}"]
    return " ".join([*parts, "--quick"] if options.quick else parts)


if __name__ == "__main__":
    sys.exit(main())
