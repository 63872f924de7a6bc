"""What a new plug-in may be called, and what its package, modules and classes are called then."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement

from etiket_gui.domain.errors import UsageError

_PREFIX = "etiket_sync_agent_"
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 50
_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc|\.post|\.dev)\d+)?")
_SCOPES = ("REQUIRED", "OPTIONAL", "DISABLED")


@dataclass(frozen=True, slots=True)
class PluginName:
    """A name in all the forms in which a package needs it."""

    plain: str

    @property
    def dashed(self) -> str:
        """As distributions are called: ``my-backend``."""
        return self.plain.replace("_", "-")

    @property
    def camel(self) -> str:
        """As classes are called: ``MyBackend``."""
        return "".join(part[:1].upper() + part[1:] for part in self.plain.split("_"))

    @property
    def words(self) -> str:
        """As a person reads it: ``My backend``."""
        text = self.plain.replace("_", " ")
        return text[:1].upper() + text[1:]


def plugin_name(given: str) -> PluginName:
    """The name as it is used everywhere. Raises UsageError."""
    plain = re.sub(r"[-.\s]+", "_", given.strip()).lower()
    if plain.startswith(_PREFIX):
        raise UsageError(f"{given!r} begins with the prefix that is put before every name; give what comes after it.")
    if not _NAME.fullmatch(plain):
        raise UsageError(
            f"{given!r} is no name for a plug-in: it begins with a letter and goes on with letters, digits and dashes.",
            advice="For example my-instrument.",
        )
    if keyword.iskeyword(plain):
        raise UsageError(f"{given!r} is a word of the Python language, so nothing can be called that.")
    if len(plain) > _LONGEST:
        raise UsageError(f"{given!r} is longer than {_LONGEST} characters.")
    return PluginName(plain)


def conversion_types(name: PluginName) -> tuple[str, str]:
    """What a converter of that name turns into what: of ``csv_to_hdf5`` csv and hdf5. Raises UsageError."""
    source, _, target = name.plain.partition("_to_")
    if not target:
        raise UsageError(
            f"{name.dashed!r} does not say what is turned into what.", advice="For example csv-to-hdf5 or mat-to-zarr."
        )
    return source.replace("_", "."), target.replace("_", ".")


def checked_version(version: str) -> str:
    """A version that pip understands. Raises UsageError."""
    if not _VERSION.fullmatch(version):
        raise UsageError(f"{version!r} is no version; give numbers and dots, such as 0.0.1.")
    return version


def checked_dependencies(dependencies: list[str]) -> list[str]:
    """Requirements as pip reads them, without the space around them. Raises UsageError."""
    return [_checked_dependency(dependency.strip()) for dependency in dependencies]


def _checked_dependency(dependency: str) -> str:
    advice = 'For example "sqlalchemy>=2.0".'
    if any(ord(letter) < 32 for letter in dependency):
        raise UsageError(f"{dependency!r} is no dependency that pip understands: it has a line break.", advice=advice)
    try:
        requirement = Requirement(dependency)
    except InvalidRequirement as error:
        why = str(error).splitlines()[0].rstrip(".")
        raise UsageError(f"{dependency!r} is no dependency that pip understands: {why}.", advice=advice) from error
    if requirement.url is not None:
        raise UsageError(
            f"{dependency!r} names an address; a package that others install names what it needs and its version.",
            advice=advice,
        )
    return dependency


def checked_scope(given: str) -> str:
    """Whether sources need a scope. Raises UsageError."""
    scope = given.upper()
    if scope not in _SCOPES:
        raise UsageError(f"The default scope {given!r} is none of {', '.join(_SCOPES)}.")
    return scope
