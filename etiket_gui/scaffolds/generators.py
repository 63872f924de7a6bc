"""The two commands that write a new plug-in package: a backend, or a converter."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from etiket_gui import __version__
from etiket_gui.domain.errors import UsageError
from etiket_gui.scaffolds import templates
from etiket_gui.scaffolds.names import (
    PluginName,
    checked_dependencies,
    checked_scope,
    checked_version,
    conversion_types,
    plugin_name,
)
from etiket_gui.scaffolds.writing import write_package

_WRONG_USE = 2
_FIRST_LEVEL, _LAST_LEVEL = -1, 64
_DEFAULT_LEVEL = -1
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")


@dataclass(frozen=True, slots=True)
class BackendChoices:
    """What a backend's generator was asked for."""

    name: PluginName
    base: str = "database"
    version: str = "0.0.1"
    dependencies: tuple[str, ...] = ()
    default_scope: str = "REQUIRED"
    live_sync: bool = False
    level: int = _DEFAULT_LEVEL


@dataclass(frozen=True, slots=True)
class ConverterChoices:
    """What a converter's generator was asked for."""

    name: PluginName
    entry_name: PluginName
    version: str = "0.0.1"
    dependencies: tuple[str, ...] = ()


def backend_files(choices: BackendChoices) -> dict[str, str]:
    """The files of a backend's package, by their path in its folder."""
    name = choices.name
    package = f"etiket_sync_agent_{name.plain}"
    summary = f"Brings {name.words} datasets to etiket-gui."
    values = _values(name, package, choices.version, choices.dependencies, summary) | {
        "distribution": f"etiket-sync-agent-{name.dashed}",
        "group": "etiket_gui.backends",
        "entry": name.plain,
        "target": f"{package}.{name.plain}_sync_class:{name.camel}SyncClass",
        "scope": choices.default_scope,
        "live_sync": str(choices.live_sync),
        "level": str(choices.level),
    }
    is_file = choices.base == "file"
    config = templates.FILE_CONFIG if is_file else templates.DATABASE_CONFIG
    sync = templates.FILE_SYNC if is_file else templates.DATABASE_SYNC
    return {
        "pyproject.toml": templates.filled(templates.PYPROJECT, values),
        f"{package}/__init__.py": templates.filled(templates.INIT, values),
        f"{package}/{name.plain}_config_class.py": templates.filled(config, values),
        f"{package}/{name.plain}_sync_class.py": templates.filled(sync, values),
    }


def converter_files(choices: ConverterChoices) -> dict[str, str]:
    """The files of a converter's package, by their path in its folder."""
    name = choices.name
    source, target = conversion_types(name)
    package = f"etiket_sync_agent_{name.plain}_converters"
    summary = f"Turns {source} into {target} for etiket-gui."
    values = _values(name, package, choices.version, choices.dependencies, summary) | {
        "distribution": f"etiket-sync-agent-{name.dashed}-converters",
        "group": "etiket_gui.converters",
        "entry": choices.entry_name.plain,
        "target": f"{package}.{name.plain}_converter:{name.camel}Converter",
        "input": source,
        "output": target,
    }
    return {
        "pyproject.toml": templates.filled(templates.PYPROJECT, values),
        f"{package}/__init__.py": templates.filled(templates.INIT, values),
        f"{package}/{name.plain}_converter.py": templates.filled(templates.CONVERTER, values),
    }


def _values(
    name: PluginName, package: str, version: str, dependencies: tuple[str, ...], summary: str
) -> dict[str, str]:
    needed = (f"etiket-gui>={__version__}", *dependencies)
    return {
        "plain": name.plain,
        "camel": name.camel,
        "title": name.words,
        "package": package,
        "version": json.dumps(version),
        "summary": json.dumps(summary),
        "summary_text": summary,
        # JSON and TOML write such texts alike.
        "dependencies": "".join(f"    {json.dumps(item, ensure_ascii=False)},\n" for item in dict.fromkeys(needed)),
    }


class _Parser(argparse.ArgumentParser):
    """Wrong options are wrong use like any other."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", advice=f"See: {self.prog} --help")


def _boolean(text: str) -> bool:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither True nor False")


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", default="0.0.1", help="the version of the new package (0.0.1)")
    parser.add_argument(
        "--dependency", action="append", default=[], metavar="D", help="what the package needs, as pip reads it; repeat"
    )


def backend_choices(arguments: Sequence[str]) -> BackendChoices:
    """What the command line asks for. Raises UsageError."""
    parser = _Parser(
        prog="generate_sync_agent_scaffold",
        description="Write a package for a new backend into the current folder.",
        allow_abbrev=False,
    )
    parser.add_argument("backend", help="its name, such as my-instrument")
    _common(parser)
    parser.add_argument(
        "--base", choices=("database", "file"), default="database", help="what holds the data (database)"
    )
    parser.add_argument(
        "--default-scope", default="REQUIRED", metavar="SCOPE", help="REQUIRED, OPTIONAL or DISABLED (REQUIRED)"
    )
    parser.add_argument(
        "--live-sync", nargs="?", type=_boolean, const=True, default=False, metavar="True|False",
        help="whether running measurements are followed (False)",
    )  # fmt: skip
    parser.add_argument("--level", type=int, metavar="N", help="depth of the dataset folders, file base only (-1)")
    given = parser.parse_args(list(arguments))
    if given.level is not None and given.base != "file":
        raise UsageError("--level is for --base file only: a database has no folders.")
    level = _DEFAULT_LEVEL if given.level is None else given.level
    if not _FIRST_LEVEL <= level <= _LAST_LEVEL:
        raise UsageError(f"The level {level} is not possible: give {_FIRST_LEVEL} to {_LAST_LEVEL}.")
    return BackendChoices(
        name=plugin_name(given.backend),
        base=given.base,
        version=checked_version(given.version),
        dependencies=tuple(checked_dependencies(given.dependency)),
        default_scope=checked_scope(given.default_scope),
        live_sync=given.live_sync,
        level=level,
    )


def converter_choices(arguments: Sequence[str]) -> ConverterChoices:
    """What the command line asks for. Raises UsageError."""
    parser = _Parser(
        prog="generate_converter_scaffold",
        description="Write a package for a new converter into the current folder.",
        allow_abbrev=False,
    )
    parser.add_argument("converter", help="what it turns into what, such as csv-to-hdf5")
    _common(parser)
    parser.add_argument("--entry-name", help="the name of its entry point (the converter's name)")
    given = parser.parse_args(list(arguments))
    name = plugin_name(given.converter)
    conversion_types(name)
    return ConverterChoices(
        name=name,
        entry_name=name if given.entry_name is None else plugin_name(given.entry_name),
        version=checked_version(given.version),
        dependencies=tuple(checked_dependencies(given.dependency)),
    )


def generate_sync_agent_scaffold(arguments: Sequence[str] | None = None) -> int:
    """Write a backend's package into the current folder; returns the exit code."""
    try:
        choices = backend_choices(sys.argv[1:] if arguments is None else arguments)
        made = write_package(Path.cwd() / f"etiket-sync-agent-{choices.name.dashed}", backend_files(choices))
    except UsageError as error:
        return _refused(error)
    next_step = "It works as it is" if choices.base == "file" else f"Fill in {choices.name.plain}_sync_class.py"
    return _told(made, f"{next_step}; install it beside etiket-gui with: pip install {made.name}/")


def generate_converter_scaffold(arguments: Sequence[str] | None = None) -> int:
    """Write a converter's package into the current folder; returns the exit code."""
    try:
        choices = converter_choices(sys.argv[1:] if arguments is None else arguments)
        folder = Path.cwd() / f"etiket-sync-agent-{choices.name.dashed}-converters"
        made = write_package(folder, converter_files(choices))
    except UsageError as error:
        return _refused(error)
    file = f"{choices.name.plain}_converter.py"
    return _told(made, f"Fill in {file}; install it beside etiket-gui with: pip install {made.name}/")


def _refused(error: UsageError) -> int:
    sys.stderr.write(f"{error.reason} {error.advice}".rstrip() + "\nNothing was written.\n")
    return _WRONG_USE


def _told(made: Path, advice: str) -> int:
    sys.stdout.write(f"Written: {made}\n{advice}\n")
    return 0
