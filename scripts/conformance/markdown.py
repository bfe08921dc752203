"""Parts of a Markdown page."""

from collections.abc import Iterable, Sequence
from textwrap import fill

_WIDTH = 120


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format a table."""
    lines = [_row(head), "|" + "---|" * len(head), *map(_row, rows)]
    return "\n".join(lines)


def paragraph(text: str) -> str:
    """Join the lines of a text, and break it anew."""
    return _filled(text)


def bullets(items: Iterable[str]) -> str:
    """Format a list; its items are broken anew, too."""
    return "\n".join(_filled(f"- {item}", "  ") for item in items)


def code(text: str) -> str:
    """Set in type of one width; nothing stays nothing."""
    return f"`{text}`" if text else ""


def yes(holds: bool) -> str:
    """Say whether something holds."""
    return "yes" if holds else "no"


def page(*parts: str) -> str:
    """Join the parts of a page with empty lines."""
    return "\n\n".join(parts) + "\n"


def _filled(text: str, indent: str = "") -> str:
    return fill(
        " ".join(text.split()), _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
