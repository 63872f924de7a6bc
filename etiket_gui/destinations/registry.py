"""Which kinds of destination there are: the built-in ones and installed plug-ins, loaded when first asked for.

A plug-in that raises on import, hangs or is no destination is disabled with a reason; the rest runs.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping
from pathlib import Path

from etiket_gui.destinations.api import Capabilities, Destination, DestinationConfig
from etiket_gui.osys.plugins import IMPORT_LIMIT_S, PluginRegistry, plain_name

GROUP = "etiket_gui.destinations"
_BUILT_IN: Mapping[str, str] = {"archive": "etiket_gui.destinations.archive.destination:ArchiveDestination"}
#: Other names people use for a kind.
ALIASES: Mapping[str, str] = {"folder": "archive", "folder_archive": "archive", "filesystem": "archive"}


class DestinationRegistry(PluginRegistry[type[Destination]]):
    """Finds and loads kinds of destination; no installed package takes the place of a built-in one."""

    def __init__(self, plugin_folder: Path | None = None, *, import_limit_s: float = IMPORT_LIMIT_S) -> None:
        super().__init__(
            GROUP,
            "destination of the kind",
            _BUILT_IN,
            _why_not,
            canonical=canonical_name,
            plugin_folder=plugin_folder,
            import_limit_s=import_limit_s,
        )


def _why_not(name: str, candidate: object) -> str:
    if not isinstance(candidate, type) or not issubclass(candidate, Destination):
        return f"{candidate!r:.80} is not a destination class"
    if inspect.isabstract(candidate):
        missing = ", ".join(sorted(candidate.__abstractmethods__))
        return f"it does not say how to do: {missing}"
    identifier, title = getattr(candidate, "identifier", None), getattr(candidate, "title", None)
    config_class = getattr(candidate, "config_class", None)
    if not isinstance(identifier, str) or canonical_name(identifier) != name:
        return f"it calls itself {identifier!r:.80}; its entry point must have the same name"
    if not isinstance(title, str) or not title.strip():
        return f"its title is {title!r:.80}, not text"
    if not isinstance(config_class, type) or not issubclass(config_class, DestinationConfig):
        return f"its config_class is {config_class!r:.80}, not a DestinationConfig"
    if not isinstance(getattr(candidate, "capabilities", None), Capabilities):
        return "it does not state its capabilities"
    return ""


def canonical_name(name: str) -> str:
    """The kind a name stands for."""
    plain = plain_name(name)
    return ALIASES.get(plain, plain)


_registry: DestinationRegistry | None = None
_registry_lock = threading.Lock()


def registry() -> DestinationRegistry:
    """The registry of this process, made at the first call."""
    global _registry
    with _registry_lock:
        if _registry is None:
            _registry = DestinationRegistry()
        return _registry


def load_destination(name: str) -> type[Destination]:
    """The kind of destination of that name or alias. Raises UsageError and PluginFailed."""
    return registry().get(name)
