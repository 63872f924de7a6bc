"""Finds and loads plug-ins of one kind: the built-in ones and what installed packages bring by entry points.

The one mechanism below the registries of backends, converters and destinations. A plug-in that raises on import, hangs
or is not what it should be is disabled with a reason; the rest runs.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError, PluginFailed, UsageError
from etiket_gui.osys.plugin_folder import look as look_at_plugin_folder

IMPORT_LIMIT_S = 20.0
BUILT_IN = "built-in"
_OWN_DISTRIBUTION = "etiket-gui"

Plugged = TypeVar("Plugged")


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One plug-in that can be named: where it comes from, and why it is disabled when it is.

    ``origin`` is "built-in" or the name and version of the distribution that brings it. ``shadows`` are the origins of
    those with the same name that it stands in front of: they are not used. ``is_loaded`` says that it was asked for
    and works.
    """

    name: str
    origin: str
    target: str
    disabled_because: str = ""
    shadows: tuple[str, ...] = ()
    is_loaded: bool = False


@dataclass(slots=True)
class _Load:
    """An import on its way in a thread of its own, which cannot be ended but need not be waited for."""

    thread: threading.Thread
    begun_s: float
    result: list[Any] = field(default_factory=list)
    failure: list[BaseException] = field(default_factory=list)


def plain_name(name: str) -> str:
    """A name in the one form in which names are compared: lower case, words joined by ``_``."""
    return re.sub(r"[-\s.]+", "_", name.strip().lower())


class PluginRegistry(Generic[Plugged]):
    """Finds and loads the plug-ins of one entry-point group. Thread-safe.

    ``kind`` is what one is called in sentences ("backend"). ``check`` gets a plug-in's name and object and says in
    words what is wrong with it, or nothing. ``installed_wins`` decides who is used where an installed package has the
    name of a built-in plug-in. ``plugin_folder`` is where a person may put plug-ins (as ``pip install --target``
    does); it is added to the import path. An import that takes longer than ``import_limit_s`` seconds disables its
    plug-in until it has ended.
    """

    def __init__(
        self,
        group: str,
        kind: str,
        built_in: Mapping[str, str],
        check: Callable[[str, object], str],
        *,
        canonical: Callable[[str], str] = plain_name,
        installed_wins: bool = False,
        plugin_folder: Path | None = None,
        import_limit_s: float = IMPORT_LIMIT_S,
    ) -> None:
        self.plugin_folder = plugin_folder
        self._group = group
        self._kind = kind
        self._built_in = built_in
        self._check = check
        self._canonical = canonical
        self._installed_wins = installed_wins
        self._import_limit_s = import_limit_s
        self._lock = threading.RLock()
        self._plugins: dict[str, PluginInfo] = {}
        self._loaded: dict[str, Plugged] = {}
        self._loading: dict[str, _Load] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look again for what is installed; plug-ins that were added meanwhile are there without a restart."""
        with self._lock:
            look_at_plugin_folder()
            if self.plugin_folder is not None:
                folder = os.fspath(self.plugin_folder)
                if folder not in sys.path:
                    sys.path.append(folder)
            importlib.invalidate_caches()
            found = self._found()
            for name, plugin in found.items():
                before = self._plugins.get(name)
                if before is not None and (before.target, before.origin) == (plugin.target, plugin.origin):
                    found[name] = replace(before, shadows=plugin.shadows)
                else:
                    self._loaded.pop(name, None)
            self._plugins = found
            self._loaded = {name: loaded for name, loaded in self._loaded.items() if name in found}

    def _found(self) -> dict[str, PluginInfo]:
        candidates: dict[str, list[PluginInfo]] = {
            name: [PluginInfo(name, BUILT_IN, target)] for name, target in self._built_in.items()
        }
        installed: dict[str, list[PluginInfo]] = {}
        for entry in importlib.metadata.entry_points(group=self._group):
            name = self._canonical(entry.name)
            if name in self._built_in and self._is_own(entry):
                continue
            info = PluginInfo(name, _origin(entry), entry.value)
            if info not in installed.setdefault(name, []):
                installed[name].append(info)
        for name, infos in installed.items():
            infos.sort(key=lambda info: (info.origin, info.target))
            built_in = candidates.get(name, [])
            candidates[name] = [*infos, *built_in] if self._installed_wins else [*built_in, *infos]
        return {
            name: replace(infos[0], shadows=tuple(info.origin for info in infos[1:]))
            for name, infos in candidates.items()
        }

    def _is_own(self, entry: importlib.metadata.EntryPoint) -> bool:
        return entry.dist is not None and plain_name(entry.dist.name) == plain_name(_OWN_DISTRIBUTION)

    def names(self) -> tuple[str, ...]:
        """The names of all plug-ins, disabled ones included; nothing is imported for it."""
        with self._lock:
            return tuple(sorted(self._plugins))

    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every plug-in with its origin and, as far as it was tried, the reason why it is disabled."""
        with self._lock:
            return tuple(self._plugins[name] for name in sorted(self._plugins))

    def get(self, name: str) -> Plugged:
        """The plug-in of that name or alias.

        Raises UsageError when there is none, and PluginFailed when it is disabled.
        """
        wanted = self._canonical(name)
        with self._lock:
            plugin = self._plugins.get(wanted)
            if plugin is None:
                self.refresh()
                plugin = self._plugins.get(wanted)
            if plugin is None:
                raise UsageError(f"There is no {self._kind} {name!r}; there are: {', '.join(sorted(self._plugins))}.")
            if wanted in self._loaded:
                return self._loaded[wanted]
        return self._load(plugin)

    def usable(self) -> tuple[Plugged, ...]:
        """Every plug-in that works; the others are disabled, see :meth:`plugins`."""
        found = []
        for name in self.names():
            try:
                found.append(self.get(name))
            except EtiketError:
                # The reason is kept beside the plug-in, where `plugins` shows it.
                continue
        return tuple(found)

    def _load(self, plugin: PluginInfo) -> Plugged:
        try:
            candidate: Any = self._imported(plugin)
            reason = self._check(plugin.name, candidate)
            if reason:
                raise _failed(plugin, reason)
        except PluginFailed as error:
            with self._lock:
                self._plugins[plugin.name] = replace(plugin, disabled_because=error.reason, is_loaded=False)
            raise
        with self._lock:
            self._loaded[plugin.name] = candidate
            self._plugins[plugin.name] = replace(plugin, disabled_because="", is_loaded=True)
        loaded: Plugged = candidate
        return loaded

    def _imported(self, plugin: PluginInfo) -> object:
        if plugin.origin == BUILT_IN or not guards.is_on("plugins-are-fenced"):
            return _resolve(plugin.target)
        with self._lock:
            load = self._loading.get(plugin.target)
            if load is None:
                load = self._loading[plugin.target] = _begin(plugin.target)
            rest_s = max(load.begun_s + self._import_limit_s - time.monotonic(), 0.0)
        load.thread.join(rest_s)
        if load.thread.is_alive():
            raise _failed(
                plugin,
                f"importing it takes longer than {self._import_limit_s:g} s",
                "Ask its author why it takes so long, or remove it.",
            )
        with self._lock:
            self._loading.pop(plugin.target, None)
        if load.failure:
            error = load.failure[0]
            raise _failed(plugin, f"importing it failed with {type(error).__name__}: {error}") from error
        return load.result[0]


def _failed(plugin: PluginInfo, why: str, advice: str = "Update or remove it; everything else runs.") -> PluginFailed:
    return PluginFailed(f"The plug-in {plugin.name} ({plugin.origin}) is disabled: {why}.", advice=advice)


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
