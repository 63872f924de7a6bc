"""Runs converters on the files of a dataset folder; one that fails is a problem beside the content, not instead."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from etiket_gui.backends.directories import conversion, derived_file, free_name
from etiket_gui.backends.folder.survey import Surveyed
from etiket_gui.converters.api import Converter, pair_of, type_matches
from etiket_gui.converters.bounds import bounded
from etiket_gui.converters.dangerous_files import DangerousFile, opening
from etiket_gui.converters.registry import canonical_name, registry
from etiket_gui.domain import guards
from etiket_gui.domain.content import SourceFile
from etiket_gui.domain.errors import ConversionFailed, EtiketError, PluginFailed, SourceChanged, Stopped, UsageError
from etiket_gui.domain.names import to_portable
from etiket_gui.domain.states import EntryKind
from etiket_gui.domain.stopping import StopToken

log = logging.getLogger(__name__)

_OFF = "off"
_ALL = "all"


@dataclass(frozen=True, slots=True)
class Converted:
    """What converters made of one dataset: files, a line for the description for each, and what went wrong."""

    files: tuple[SourceFile, ...] = ()
    notes: tuple[Mapping[str, str], ...] = ()
    problems: tuple[EtiketError, ...] = ()


@dataclass(frozen=True, slots=True)
class _Input:
    """A file or folder that can be converted; ``mtime_ns`` is the newest time in it."""

    name: str
    path: str
    is_folder: bool
    mtime_ns: int


@dataclass(slots=True)
class _Result:
    taken: set[str]
    files: list[SourceFile] = field(default_factory=list)
    notes: list[Mapping[str, str]] = field(default_factory=list)
    problems: list[EtiketError] = field(default_factory=list)


class Conversions:
    """The conversions of one source. ``choices`` maps a conversion to a converter's name or "off"; "all" is all."""

    def __init__(self, choices: Mapping[str, str], work_folder: Path) -> None:
        self._choices = choices
        self._work_folder = work_folder

    def run(
        self,
        identifier: str,
        entries: Sequence[Surveyed],
        written: Mapping[str, Mapping[str, str]],
        stop: StopToken,
    ) -> Converted:
        """Convert what can be converted. ``written`` is what the dataset's own description asks for. Raises Stopped."""
        if self._choices.get(_ALL) == _OFF and not written:
            return Converted()
        result = _Result({item.name for item in entries})
        chosen = self._written(written, result) if written else self._installed(result, entries)
        if not chosen:
            return Converted(problems=tuple(result.problems))
        folder = self._work_folder / hashlib.sha256(os.fsencode(identifier)).hexdigest()[:20]
        inputs = _inputs(entries, {kind.input_type for _, kind in chosen})
        for number, (item, name, kind) in enumerate(
            (item, name, kind) for item in inputs for name, kind in chosen if type_matches(item.name, kind.input_type)
        ):
            stop.check()
            output = folder / str(number)
            shutil.rmtree(output, ignore_errors=True)
            output.mkdir(parents=True)
            self._convert(item, name, kind, output, result, stop)
        files = tuple(sorted(result.files, key=lambda file: file.entry.name))
        return Converted(files, tuple(result.notes), tuple(result.problems))

    def _installed(self, result: _Result, entries: Sequence[Surveyed]) -> list[tuple[str, type[Converter]]]:
        """Every converter that works, but for conversions that are off or belong to one converter.

        Built-in ones that find nothing of their type here are left out unseen: they are costly to import.
        """
        known = registry()
        found = []
        unneeded = set()
        for name in known.names():
            input_type = known.built_in_input_type(name)
            if input_type is not None and not any(f".{input_type}" in item.name.lower() for item in entries):
                unneeded.add(name)
                continue
            try:
                kind = known.get(name)
            except EtiketError:
                # The reason is kept beside the plug-in, where `plugins` shows it.
                continue
            choice = self._choices.get(pair_of(kind), "")
            if choice.lower() == _OFF or (choice and canonical_name(choice) != name):
                continue
            found.append((name, kind))
        for pair, choice in self._choices.items():
            if pair == _ALL or choice.lower() == _OFF or canonical_name(choice) in unneeded:
                continue
            if any(name == canonical_name(choice) for name, _ in found):
                continue
            result.problems.append(
                ConversionFailed(
                    f"The converter {choice!r}, chosen for {pair}, is not installed or does not work.",
                    advice="Install it, or choose another one (etiket-sync plugins shows what there is).",
                )
            )
        return found

    def _written(self, written: Mapping[str, Mapping[str, str]], result: _Result) -> list[tuple[str, type[Converter]]]:
        """The registered converters that a description names; nothing is imported because a data file says so."""
        known = registry()
        found = []
        for asked, place in written.items():
            try:
                kind = known.get(asked)
            except (UsageError, PluginFailed) as error:
                kind_by_class = _by_class(place)
                if kind_by_class is None:
                    result.problems.append(
                        ConversionFailed(
                            f"The dataset's description asks for {asked}, which is not installed or does not work: "
                            f"{error.reason}",
                            advice="Install it: nothing is loaded just because a data file names it.",
                        )
                    )
                    continue
                found.append(kind_by_class)
                continue
            by_class = _by_class(place)
            found.append((canonical_name(asked), kind) if by_class is None else by_class)
        return found

    def _convert(
        self, item: _Input, name: str, kind: type[Converter], output: Path, result: _Result, stop: StopToken
    ) -> None:
        work = f"the converter {name} {kind.version}"
        try:
            with _noted(item.path, work), bounded(Path(item.path), output, stop) as token:
                converter = kind()
                converter.stop = token
                made = Path(converter.convert(Path(item.path), output))
                _check_inside(made, output)
        except (Stopped, SourceChanged):
            raise
        except DangerousFile as error:
            result.problems.append(error)
        except ConversionFailed as error:
            where = "" if os.path.basename(item.name) in error.reason else f"{item.name}: "
            why = error.reason.rstrip(".")
            sentence = f"{where}{why} ({name} {kind.version})."
            result.problems.append(ConversionFailed(sentence, path=item.path))
        except BaseException as error:
            # Whatever a plug-in raises, SystemExit too: the rest of the dataset goes on.
            log.exception("The converter %s raised while it converted %s.", name, item.path)
            why = error.reason if isinstance(error, EtiketError) else f"{type(error).__name__}: {error}"
            result.problems.append(
                ConversionFailed(f"{item.name} could not be converted by {name} {kind.version}: {why}.", path=item.path)
            )
        else:
            self._take(item, name, kind, made, result)
            return
        shutil.rmtree(output, ignore_errors=True)

    @staticmethod
    def _take(item: _Input, name: str, kind: type[Converter], made: Path, result: _Result) -> None:
        """Name the result beside its input, so that nothing of the dataset has that name."""
        folder = item.name.rpartition("/")[0]
        plain = to_portable(made.name)
        stem, dot, ending = plain.rpartition(".")
        beside = item.name.rpartition("/")[2]
        wanted = [plain, f"{beside}.{ending}" if dot else f"{beside}.{plain}", f"{stem}.{name}{dot}{ending}"]
        places = [f"{folder}/{each}" if folder else each for each in wanted]
        lower = {each.lower() for each in result.taken}
        place = next((each for each in places if each.lower() not in lower), None) or free_name(places[0], result.taken)
        files = [(place, made)]
        if made.is_dir():
            files = [
                (f"{place}/{to_portable(path.relative_to(made).as_posix())}", path)
                for path in sorted(made.rglob("*"))
                if path.is_file() and not path.is_symlink()
            ]
        result.taken.add(place)
        result.taken.update(each for each, _ in files)
        result.files += [derived_file(path, each, item.mtime_ns) for each, path in files]
        result.notes.append(conversion(place, item.name, name, kind.version))


def _by_class(place: Mapping[str, str]) -> tuple[str, type[Converter]] | None:
    """The registered converter of a class, where a description names one."""
    known = registry()
    for name in known.names():
        try:
            kind = known.get(name)
        except EtiketError:
            continue
        if (kind.__module__, kind.__name__) == (place.get("module"), place.get("class")):
            return name, kind
    return None


def _noted(path: str, work: str) -> AbstractContextManager[None]:
    """A converter that ends its process, or has it ended because it hangs, is not run a third time."""
    return opening(path, work) if guards.is_on("converters-leave-notes") else nullcontext()


def _check_inside(made: Path, output: Path) -> None:
    real = Path(os.path.realpath(made))
    if Path(os.path.realpath(output)) not in real.parents:
        raise ConversionFailed(f"its result {made} does not lie in the folder it was given")
    if not made.exists() or made.is_symlink():
        raise ConversionFailed(f"its result {made.name} is not there")
    if not (made.is_file() or made.is_dir()):
        raise ConversionFailed(f"its result {made.name} is neither a file nor a folder")


def _inputs(entries: Sequence[Surveyed], types: set[str]) -> list[_Input]:
    """Files and outermost folders of these types; what lies in such a folder is a part of it."""
    folders: dict[str, _Input] = {}
    files = []
    for item in entries:
        parts = item.name.split("/")
        count = len(parts) if item.kind is EntryKind.FOLDER else len(parts) - 1
        above = next((n for n in range(1, count + 1) if any(type_matches(parts[n - 1], kind) for kind in types)), 0)
        if above:
            name = "/".join(parts[:above])
            # The folder's own path: the entry's without what lies below it.
            depth = len(parts) - above
            path = item.path
            for _ in range(depth):
                path = os.path.dirname(path)
            newest_ns = max(item.status.st_mtime_ns, folders[name].mtime_ns if name in folders else 0)
            folders[name] = _Input(name, path, True, newest_ns)
        elif item.kind is EntryKind.FILE and any(type_matches(parts[-1], kind) for kind in types):
            files.append(_Input(item.name, item.path, False, item.status.st_mtime_ns))
    return sorted([*folders.values(), *files], key=lambda item: item.name)
