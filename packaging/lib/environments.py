"""Makes the virtual environments of the program and its tests, once for each set of pins; standard library only.

An environment is complete when its stamp is there: the stamp is written last, and a folder without one is removed and
made again, so that a failed or interrupted installation leaves nothing half behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
UNUSED_DAYS = 60
#: Debian's packages of the libraries that Qt opens, and the library of each: to draw at all, and on an X server.
QT_OFFSCREEN = {
    "libgl1": "libGL.so.1",
    "libegl1": "libEGL.so.1",
    "libxkbcommon0": "libxkbcommon.so.0",
    "libglib2.0-0": "libgthread-2.0.so.0",
    "libfontconfig1": "libfontconfig.so.1",
    "libdbus-1-3": "libdbus-1.so.3",
}
QT_WINDOWS = {
    **QT_OFFSCREEN,
    "libxcb-cursor0": "libxcb-cursor.so.0",
    "libxcb-icccm4": "libxcb-icccm.so.4",
    "libxcb-keysyms1": "libxcb-keysyms.so.1",
    "libxkbcommon-x11-0": "libxkbcommon-x11.so.0",
    "libxcb-shape0": "libxcb-shape.so.0",
}
_STAMP = "complete"
_SHIELDED = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PIP_TARGET",
    "PIP_USER",
    "PIP_PREFIX",
    "PIP_REQUIRE_VIRTUALENV",
    "VIRTUAL_ENV",
)


class CannotPrepare(Exception):
    """Something is missing that this script may not or cannot get; the text says what to do."""


def say(text: str) -> None:
    """One line for the person at the terminal; never on stdout, which belongs to the program."""
    print(text, file=sys.stderr, flush=True)


def hash_of(*parts: str) -> str:
    """A short name for these texts: 16 hex digits."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def project() -> dict[str, object]:
    """The content of pyproject.toml."""
    with open(CHECKOUT / "pyproject.toml", "rb") as file:
        return tomllib.load(file)


def requirements(*extras: str) -> list[str]:
    """What pip has to install for the program, to build it, and for these extras."""
    content = project()
    metadata, build = content["project"], content["build-system"]
    assert isinstance(metadata, dict)
    assert isinstance(build, dict)
    wanted: list[str] = [*metadata["dependencies"], *build["requires"]]
    for extra in extras:
        wanted += metadata["optional-dependencies"][extra]
    return wanted


def entry_point() -> tuple[str, str]:
    """Module and function of the command line."""
    metadata = project()["project"]
    assert isinstance(metadata, dict)
    module, _, function = metadata["scripts"]["etiket-sync"].partition(":")
    return module, function


def tree_hash() -> str:
    """A hash of everything the installed program is made of, by content."""
    digest = hashlib.sha256()
    names = ["pyproject.toml", "README.md", "LICENSE"]
    for folder in ("etiket_gui", "resources"):
        for place, folders, files in os.walk(CHECKOUT / folder):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            names += [os.path.relpath(os.path.join(place, name), CHECKOUT) for name in sorted(files)]
    for name in names:
        digest.update(f"{name}\0".encode("utf-8", "surrogateescape"))
        with contextlib.suppress(FileNotFoundError), open(CHECKOUT / name, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Where environments are kept: the user's cache, or the checkout when that cannot be written."""
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    places = [Path(base) / "etiket-gui"] if base and os.path.isabs(base) else []
    for place in [*places, CHECKOUT / ".venv"]:
        try:
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=place):
                return place
        except OSError:
            continue
    raise CannotPrepare(
        f"Neither {places[0] if places else 'a cache folder'} nor {CHECKOUT} can be written. Make one of them "
        "writable, or name another place with XDG_CACHE_HOME."
    )


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Only one installation at a time; the second waits and then finds the work done."""
    with open(path, "a+b") as file:
        if sys.platform == "win32":
            import msvcrt

            while True:
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                    break
                except OSError:
                    time.sleep(0.2)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def python_of(environment: Path) -> Path:
    """The interpreter of an environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _is_complete(folder: Path) -> bool:
    return (folder / _STAMP).is_file()


def _mark_used(folder: Path) -> None:
    with contextlib.suppress(OSError):
        os.utime(folder / _STAMP)


def _remove_unused(cache: Path) -> None:
    """Environments that were not started for a long time; they can be made again."""
    limit = time.time() - UNUSED_DAYS * 86_400
    for stamp in cache.glob(f"*/{_STAMP}"):
        with contextlib.suppress(OSError):
            if stamp.stat().st_mtime < limit:
                stamp.unlink()
                shutil.rmtree(stamp.parent, ignore_errors=True)


def _run(command: Sequence[str | Path], what: str, advice: str) -> None:
    """Run quietly; raise CannotPrepare with the end of its output when it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in _SHIELDED}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        [str(part) for part in command], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False, errors="replace",
    )  # fmt: skip
    if done.returncode != 0:
        tail = "\n".join("    " + line for line in done.stdout.strip().splitlines()[-12:])
        raise CannotPrepare(f"{what} did not work:\n{tail}\n{advice}")


def is_root() -> bool:
    """Whether system packages can be installed without asking."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def install_system_packages(packages: Sequence[str], why: str) -> None:
    """Install Debian packages when we are root, saying so; otherwise say the one line that does it."""
    line = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise CannotPrepare(f"{why}: please install {', '.join(packages)} (the Debian names), then start again.")
    if not is_root():
        sudo = line.replace("apt-get", "sudo apt-get")
        raise CannotPrepare(f"{why}. Please run this line once, then start again:\n    {sudo}")
    say(f"{why}. Installing system packages: {', '.join(packages)}")
    advice = f"Please look why, run this line yourself, then start again:\n    {line}"
    _run(["apt-get", "update", "-q"], "apt-get update", advice)
    _run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], "apt-get install", advice)


def missing_system_packages(packages: Sequence[str]) -> list[str]:
    """Those that dpkg does not know as installed; none where there is no dpkg."""
    if not packages or shutil.which("dpkg-query") is None:
        return []
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Status}\n", *packages], capture_output=True, text=True, check=False
    )
    there = {line.partition(" ")[0] for line in asked.stdout.splitlines() if line.endswith(" install ok installed")}
    return [package for package in packages if package not in there]


def missing_libraries(libraries: Mapping[str, str]) -> list[str]:
    """Packages of those libraries that cannot be opened; none where Qt brings what it needs itself."""
    if not sys.platform.startswith("linux"):
        return []
    missing = []
    for package, library in libraries.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    return missing


def missing_venv() -> list[str]:
    """The package with the part of Python that makes virtual environments, when it is not there."""
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return []
    return [f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"]


def _require_venv() -> None:
    packages = missing_venv()
    if packages:
        install_system_packages(packages, "Python lacks the part that makes virtual environments")


def environment(name: str, wanted: Sequence[str], *, key: str = "") -> Path:
    """The complete virtual environment of that name for these requirements; made when it is not there yet.

    Raises CannotPrepare with what to do when something cannot be had.
    """
    cache = cache_folder()
    version = ".".join(map(str, sys.version_info[:3]))
    folder = cache / f"venv-{name}-{hash_of(version, os.path.realpath(sys.executable), key, *wanted)}"
    if _is_complete(folder) and python_of(folder).exists():
        _mark_used(folder)
        return folder
    _require_venv()
    with _alone(cache / f"{folder.name}.lock"):
        if _is_complete(folder) and python_of(folder).exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        say(f"Making the environment {folder} ({len(wanted)} packages and what they need; once, a minute or two) …")
        try:
            _run([sys.executable, "-m", "venv", folder], "Making a virtual environment", "Is the disk full?")
            _run(
                [python_of(folder), "-m", "pip", "install", "--quiet", "--no-input", *wanted],
                "Installing the packages with pip",
                "Nothing half was left behind. Check the network, or pip's proxy and index settings (pip config list), "
                "then start again.",
            )
            (folder / _STAMP).write_text("\n".join(wanted) + "\n", encoding="utf-8")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    _remove_unused(cache)
    return folder


def start_of(program_folder: Path) -> Path:
    """The script that starts an installed program."""
    return program_folder / "etiket-sync.py"


def program(tools: Path) -> Path:
    """The installed program of this very tree, beside the environment, so that a running one is never overwritten."""
    cache = cache_folder()
    folder = cache / f"program-{hash_of(str(tools), tree_hash())}"
    if _is_complete(folder):
        _mark_used(folder)
        return folder
    with _alone(cache / "program.lock"):
        if _is_complete(folder):
            return folder
        say(f"Installing the program into {folder} …")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            _install_without_dependencies(tools, "--target", folder, CHECKOUT)
            module, function = entry_point()
            start_of(folder).write_text(
                f"import sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n", encoding="utf-8"
            )
            (folder / _STAMP).touch()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder


def install_editable(folder: Path) -> None:
    """Let the environment use this checkout as it is; done again only when pyproject.toml changed."""
    stamp = folder / "checkout"
    state = hash_of(str(CHECKOUT), (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == state:
        return
    _install_without_dependencies(folder, "--editable", CHECKOUT)
    stamp.write_text(state, encoding="utf-8")


def _install_without_dependencies(tools: Path, *arguments: str | Path) -> None:
    _run(
        [python_of(tools), "-m", "pip", "install", "--quiet", "--no-input", "--no-deps", "--no-index",
         "--no-build-isolation", *arguments],
        "Installing the program from this checkout",
        "Nothing half was left behind. If you changed files of the checkout, look at the lines above; otherwise please "
        "report them.",
    )  # fmt: skip
