"""The table on the screen, the JSON file and the section of docs/performance.md."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figures import Results, Row, rows

HEADINGS = ("case", "server", "median", "lowest-highest", "CPU ms", "archimage / it", "target", "")
STYLES = {"met": "green", "not met": "bold red", "not measured": "yellow"}


def show(results: Results, machine: Mapping[str, str]) -> None:
    """Print everything."""
    console = Console(width=None if Console().is_terminal else 160)
    table = Table(*HEADINGS, title="archimage beside its peers")
    previous = ""
    for row in rows(results):
        if row.case != previous:
            table.add_section()
        cells = _cells(row)
        table.add_row(cells[0] if row.case != previous else "", *cells[1:], style=STYLES.get(row.verdict))
        previous = row.case
    console.print(table)
    for line in _remarks(results):
        console.print(line, markup=False)
    console.print("; ".join(f"{key} {value}" for key, value in machine.items()), markup=False)


def _cells(row: Row) -> tuple[str, ...]:
    spread = f"{_number(row.lowest)}-{_number(row.highest)}"
    cpu = f"{row.cpu_ms:.2f}" if row.cpu_ms is not None else ""
    ratio = f"{row.ratio:.2f}" if row.ratio is not None else ""
    return row.case, row.subject, f"{_number(row.median)} {row.unit}", spread, cpu, ratio, row.target, row.verdict


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _remarks(results: Results) -> list[str]:
    remarks = [f"{case}: {text}" for case, text in results.notes.items()]
    return remarks + [f"{problem.case}: {problem.subject}: {problem.reason}" for problem in results.problems]


def write_json(path: Path, results: Results, machine: Mapping[str, str], command: str) -> None:
    """Write every sample and the rows made of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "command": command,
        "machine": dict(machine),
        "rows": [asdict(row) for row in rows(results)],
        "samples": [asdict(sample) for sample in results.samples],
        "problems": [asdict(problem) for problem in results.problems],
        "notes": results.notes,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def write_markdown(path: Path, section: str, results: Results, machine: Mapping[str, str], command: str) -> None:
    """Put the figures between the markers of a section of a page; raises ValueError when it has none."""
    first, last = f"<!-- figures of {section}: begin -->", f"<!-- figures of {section}: end -->"
    page = path.read_text()
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise ValueError(f"{path} has no line {first} followed by {last}")
    lines = [f"Made by `{command}`.", "", *(f"- {key}: {value}" for key, value in machine.items()), ""]
    lines += ["| " + " | ".join(HEADINGS) + " |", "|---|---|--:|--:|--:|--:|---|---|"]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows(results)]
    lines += ["", *(f"- {remark}" for remark in _remarks(results))]
    path.write_text(f"{before}{first}\n" + "\n".join(lines).rstrip() + f"\n{last}{after}")
