"""Which backends there are: the built-in ones and installed plug-ins, each loaded when it is first asked for.

A plug-in that raises on import, hangs or is not a backend is disabled with a reason; the rest runs.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etiket_gui.backends.api import Backend, SourceConfig
from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError, PluginFailed, UsageError
from etiket_gui.domain.states import Realm, ScopePolicy

GROUP = "etiket_gui.backends"
IMPORT_LIMIT_S = 20.0
_BUILT_IN: Mapping[str, str] = {"folder": "etiket_gui.backends.folder.backend:FolderBackend"}
_ALIASES: Mapping[str, str] = {
    "folderbase": "folder",
    "filebase": "folder",
    "file_base": "folder",
    "folder_base": "folder",
    "coretools": "core_tools",
    "quantify_core": "quantify",
}
_OLD_PREFIX = "etiket_sync_agent_"


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One backend that can be named: where it comes from, and why it is disabled when it is.

    ``origin`` is "built-in" or the name and version of the distribution that brings it.
    """

    name: str
    origin: str
    target: str
    disabled_because: str = ""


@dataclass(slots=True)
class _Load:
    """An import on its way in a thread of its own."""

    thread: threading.Thread
    begun_s: float
    result: list[Any] = field(default_factory=list)
    failure: list[BaseException] = field(default_factory=list)


def canonical_name(name: str) -> str:
    """The backend a name stands for: the names of older sync agents are accepted."""
    plain = re.sub(r"[-\s.]+", "_", name.strip().lower()).removeprefix(_OLD_PREFIX)
    return _ALIASES.get(plain, plain)


class BackendRegistry:
    """Finds and loads backends. Thread-safe.

    ``plugin_folder`` is where a person may put plug-ins (as ``pip install --target`` does); it is added to the import
    path. An import that takes longer than ``import_limit_s`` seconds disables its plug-in until it has ended.
    """

    def __init__(self, plugin_folder: Path | None = None, *, import_limit_s: float = IMPORT_LIMIT_S) -> None:
        self.plugin_folder = plugin_folder
        self._import_limit_s = import_limit_s
        self._lock = threading.RLock()
        self._plugins: dict[str, PluginInfo] = {}
        self._loaded: dict[str, tuple[str, type[Backend]]] = {}
        self._loading: dict[str, _Load] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look again for what is installed; plug-ins that were added meanwhile are there without a restart."""
        with self._lock:
            if self.plugin_folder is not None:
                folder = os.fspath(self.plugin_folder)
                if folder not in sys.path:
                    sys.path.append(folder)
            importlib.invalidate_caches()
            before = self._plugins
            found: dict[str, PluginInfo] = {
                name: PluginInfo(name, "built-in", target) for name, target in _BUILT_IN.items()
            }
            for entry in importlib.metadata.entry_points(group=GROUP):
                name = canonical_name(entry.name)
                if name not in found:
                    found[name] = PluginInfo(name, _origin(entry), entry.value)
            for name, plugin in found.items():
                known = before.get(name)
                if known is not None and (known.target, known.origin) == (plugin.target, plugin.origin):
                    found[name] = known
            self._plugins = found
            self._loaded = {
                name: loaded
                for name, loaded in self._loaded.items()
                if name in found and loaded[0] == found[name].target
            }

    def names(self) -> tuple[str, ...]:
        """The names of all backends, disabled ones included; nothing is imported for it."""
        with self._lock:
            return tuple(sorted(self._plugins))

    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every backend with its origin and, as far as it was tried, the reason why it is disabled."""
        with self._lock:
            return tuple(self._plugins[name] for name in sorted(self._plugins))

    def get(self, name: str) -> type[Backend]:
        """The backend of that name or alias.

        Raises UsageError when there is none, and PluginFailed when it is disabled.
        """
        wanted = canonical_name(name)
        with self._lock:
            plugin = self._plugins.get(wanted)
            if plugin is None:
                self.refresh()
                plugin = self._plugins.get(wanted)
            if plugin is None:
                raise UsageError(f"There is no backend {name!r}; there are: {', '.join(sorted(self._plugins))}.")
            loaded = self._loaded.get(wanted)
            if loaded is not None:
                return loaded[1]
        return self._load(plugin)

    def usable(self) -> tuple[type[Backend], ...]:
        """Every backend that works; the others are disabled, see :meth:`plugins`."""
        found = []
        for name in self.names():
            try:
                found.append(self.get(name))
            except EtiketError:
                # The reason is kept beside the plug-in, where `plugins` shows it.
                continue
        return tuple(found)

    def _load(self, plugin: PluginInfo) -> type[Backend]:
        try:
            backend = self._checked(plugin, self._imported(plugin))
        except PluginFailed as error:
            with self._lock:
                self._plugins[plugin.name] = PluginInfo(plugin.name, plugin.origin, plugin.target, error.reason)
            raise
        with self._lock:
            self._loaded[plugin.name] = (plugin.target, backend)
            self._plugins[plugin.name] = PluginInfo(plugin.name, plugin.origin, plugin.target)
        return backend

    def _imported(self, plugin: PluginInfo) -> object:
        if plugin.origin == "built-in":
            return _resolve(plugin.target)
        if not guards.is_on("plugins-are-fenced"):
            return _resolve(plugin.target)
        with self._lock:
            load = self._loading.get(plugin.target)
            if load is None:
                load = _begin(plugin.target)
                self._loading[plugin.target] = load
            rest_s = max(load.begun_s + self._import_limit_s - time.monotonic(), 0.0)
        load.thread.join(rest_s)
        if load.thread.is_alive():
            raise PluginFailed(
                f"The plug-in {plugin.name} ({plugin.origin}) is disabled: importing it takes longer than "
                f"{self._import_limit_s:g} s.",
                advice="Ask its author why it takes so long, or remove it.",
            )
        with self._lock:
            self._loading.pop(plugin.target, None)
        if load.failure:
            error = load.failure[0]
            raise PluginFailed(
                f"The plug-in {plugin.name} ({plugin.origin}) is disabled: importing it failed with "
                f"{type(error).__name__}: {error}.",
                advice="Update or remove it; everything else runs.",
            ) from error
        return load.result[0]

    def _checked(self, plugin: PluginInfo, candidate: object) -> type[Backend]:
        reason = why_not_a_backend(candidate)
        if reason or not (isinstance(candidate, type) and issubclass(candidate, Backend)):
            raise PluginFailed(
                f"The plug-in {plugin.name} ({plugin.origin}) is disabled: {reason}.",
                advice="Update or remove it; everything else runs.",
            )
        if canonical_name(candidate.identifier) != plugin.name:
            raise PluginFailed(
                f"The plug-in {plugin.name} ({plugin.origin}) is disabled: it calls itself {candidate.identifier!r}.",
                advice="Its entry point must have the name of the backend.",
            )
        return candidate


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


def _resolve(target: str) -> object:
    module, _, attribute = target.partition(":")
    found: object = importlib.import_module(module.strip())
    for part in filter(None, attribute.partition("[")[0].strip().split(".")):
        found = getattr(found, part)
    return found


def _begin(target: str) -> _Load:
    load = _Load(threading.Thread(name=f"import of {target}", daemon=True, target=lambda: _import(target, load)), 0.0)
    load.begun_s = time.monotonic()
    load.thread.start()
    return load


def _import(target: str, load: _Load) -> None:
    try:
        load.result.append(_resolve(target))
    except BaseException as error:  # noqa: BLE001 - whatever a plug-in raises, SystemExit too, becomes its reason
        load.failure.append(error)


def _origin(entry: importlib.metadata.EntryPoint) -> str:
    distribution = entry.dist
    return "unknown" if distribution is None else f"{distribution.name} {distribution.version}"


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
