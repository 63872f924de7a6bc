"""The start at login on Windows: a value below the Run key of the account."""

from __future__ import annotations

import contextlib
import importlib
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast

RUN_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"
VALUE_NAME = "etiket-gui"


class Registry(Protocol):
    """What is used of the module ``winreg``."""

    HKEY_CURRENT_USER: Any
    KEY_SET_VALUE: int
    REG_SZ: int

    def OpenKey(self, key: Any, sub_key: str, reserved: int = 0, access: int = ...) -> AbstractContextManager[Any]: ...  # noqa: N802
    def CreateKey(self, key: Any, sub_key: str) -> AbstractContextManager[Any]: ...  # noqa: N802
    def SetValueEx(self, key: Any, name: str, reserved: int, kind: int, value: str) -> None: ...  # noqa: N802
    def QueryValueEx(self, key: Any, name: str) -> tuple[Any, int]: ...  # noqa: N802
    def DeleteValue(self, key: Any, name: str) -> None: ...  # noqa: N802


def system_registry() -> Registry:
    """The registry of this machine. Raises ImportError elsewhere than on Windows."""
    return cast("Registry", importlib.import_module("winreg"))


class RunKey:
    """One value for one account; ``registry`` is the module ``winreg``."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def command(self) -> tuple[str, ...] | None:
        """What the value starts; None when there is none."""
        registry = self._registry
        try:
            with registry.OpenKey(registry.HKEY_CURRENT_USER, RUN_KEY) as key:
                value, _ = registry.QueryValueEx(key, VALUE_NAME)
        except OSError:
            return None
        return split_command(str(value))

    def enable(self, command: Sequence[str]) -> None:
        """Write the value. Raises OSError."""
        registry = self._registry
        with registry.CreateKey(registry.HKEY_CURRENT_USER, RUN_KEY) as key:
            registry.SetValueEx(key, VALUE_NAME, 0, registry.REG_SZ, subprocess.list2cmdline(command))

    def disable(self) -> None:
        """Remove the value. Raises OSError."""
        registry = self._registry
        with (
            contextlib.suppress(FileNotFoundError),
            registry.OpenKey(registry.HKEY_CURRENT_USER, RUN_KEY, 0, registry.KEY_SET_VALUE) as key,
        ):
            registry.DeleteValue(key, VALUE_NAME)


def split_command(line: str) -> tuple[str, ...]:
    """The words of a command line after the rules of Windows programs; the reverse of ``subprocess.list2cmdline``."""
    words: list[str] = []
    word, is_open, is_quoted, slashes = "", False, False, 0
    for character in line:
        if character == "\\":
            slashes += 1
            continue
        if character == '"':
            word += "\\" * (slashes // 2)
            if slashes % 2:
                word += '"'
            else:
                is_quoted = not is_quoted
            is_open, slashes = True, 0
            continue
        if slashes:
            word, is_open, slashes = word + "\\" * slashes, True, 0
        if character in " \t" and not is_quoted:
            if is_open:
                words.append(word)
            word, is_open = "", False
        else:
            word, is_open = word + character, True
    if slashes:
        word, is_open = word + "\\" * slashes, True
    if is_open:
        words.append(word)
    return tuple(words)
