"""The SHA256SUMS text that ``sha256sum -c`` understands: written and read back, for any file name."""

from __future__ import annotations

import re
from collections.abc import Iterable

from etiket_gui.domain.errors import UnsafeName
from etiket_gui.domain.names import check_relative, to_portable

_LINE = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](.+)", re.DOTALL)
_ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}
_ESCAPED = re.compile(rb"\\[\\nr]")
_SPECIAL = re.compile(rb"[\\\n\r]")
_QUOTES = {plain: quoted for quoted, plain in _ESCAPES.items()}


def checksum_lines(files: Iterable[tuple[bytes, str]]) -> bytes:
    """The text for (path relative to the file, ``/``-separated, as bytes of the file system; SHA-256 in hex)."""
    lines = []
    for path, sha256 in files:
        # A lone "-" would make sha256sum read its standard input.
        name = b"./-" if path == b"-" else path
        mark = b""
        if _SPECIAL.search(name):
            mark = b"\\"
            name = _SPECIAL.sub(lambda match: _QUOTES[match.group()], name)
        lines.append(b"%b%b  %b\n" % (mark, sha256.encode(), name))
    return b"".join(lines)


def parse_checksums(text: bytes) -> dict[bytes, str]:
    """Path to SHA-256 of such a text; lines that make no sense, or whose path leads outside, are left out."""
    found: dict[bytes, str] = {}
    for line in text.split(b"\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        name = match.group(3)
        if match.group(1):
            name = _ESCAPED.sub(lambda escaped: _ESCAPES[escaped.group()], name)
        if name == b"./-":
            name = b"-"
        if _is_inside(name):
            found[name] = match.group(2).decode()
    return found


def _is_inside(path: bytes) -> bool:
    try:
        check_relative(to_portable(path.decode("utf-8", "surrogateescape")))
    except UnsafeName:
        return False
    return True
