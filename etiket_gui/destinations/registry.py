"""Which kinds of destination there are: the built-in ones and installed plug-ins, loaded when first asked for.

A plug-in that raises on import, hangs or is no destination is disabled with a reason; the rest runs.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from etiket_gui.destinations.api import Capabilities, Destination, DestinationConfig
from etiket_gui.domain import guards
from etiket_gui.domain.errors import EtiketError, PluginFailed, UsageError

GROUP = "etiket_gui.destinations"
IMPORT_LIMIT_S = 20.0
_BUILT_IN: Mapping[str, str] = {"archive": "etiket_gui.destinations.archive.destination:ArchiveDestination"}
#: Other names people use for a kind.
ALIASES: Mapping[str, str] = {"folder": "archive", "folder_archive": "archive", "filesystem": "archive"}


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One kind of destination that can be named: where it comes from, and why it is disabled when it is.

    ``origin`` is "built-in" or the name and version of the distribution that brings it.
    """

    name: str
    origin: str
    target: str
    disabled_because: str = ""


class _Import:
    """An import on its way in a thread of its own, which cannot be ended but need not be waited for."""

    def __init__(self, target: str) -> None:
        self.result: object = None
        self.failure: BaseException | None = None
        self._target = target
        self.thread = threading.Thread(target=self._run, name=f"import of {target}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.result = _resolve(self._target)
        except BaseException as error:  # noqa: BLE001 - whatever a plug-in raises, SystemExit too, becomes its reason
            self.failure = error


class DestinationRegistry:
    """Finds and loads kinds of destination. Thread-safe. ``import_limit_s`` bounds the import of one plug-in."""

    def __init__(self, *, import_limit_s: float = IMPORT_LIMIT_S) -> None:
        self._import_limit_s = import_limit_s
        self._lock = threading.RLock()
        self._plugins: dict[str, PluginInfo] = {}
        self._loaded: dict[str, type[Destination]] = {}
        self._imports: dict[str, _Import] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look again for what is installed, so that a new plug-in is there without a restart."""
        with self._lock:
            importlib.invalidate_caches()
            found = {name: PluginInfo(name, "built-in", target) for name, target in _BUILT_IN.items()}
            for entry in importlib.metadata.entry_points(group=GROUP):
                name = canonical_name(entry.name)
                origin = "unknown" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
                found.setdefault(name, PluginInfo(name, origin, entry.value))
            for name, plugin in found.items():
                before = self._plugins.get(name)
                if before is not None and (before.target, before.origin) == (plugin.target, plugin.origin):
                    found[name] = before
                else:
                    self._loaded.pop(name, None)
            self._plugins = found

    def names(self) -> tuple[str, ...]:
        """The names of all kinds, disabled ones included; nothing is imported for it."""
        with self._lock:
            return tuple(sorted(self._plugins))

    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every kind with its origin and, as far as it was tried, the reason why it is disabled."""
        with self._lock:
            return tuple(self._plugins[name] for name in sorted(self._plugins))

    def get(self, name: str) -> type[Destination]:
        """The kind of that name or alias. Raises UsageError when there is none, PluginFailed when it is disabled."""
        wanted = canonical_name(name)
        with self._lock:
            if wanted not in self._plugins:
                self.refresh()
            plugin = self._plugins.get(wanted)
            if plugin is None:
                raise UsageError(
                    f"There is no destination of the kind {name!r}; there are: {', '.join(sorted(self._plugins))}."
                )
            loaded = self._loaded.get(wanted)
        if loaded is not None:
            return loaded
        try:
            kind = self._checked(plugin, self._imported(plugin))
        except PluginFailed as error:
            with self._lock:
                self._plugins[wanted] = replace(plugin, disabled_because=error.reason)
            raise
        with self._lock:
            self._loaded[wanted] = kind
            self._plugins[wanted] = replace(plugin, disabled_because="")
        return kind

    def usable(self) -> tuple[type[Destination], ...]:
        """Every kind that works; the others are disabled, see :meth:`plugins`."""
        found = []
        for name in self.names():
            try:
                found.append(self.get(name))
            except EtiketError:
                # The reason is kept beside the plug-in, where `plugins` shows it.
                continue
        return tuple(found)

    def _imported(self, plugin: PluginInfo) -> object:
        if plugin.origin == "built-in" or not guards.is_on("plugins-are-fenced"):
            return _resolve(plugin.target)
        with self._lock:
            running = self._imports.get(plugin.target)
            if running is None:
                running = self._imports[plugin.target] = _Import(plugin.target)
        running.thread.join(self._import_limit_s)
        if running.thread.is_alive():
            raise _failed(plugin, f"importing it takes longer than {self._import_limit_s:g} s")
        with self._lock:
            self._imports.pop(plugin.target, None)
        if running.failure is not None:
            error = running.failure
            raise _failed(plugin, f"importing it failed with {type(error).__name__}: {error}") from error
        return running.result

    def _checked(self, plugin: PluginInfo, candidate: object) -> type[Destination]:
        if not isinstance(candidate, type) or not issubclass(candidate, Destination):
            raise _failed(plugin, f"{candidate!r:.80} is not a destination class")
        if inspect.isabstract(candidate):
            missing = ", ".join(sorted(candidate.__abstractmethods__))
            raise _failed(plugin, f"it does not say how to do: {missing}")
        identifier, title = getattr(candidate, "identifier", None), getattr(candidate, "title", None)
        config_class = getattr(candidate, "config_class", None)
        if not isinstance(identifier, str) or canonical_name(identifier) != plugin.name:
            raise _failed(plugin, f"it calls itself {identifier!r:.80}; its entry point must have the same name")
        if not isinstance(title, str) or not title.strip():
            raise _failed(plugin, f"its title is {title!r:.80}, not text")
        if not isinstance(config_class, type) or not issubclass(config_class, DestinationConfig):
            raise _failed(plugin, f"its config_class is {config_class!r:.80}, not a DestinationConfig")
        if not isinstance(getattr(candidate, "capabilities", None), Capabilities):
            raise _failed(plugin, "it does not state its capabilities")
        return candidate


def canonical_name(name: str) -> str:
    """The kind a name stands for."""
    plain = re.sub(r"[-\s.]+", "_", name.strip().lower())
    return ALIASES.get(plain, plain)


def _failed(plugin: PluginInfo, why: str) -> PluginFailed:
    return PluginFailed(
        f"The plug-in {plugin.name} ({plugin.origin}) is disabled: {why}.",
        advice="Update or remove it; everything else runs.",
    )


def _resolve(target: str) -> object:
    module, _, attribute = target.partition(":")
    found: object = importlib.import_module(module.strip())
    for part in filter(None, attribute.partition("[")[0].strip().split(".")):
        found = getattr(found, part)
    return found


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
