"""The start at login on Linux: an entry in the autostart folder, as freedesktop.org describes it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from etiket_gui.osys.atomic import write_atomically

ENTRY_FILE = "etiket-gui.desktop"
_RESERVED = set(" \t\n\"'\\><~|&;$*?#()`")
_TEMPLATE = """[Desktop Entry]
Type=Application
Name=etiket
Comment=Brings every measurement of this computer to its archives
Icon=etiket-gui
Terminal=false
StartupNotify=false
X-GNOME-Autostart-enabled=true
X-GNOME-Autostart-Delay={delay_s}
X-KDE-autostart-after=panel
X-MATE-Autostart-Delay={delay_s}
Exec={command}
"""


class XdgEntry:
    """One entry for one account. ``config_home`` is its folder of configurations, usually ``~/.config``.

    Where the desktop knows how to wait, the program starts ``delay_s`` after the login; the tray waits for its panel
    anyway.
    """

    def __init__(self, config_home: Path, *, delay_s: int) -> None:
        self.path = config_home / "autostart" / ENTRY_FILE
        self._delay_s = delay_s

    def command(self) -> tuple[str, ...] | None:
        """What the entry starts; None when there is none, or when the desktop's own settings switched it off."""
        try:
            lines = self.path.read_text("utf-8", errors="surrogateescape").splitlines()
        except OSError:
            return None
        values = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        is_off = values.get("Hidden") == "true" or values.get("X-GNOME-Autostart-enabled") == "false"
        if is_off or "Exec" not in values:
            return None
        return split_exec(values["Exec"])

    def enable(self, command: Sequence[str]) -> None:
        """Write the entry, there whole or not at all. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = _TEMPLATE.format(delay_s=self._delay_s, command=" ".join(quoted(word) for word in command))
        write_atomically(self.path, text.encode("utf-8", "surrogateescape"))

    def disable(self) -> None:
        """Remove the entry. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


def quoted(word: str) -> str:
    """One word of an Exec line: quoted after its rules, then escaped after those of strings."""
    if not word or any(character in _RESERVED for character in word):
        for character in '\\"`$':
            word = word.replace(character, "\\" + character)
        word = f'"{word}"'
    return word.replace("%", "%%").replace("\\", "\\\\")


def split_exec(line: str) -> tuple[str, ...]:
    """The words of an Exec line; the reverse of quoting each of them."""
    line = line.replace("\\\\", "\\").replace("%%", "%")
    words: list[str] = []
    word, is_open, is_quoted = "", False, False
    characters = iter(line)
    for character in characters:
        if character == "\\" and is_quoted:
            word += next(characters, "")
        elif character == '"':
            is_quoted, is_open = not is_quoted, True
        elif character == " " and not is_quoted:
            if is_open:
                words.append(word)
            word, is_open = "", False
        else:
            word, is_open = word + character, True
    if is_open:
        words.append(word)
    return tuple(words)
