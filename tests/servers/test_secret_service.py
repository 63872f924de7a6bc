"""The password store of a real desktop: a Secret Service on a session bus of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(sys.platform != "linux", reason="the Secret Service is the password store of Linux desktops"),
]

#: Runs inside the bus; $1 is the password of the keyring, the rest is the command.
_SESSION = """
printf %s "$1" | gnome-keyring-daemon --unlock --components=secrets >"$HOME/daemon.env" 2>/dev/null
shift
"$@"
code=$?
kill "$(sed -n 's/^GNOME_KEYRING_PID=//p' "$HOME/daemon.env")" 2>/dev/null
exit $code
"""

_LOCK = """
import secretstorage
bus = secretstorage.dbus_init()
secretstorage.get_default_collection(bus).lock()
"""

_REPORT = """
from etiket_gui.credentials.keyring_store import KeyringStore, KeyringLocked
store = KeyringStore()
print("state", store.report().state.value)
"""


def _in_session(folder: Path, script: str, *, is_daemon_wanted: bool = True) -> list[str]:
    """What a script prints that runs with a session bus, and an unlocked keyring unless that is not wanted."""
    for name in ("home", "run"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "XDG_DATA_HOME": str(folder / "home" / ".local/share"),
        "PYTHONPATH": os.getcwd(),
        "PYTHONWARNINGS": "error",
    }
    words = [sys.executable, "-c", script]
    if is_daemon_wanted:
        words = ["sh", "-c", _SESSION, "sh", "the keyring's own password", *words]
    done = subprocess.run(
        ["dbus-run-session", "--", *words], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def folder(account_folder: Path) -> Path:
    missing = [name for name in ("dbus-run-session", "gnome-keyring-daemon") if shutil.which(name) is None]
    if missing:
        pytest.fail(f"not installed: {', '.join(missing)} (apt-get install dbus gnome-keyring)")
    return account_folder


def test_secret_is_kept_by_the_desktop_and_found_by_the_next_process(folder: Path) -> None:
    write = _REPORT + 'print(store.get("d-1"), store.set("d-1", "µ" * 5000), store.delete("d-2"))'
    read = _REPORT + 'print(store.get("d-1") == "µ" * 5000, store.get("d-2"))'
    script = f"""
import subprocess, sys
for text in ({write!r}, {read!r}):
    print(subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout, end="")
"""
    assert _in_session(folder, script) == ["state ready", "None True True", "state ready", "True None"]


def test_locked_keyring_is_told_without_a_prompt_and_keeps_its_secret(folder: Path) -> None:
    script = (
        _REPORT
        + 'store.set("d-1", "secret-1")\nstore.forget_session("d-1")\n'
        + _LOCK
        + """
print("state", store.report().state.value)
try:
    print(store.get("d-1"))
except KeyringLocked as error:
    print("locked", error.retry_class.value)
"""
    )
    lines = _in_session(folder, script)
    assert lines[:2] == ["state ready", "state locked"]
    assert lines[2].startswith("locked")


def test_bus_without_a_password_store_keeps_the_secret_for_the_session_only(folder: Path) -> None:
    script = (
        "import logging; logging.disable()\n"
        + _REPORT
        + 'print(store.get("d-1"), store.set("d-1", "secret-1", may_prompt=False), store.get("d-1"))'
    )
    assert _in_session(folder, script, is_daemon_wanted=False)[-1] == "None False secret-1"
    assert not [path for path in folder.rglob("*") if path.is_file() and b"secret-1" in path.read_bytes()]
