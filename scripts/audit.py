"""`python -m scripts.audit`: whether a vulnerability is known of anything that archimage needs at run time.

Three ends that cannot be taken for one another:

    0   every package of the lock was looked up, and nothing is known of any
    1   something is known of one: it is named; or the service broke off in the middle
    69  the service was not reached: nothing was looked up

Whether the service is reached is asked first, by a package of which vulnerabilities are known for good. Who answers
that without them, a proxy or a portal, is not the service.
"""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

SERVICE: Final = "https://api.osv.dev/v1/query"
CLEAN, FOUND, NOT_CHECKED = 0, 1, 69
LOCK: Final = Path(__file__).parents[1] / "requirements" / "runtime.lock"
_KNOWN: Final = {"package": {"name": "jinja2", "ecosystem": "PyPI"}, "version": "2.4.1"}
_TIMEOUT_S: Final = 15
_WITHIN_S: Final = 600


def audit(service: str = SERVICE, lock: Path = LOCK) -> int:
    """Look up what a lock pins; return the exit code and say on the way what it means."""
    if (reason := _unreached(service)) is not None:
        print(f"NOT CHECKED: nothing is known of the dependencies' vulnerabilities: {reason}", file=sys.stderr)
        return NOT_CHECKED
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    command += ["--vulnerability-service", "osv", "--osv-url", service, "--timeout", str(_TIMEOUT_S)]
    command += ["--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN_S, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"FAILED: the service was reached, and then broke off:\n{done.stderr[-2_000:]}", file=sys.stderr)
        return FOUND
    return _told(packages)


def _unreached(service: str) -> str | None:
    """Say why the service is not reached, None where it is."""
    request = urllib.request.Request(service, json.dumps(_KNOWN).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            found = json.load(answer)
    except (OSError, ValueError) as error:
        return f"{service} was not reached: {error}"
    if not (isinstance(found, dict) and found.get("vulns")):
        return f"who answers at {service} knows no vulnerability of jinja2 2.4.1, so it is not the service"
    return None


def _told(packages: Sequence[dict[str, Any]]) -> int:
    """Say what was found of packages."""
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    known = [(one, each) for one in packages for each in one.get("vulns", ())]
    for one, each in known:
        fixed = ", ".join(each["fix_versions"]) or "no release"
        print(f"FOUND: {one['name']} {one['version']}: {each['id']}, fixed in {fixed}", file=sys.stderr)
    if skipped:
        print(f"FAILED: not looked up: {', '.join(skipped)}", file=sys.stderr)
    if known or skipped or not packages:
        return FOUND
    print(f"CHECKED: {len(packages)} packages, and no vulnerability is known of any")
    return CLEAN


if __name__ == "__main__":
    sys.exit(audit(sys.argv[1] if len(sys.argv) > 1 else SERVICE))
