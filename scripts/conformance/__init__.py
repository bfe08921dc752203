"""The conformance statement, made from the tables that the server runs on, in the order of PS3.2.

`python -m scripts.conformance` writes CONFORMANCE.md; a test fails when that file says something else.
"""

from scripts.conformance.statement import statement

__all__ = ["statement"]
