"""What the archive makes of the variables that a deployment gives it."""

import re
from collections.abc import Mapping
from pathlib import Path

from archimage.config import Config
from archimage.settings import load


def settings_of(variables: Mapping[str, str], directory: Path) -> Config:
    """Read the settings; a file stands in for those of secrets, and for `${NAME:-default}` the default."""
    secret = directory / "secret"
    secret.write_text("secret\n")
    given: dict[str, str] = {}
    for name, value in variables.items():
        is_file = name.endswith("_FILE")
        given[name] = str(secret) if is_file else re.sub(r"\$\{\w+:-(.*)\}", r"\1", value)
    return load({}, given)
