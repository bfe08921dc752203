"""What is changed in OHIF's files so that they work under `/ohif/`, and what of the package is left out.

The package is built for the root of a server. All its files stand in a directory that is named after the package and
the changes (the edition), so that browsers keep them until they change. What is left out is large and of no use without
the internet (a runtime for neural networks, whose models would come from elsewhere), or loads from outside itself (its
service worker).
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from archimage.errors import IntegrityError
from archimage.web.ohif.package import Package

ROOT: Final = "/ohif"
PAGE: Final = "index.html"
SETTINGS: Final = "app-config.js"
_EDITION: Final = "@edition@"
_BASE: Final = f"{ROOT}/{_EDITION}/"
_LEFT_OUT: Final = re.compile(
    r"(ort/.*|.*\.map|_headers|_redirects|serve\.json|google\.js|app-config\.js|sw\.js|init-service-worker\.js)"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A change: in files, all that is found becomes something else."""

    files: str
    found: str
    becomes: str


_RULES: Final = (
    Rule(r".*\.js", r'__webpack_require__\.p = "/";', f'__webpack_require__.p = "{_BASE}";'),
    Rule(r".*\.css", r"url\(/(?!/)", f"url({_BASE}"),
    Rule(PAGE, r"<script [^>]*/init-service-worker\.js[^>]*></script>", ""),
    Rule(PAGE, r'src="/app-config\.js"', f'src="{ROOT}/{SETTINGS}"'),
    Rule(PAGE, rf'(href|content|src)="/(?!/|{ROOT[1:]}/)', rf'\1="{_BASE}'),
    Rule(PAGE, r'window\.PUBLIC_URL="/"', f'window.PUBLIC_URL="{_BASE}"'),
    Rule(r"manifest\.json", r'"\./index\.html"', f'"{ROOT}/"'),
    Rule(r"manifest\.json|assets/.*\.(json|webapp|xml)", '"/assets/', f'"{_BASE}assets/'),
)


class Adaptation:
    """The changes that a package is to undergo."""

    def __init__(self, package: Package) -> None:
        text = repr((package, _RULES, _LEFT_OUT.pattern))
        self.edition = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._package = package
        self._unused = set(_RULES)

    def apply(self, name: str, content: bytes) -> bytes | None:
        """Return what a file becomes; None if it is left out."""
        if _LEFT_OUT.fullmatch(name):
            return None
        for rule in _RULES:
            if re.fullmatch(rule.files, name):
                content = self._changed(rule, content)
        return content

    def _changed(self, rule: Rule, content: bytes) -> bytes:
        becomes = rule.becomes.replace(_EDITION, self.edition)
        changed, times = re.subn(rule.found.encode(), becomes.encode(), content)
        if times:
            self._unused.discard(rule)
        return changed

    def finish(self) -> None:
        """Look that every change was made.

        Raises:
            IntegrityError: the package is built in another way than the changes are for.
        """
        if self._unused:
            sought = ", ".join(sorted(rule.found for rule in self._unused))
            raise IntegrityError(f"{self._package.spec} cannot be adapted: it has nothing like {sought}")
