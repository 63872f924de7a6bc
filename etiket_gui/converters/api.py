"""The contract of a converter: a plug-in that turns a file or folder of one type into a file or folder of another."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from etiket_gui.domain.stopping import StopToken
from etiket_gui.osys.files import open_source

_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+.-]*")


class Converter(ABC):
    """Turns one input into one output; made anew for each input, in a worker process.

    ``input_type`` and ``output_type`` are the endings of file names without the dot, such as ``csv`` or ``hdf5``; upper
    and lower case are one. ``version`` changes whenever the same input may give other bytes. Obligations: the same
    input gives the same bytes in every process; memory does not grow with the input; nothing is written outside
    ``output_dir``; long work asks ``self.stop`` now and then.
    """

    input_type: ClassVar[str]
    output_type: ClassVar[str]
    version: ClassVar[str]

    def __init__(self) -> None:
        self.stop = StopToken()

    @abstractmethod
    def convert(self, input_path: Path, output_dir: Path) -> Path:
        """Write the result into ``output_dir``, an empty folder, and return its path.

        A folder as result becomes many files. Raises ConversionFailed, or any exception, when the input makes no
        sense to it; the dataset is then sent without this result, and a person is told.
        """


def quietly(path: str, flags: int) -> int:
    """An ``opener`` for :func:`open`: reads an input without moving its access time, where the system allows that."""
    return open_source(path)


def why_not_a_converter(candidate: object) -> str:
    """What keeps a plug-in's object from being a converter, in words; empty when nothing does."""
    if not isinstance(candidate, type) or not issubclass(candidate, Converter):
        return f"{candidate!r:.80} is not a converter class"
    missing = ", ".join(sorted(getattr(candidate, "__abstractmethods__", ())))
    if missing:
        return f"it does not say how to do: {missing}"
    for attribute in ("input_type", "output_type"):
        value = getattr(candidate, attribute, None)
        if not isinstance(value, str) or not _TYPE.fullmatch(value):
            return f"its {attribute} is {value!r:.80}, not the ending of a file name without the dot"
    version = getattr(candidate, "version", None)
    if not isinstance(version, str) or not version.strip():
        return f"its version is {version!r:.80}, not text"
    return ""


def type_matches(name: str, input_type: str) -> bool:
    """Whether a file or folder of that name is of that type, in upper or lower case."""
    return name.lower().endswith(f".{input_type.lower()}") and len(name) > len(input_type) + 1


def pair_of(converter: type[Converter]) -> str:
    """The conversion as it is written in options and description files: ``csv_to_hdf5``."""
    return f"{converter.input_type.lower()}_to_{converter.output_type.lower()}"
