"""Sees whether the thread of a window waits for a disk, a network, another program or the password store."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keyring

import etiket_gui
from tests.support import leaks

#: What Python tells an audit hook of, where it means that something outside of the process is waited for.
_FORBIDDEN = {
    "open", "sqlite3.connect", "socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo",
    "socket.gethostbyname", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "os.system", "os.startfile",
    "os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link",
    "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.utime", "os.getxattr", "os.setxattr", "shutil.copyfile",
    "shutil.copytree", "shutil.move", "shutil.rmtree", "tempfile.mkstemp", "tempfile.mkdtemp", "webbrowser.open",
    "glob.glob", "urllib.Request",
}  # fmt: skip
#: What Python tells no hook of: asked through these names.
_SILENT = ("stat", "lstat", "access", "readlink", "statvfs", "fsync", "getxattr", "replace", "unlink")
_OF_KEYRING = ("get_keyring", "get_password", "set_password", "delete_password", "get_credential")
_OWN_CODE = tuple(
    os.fspath(folder) + os.sep
    for folder in {Path(sys.prefix), Path(sys.base_prefix), Path(os.__file__).parent, Path(etiket_gui.__file__).parent}
)
_PICTURES = os.fspath(Path(etiket_gui.__file__).parent.parent / "resources") + os.sep


@dataclass(frozen=True, slots=True)
class Allowed:
    """One thing that the thread may do all the same: the event, a part of what it is about, by which function, why."""

    event: str
    about: str
    function: str
    reason: str


@dataclass(slots=True)
class ThreadWatch:
    """What the watched thread did that it should not; ``seen`` says what, and where in the program."""

    allowed: Sequence[Allowed] = ()
    seen: list[str] = field(default_factory=list)
    used: set[Allowed] = field(default_factory=set)
    is_on: bool = False
    thread_id: int = field(default_factory=threading.get_ident)

    @contextlib.contextmanager
    def not_watching(self) -> Iterator[None]:
        """Inside, the thread does what only a test does."""
        before, self.is_on = self.is_on, False
        try:
            yield
        finally:
            self.is_on = before

    def note(self, event: str, about: object) -> None:
        """Something was done on some thread."""
        if not self.is_on or threading.get_ident() != self.thread_id:
            return
        text = about if isinstance(about, str) else os.fsdecode(about) if isinstance(about, bytes | os.PathLike) else ""
        if isinstance(about, int) or (text.startswith((*_OWN_CODE, _PICTURES)) and event in {"open", "os.stat"}):
            # An open file, or code, letters and pictures of the program itself when they are first needed.
            return
        with self.not_watching():
            frames = traceback.extract_stack()[:-2]
        if any(frame.name in {"_find_and_load", "_find_spec"} for frame in frames):
            # A module that is first needed now.
            return
        if event == "os.stat" and any(frame.filename == leaks.__file__ for frame in frames):
            # What the tests note of each thread that is started.
            return
        for one in self.allowed:
            if one.event == event and one.about in text and any(frame.name == one.function for frame in frames):
                self.used.add(one)
                return
        where = [f"{Path(item.filename).name}:{item.lineno} {item.name}" for item in frames]
        package = os.fspath(Path(etiket_gui.__file__).parent)
        own = [line for line, item in zip(where, frames, strict=True) if item.filename.startswith(package)]
        self.seen.append(f"{event} {text or about!r}: {' > '.join((own or where)[-6:])}")


_watch: ThreadWatch | None = None
_is_hooked = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watch is None or not _watch.is_on:
        return
    if event in _FORBIDDEN:
        _watch.note(event, arguments[1] if event.startswith("socket.") and len(arguments) > 1 else
                    arguments[0] if arguments else "")  # fmt: skip


@contextlib.contextmanager
def watched_thread(allowed: Sequence[Allowed] = ()) -> Iterator[ThreadWatch]:
    """Inside, this thread is watched. A hook of Python cannot be taken out again, so it sleeps afterwards."""
    global _watch, _is_hooked
    if not _is_hooked:
        sys.addaudithook(_hook)
        _is_hooked = True
    watch = ThreadWatch(allowed)
    kept = [(os, "os", name, getattr(os, name)) for name in _SILENT if hasattr(os, name)]
    kept += [(keyring, "keyring", name, getattr(keyring, name)) for name in _OF_KEYRING]

    def telling(event: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def told(*arguments: Any, **named: Any) -> Any:
            watch.note(event, arguments[0] if arguments else "")
            return real(*arguments, **named)

        return told

    for module, prefix, name, real in kept:
        setattr(module, name, telling(f"{prefix}.{name}", real))
    _watch, watch.is_on = watch, True
    try:
        yield watch
    finally:
        watch.is_on, _watch = False, None
        for module, _, name, real in kept:
            setattr(module, name, real)
