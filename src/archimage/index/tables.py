"""All tables of the index, for whoever wants every one of them, whatever module of `schema_*` draws it."""

import importlib
import pkgutil
from pathlib import Path
from typing import Final

from sqlalchemy import MetaData

from archimage.index.schema import metadata

for _found in pkgutil.iter_modules([str(Path(__file__).parent)]):
    if _found.name.startswith("schema_"):
        importlib.import_module(f"archimage.index.{_found.name}")

ALL: Final[MetaData] = metadata
"""With each of them in it."""
