"""Which plugins there are: files of a folder, and entry points of installed packages. Nothing of them is run here."""

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from archimage.config_plugins import PluginsConfig
from archimage.errors import ConfigError
from archimage.model.plugins import PluginSource

GROUP: Final = "archimage.plugins"
EVERY: Final = "*"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


def find(settings: PluginsConfig, directory: Path) -> Sequence[PluginSource]:
    """Return the plugins that the settings name, by name; a folder that is not absolute lies in a directory.

    Raises:
        ConfigError: a name stands for two of them or for none, or the folder is none.
    """
    found: dict[str, PluginSource] = {}
    for source in (*_in_folder(settings, directory), *_in_packages(settings)):
        if not _NAME.fullmatch(source.name):
            raise ConfigError(f"{source.name[:80]!r} is no name of a plugin: 1 to 64 letters, digits, `_` and `-`")
        if source.name in found:
            raise ConfigError(
                f"two plugins have the name {source.name!r}: {found[source.name].target} and {source.target}"
            )
        found[source.name] = source
    for name in settings.required:
        if name not in found:
            there = ", ".join(sorted(found)) or "none"
            raise ConfigError(f"plugins.required names {name!r}, and the plugins that there are: {there}")
    return [found[name] for name in sorted(found)]


def _in_folder(settings: PluginsConfig, directory: Path) -> Iterator[PluginSource]:
    """Yield what lies in the folder: NAME.py, and NAME/ with an `__init__.py`; not what begins with `_` or a dot."""
    if not settings.directory:
        return
    folder = (directory / settings.directory).absolute()
    if not folder.is_dir():
        raise ConfigError(f"plugins.directory = {folder} is no folder; make it, or leave the setting empty")
    for path in sorted(folder.iterdir()):
        if path.name.startswith(("_", ".")):
            continue
        if path.suffix == ".py" and path.is_file():
            yield PluginSource(path.stem, "folder", str(path))
        elif (path / "__init__.py").is_file():
            yield PluginSource(path.name, "folder", str(path / "__init__.py"))


def _in_packages(settings: PluginsConfig) -> Iterator[PluginSource]:
    """Yield the entry points that are named; they are looked for only where any are, as that takes a while."""
    if not settings.packages:
        return
    there = {point.name: point for point in entry_points(group=GROUP)}
    names = sorted(there) if EVERY in settings.packages else settings.packages
    for name in names:
        if name not in there:
            known = ", ".join(sorted(there)) or "none"
            raise ConfigError(f"plugins.packages names {name!r}; the entry points of {GROUP} are: {known}")
        yield PluginSource(name, "package", there[name].value)
