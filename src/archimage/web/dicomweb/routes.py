"""Addresses to resources: a tree of path segments, made once from the table.

Segments are taken from the path as it was sent and decoded one by one, so that no encoded slash or dot leads elsewhere.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from archimage.errors import InvalidRequestError
from archimage.model.ids import check_uid
from archimage.web.dicomweb.resources import Resource

UID_VARIABLES: Final = frozenset({"study", "series", "instance", "workitem"})
MAX_SEGMENTS: Final = 64


@dataclass(slots=True)
class _Node:
    """A place in the tree; `rest` are the resources that take all that is left of the path."""

    resources: dict[str, Resource] = field(default_factory=dict)
    literal: dict[str, "_Node"] = field(default_factory=dict)
    variable: tuple[str, "_Node"] | None = None
    rest: tuple[str, dict[str, Resource]] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """What stands at an address: a resource for each method, and the values of the path's variables."""

    resources: Mapping[str, Resource]
    variables: Mapping[str, str]

    @property
    def methods(self) -> str:
        """The value of an Allow header."""
        return ", ".join(sorted({*self.resources, "OPTIONS"}))


class Routes:
    """Finds the resources of an address."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._top = _Node()
        for resource in resources:
            self._add(resource)

    def has_root(self, raw_path: str) -> bool:
        """Tell whether some resource's address begins as a path does."""
        return raw_path.split("/")[1:2] != [] and raw_path.split("/")[1] in self._top.literal

    def find(self, raw_path: str) -> Route | None:
        """Return what stands at a path, as it was sent; None when nothing does.

        Raises:
            InvalidRequestError: a segment cannot be what it stands for.
            InvalidInstanceUIDError: a UID is none.
        """
        segments = raw_path.split("/")[1:]
        if len(segments) > MAX_SEGMENTS:
            return None
        if "%" in raw_path:
            segments = [_decoded(segment) for segment in segments]
        if ".." in segments:
            raise InvalidRequestError("the address leads upwards")
        node, variables = self._top, {}
        for place, raw in enumerate(segments):
            if raw in node.literal:
                node = node.literal[raw]
            elif node.rest is not None:
                name, resources = node.rest
                variables[name] = "/".join(segments[place:])
                return Route(resources, variables)
            elif node.variable is not None:
                name, node = node.variable
                variables[name] = check_uid(raw) if name in UID_VARIABLES else raw
            else:
                return None
        return Route(node.resources, variables) if node.resources else None

    def _add(self, resource: Resource) -> None:
        node = self._top
        for segment in f"{resource.root}{resource.path}".split("/")[1:]:
            if not segment.startswith("{"):
                node = node.literal.setdefault(segment, _Node())
            elif segment.endswith(":path}"):
                node.rest = node.rest or (segment[1:-6], {})
                _place(node.rest[1], resource)
                return
            else:
                node.variable = node.variable or (segment[1:-1], _Node())
                node = node.variable[1]
        _place(node.resources, resource)


def _place(resources: dict[str, Resource], resource: Resource) -> None:
    """Enter a resource under its method; GET stands for HEAD too."""
    for method in ("GET", "HEAD") if resource.method == "GET" else (resource.method,):
        if method in resources:
            raise ValueError(f"{resource.name} and {resources[method].name} have one address")
        resources[method] = resource


def _decoded(raw: str) -> str:
    """Decode a segment, which then holds no slash and no control character."""
    text = unquote(raw, errors="replace")
    if "/" in text or "\\" in text or not text.isprintable() or "\ufffd" in text:
        raise InvalidRequestError(f"the address holds {raw[:80]!r}, which stands for nothing here")
    return text
