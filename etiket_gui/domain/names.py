"""Portable names: reversible text for any file name, and the checks a name passes before it becomes a path.

A portable name is what the store, records and messages hold. Bytes that are not UTF-8 (surrogates, as Python
hands them out) and the control characters become ``‛`` followed by two hex digits or ``u`` and four; ``‛`` itself is
doubled. Every other name is left as it is. The quoting character U+201B is the one rclone uses for the same job.
"""

from __future__ import annotations

import re

from etiket_gui.domain.errors import UnsafeName

QUOTE = "‛"
_NEEDS_QUOTING = re.compile("[\x00-\x1f\x7f\ud800-\udfff‛]")
_QUOTED = re.compile("‛(?:(‛)|([0-9a-f]{2})|u([0-9a-f]{4}))")
_WINDOWS_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)( *\..*)?")


def _quote(match: re.Match[str]) -> str:
    character = match.group()
    if character == QUOTE:
        return QUOTE + QUOTE
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"{QUOTE}{code - 0xDC00:02x}"
    if code < 0x80:
        return f"{QUOTE}{code:02x}"
    return f"{QUOTE}u{code:04x}"


def _unquote(match: re.Match[str]) -> str:
    if match.group(1):
        return QUOTE
    if match.group(2):
        code = int(match.group(2), 16)
        return chr(0xDC00 + code) if code >= 0x80 else chr(code)
    return chr(int(match.group(3), 16))


def to_portable(os_name: str) -> str:
    """Portable text of a name as Python's ``os`` functions gave it; ``from_portable`` turns it back exactly."""
    if os_name.isascii() and os_name.isprintable():
        return os_name
    return _NEEDS_QUOTING.sub(_quote, os_name)


def from_portable(portable: str) -> str:
    """The name for Python's ``os`` functions."""
    if QUOTE not in portable:
        return portable
    return _QUOTED.sub(_unquote, portable)


def check_relative(portable: str) -> tuple[str, ...]:
    """The components of a relative portable name that may be joined below a folder, on every operating system.

    Checked before any join, whatever system this runs on, because a record made elsewhere is restored here.
    Raises UnsafeName for an absolute path, a drive, a UNC path, ``..``, a NUL and an empty component. Names that
    only Windows refuses (``con``, ``a:b``, a trailing dot) pass here; :func:`is_windows_safe` tells them.
    """
    name = from_portable(portable)
    if not name or "\x00" in name:
        raise UnsafeName(portable, "it is empty or holds a NUL")
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", name):
        raise UnsafeName(portable, "it is absolute")
    parts = tuple(name.split("/"))
    for part in parts:
        if part in {"", ".", ".."}:
            raise UnsafeName(portable, f"it has the component {part!r}")
        if part.startswith("..\\") or "\\..\\" in part or part.endswith("\\.."):
            raise UnsafeName(portable, "it climbs out of its folder on Windows")
    return parts


def is_windows_safe(component: str) -> bool:
    """Whether Windows stores this component under exactly this name."""
    if not component or component[-1] in ". " or re.search(r'[<>:"/\\|?*\x00-\x1f]', component):
        return False
    return _WINDOWS_DEVICE.fullmatch(component) is None


def display(portable: str) -> str:
    """The name for a screen: control and direction-changing characters are made visible, so nothing is spoofed."""
    return re.sub(
        "[\u200e\u200f\u202a-\u202e\u2066-\u2069\x00-\x1f\x7f]", lambda match: f"<U+{ord(match.group()):04X}>", portable
    )
