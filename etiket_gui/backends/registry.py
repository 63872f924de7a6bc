"""Which backends there are: the built-in ones and installed plug-ins, each loaded when it is first asked for.

A plug-in that raises on import, hangs or is not a backend is disabled with a reason; the rest runs.
"""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from etiket_gui.backends.api import Backend, SourceConfig
from etiket_gui.domain.states import Realm, ScopePolicy
from etiket_gui.osys.plugins import IMPORT_LIMIT_S, PluginRegistry, plain_name

GROUP = "etiket_gui.backends"
_BUILT_IN: Mapping[str, str] = {
    "core_tools": "etiket_gui.backends.core_tools.backend:CoreToolsBackend",
    "folder": "etiket_gui.backends.folder.backend:FolderBackend",
    "labber": "etiket_gui.backends.labber.backend:LabberBackend",
    "native": "etiket_gui.backends.native.backend:NativeBackend",
    "qcodes": "etiket_gui.backends.qcodes.backend:QCoDeSBackend",
    "quantify": "etiket_gui.backends.quantify.backend:QuantifyBackend",
}
_ALIASES: Mapping[str, str] = {
    "folderbase": "folder",
    "filebase": "folder",
    "file_base": "folder",
    "folder_base": "folder",
    "coretools": "core_tools",
    "quantify_core": "quantify",
}
_OLD_PREFIX = "etiket_sync_agent_"


def canonical_name(name: str) -> str:
    """The backend a name stands for: the names of older sync agents are accepted."""
    plain = plain_name(name).removeprefix(_OLD_PREFIX)
    return _ALIASES.get(plain, plain)


class BackendRegistry(PluginRegistry[type[Backend]]):
    """Finds and loads backends; an installed package with the name of a built-in one is used in its place."""

    def __init__(self, plugin_folder: Path | None = None, *, import_limit_s: float = IMPORT_LIMIT_S) -> None:
        super().__init__(
            GROUP,
            "backend",
            _BUILT_IN,
            _why_not,
            canonical=canonical_name,
            installed_wins=True,
            plugin_folder=plugin_folder,
            import_limit_s=import_limit_s,
        )


def _why_not(name: str, candidate: object) -> str:
    reason = why_not_a_backend(candidate)
    if reason or canonical_name(str(getattr(candidate, "identifier", ""))) == name:
        return reason
    calls_itself = getattr(candidate, "identifier", None)
    return f"it calls itself {calls_itself!r}; its entry point must have the name of the backend"


def why_not_a_backend(candidate: object) -> str:
    """What keeps a plug-in's object from being a backend, in words; empty when nothing does."""
    if not isinstance(candidate, type) or not issubclass(candidate, Backend):
        return f"{candidate!r:.80} is not a backend class"
    if inspect.isabstract(candidate):
        missing = ", ".join(sorted(candidate.__abstractmethods__))
        return f"it does not say how to do: {missing}"
    checks: Iterable[tuple[str, Callable[[Any], bool], str]] = (
        (
            "identifier",
            lambda value: isinstance(value, str) and bool(re.fullmatch(r"[a-z][a-z0-9_]*", value)),
            "a name",
        ),
        ("title", lambda value: isinstance(value, str) and bool(value.strip()), "text"),
        ("config_class", lambda value: isinstance(value, type) and issubclass(value, SourceConfig), "a SourceConfig"),
        ("scope_policy", lambda value: isinstance(value, ScopePolicy), "a ScopePolicy"),
        ("realm", lambda value: isinstance(value, Realm), "a Realm"),
        ("live_sync", lambda value: isinstance(value, bool), "True or False"),
    )
    for attribute, is_right, wanted in checks:
        value = getattr(candidate, attribute, None)
        if not is_right(value):
            return f"its {attribute} is {value!r:.80}, not {wanted}"
    return ""


_registry: BackendRegistry | None = None
_registry_lock = threading.Lock()


def registry(plugin_folder: Path | None = None) -> BackendRegistry:
    """The registry of this process, made at the first call; ``plugin_folder`` counts from the first call with one."""
    global _registry
    with _registry_lock:
        if _registry is None or (plugin_folder is not None and _registry.plugin_folder is None):
            _registry = BackendRegistry(plugin_folder)
        return _registry


def load_backend(name: str) -> type[Backend]:
    """The backend of that name or alias. Raises UsageError and PluginFailed."""
    return registry().get(name)
