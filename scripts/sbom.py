"""`python -m scripts.sbom FILE`: a bill of materials (CycloneDX, JSON) of what archimage needs at run time.

What there is, is what `requirements/runtime.lock` pins, whatever happens to be installed; licences are read from
that.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from archimage import __version__

_ROOT: Final = Path(__file__).parents[1]
_LONGEST: Final = 100
"""Characters of a licence's name; what is longer is its text."""
_OSI: Final = "License :: OSI Approved :: "


def bill() -> dict[str, Any]:
    """Return the bill of materials."""
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", f"{_ROOT}/requirements/runtime.lock"]
    command += ["--pyproject", f"{_ROOT}/pyproject.toml", "--output-reproducible", "--of", "JSON", "-o", "-"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found: dict[str, Any] = json.loads(made.stdout)
    root = found["metadata"]["component"]
    root["version"], root["purl"] = __version__, f"pkg:pypi/archimage@{__version__}"
    for component in found["components"]:
        del component["description"]  # the line of the lock
        if licences := list(_licences(component["name"])):
            component["licenses"] = licences
    refs = [component["bom-ref"] for component in found["components"]]
    dependencies = [one for one in found["dependencies"] if one["ref"] != root["bom-ref"]]
    found["dependencies"] = [*dependencies, {"ref": root["bom-ref"], "dependsOn": refs}]
    return found


def _licences(name: str) -> Iterator[dict[str, Any]]:
    """Yield the licences that a distribution tells, none where it is not installed, as on another platform."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return
    classified = [text.removeprefix(_OSI) for text in told.get_all("Classifier", []) if text.startswith(_OSI)]
    written = "".join(told.get_all("License", [])).strip()
    if expression := "".join(told.get_all("License-Expression", [])):
        yield {"expression": expression}
    elif classified:
        yield from ({"license": {"name": one}} for one in classified)
    elif written and len(written) <= _LONGEST:
        yield {"license": {"name": written}}


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    made = bill()
    target.write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    print(f"{target}: {len(made['components'])} components")
