"""`python -m scripts.conformance`: write CONFORMANCE.md anew."""

from pathlib import Path

from scripts.conformance import statement

FILE = Path(__file__).parents[2] / "CONFORMANCE.md"

if __name__ == "__main__":
    FILE.write_text(statement(), "utf-8")
