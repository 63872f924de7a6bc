"""Which entries of a dataset are left out: the patterns of the configuration and the ``skip`` of a description."""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Iterable, Sequence

from pathspec import GitIgnoreSpec

from etiket_gui.domain.names import QUOTE

#: What a new source leaves out unless its owner says otherwise; shown as the value of the option, not hidden.
DEFAULT_IGNORE: tuple[str, ...] = (
    ".git/",
    "__pycache__/",
    ".ipynb_checkpoints/",
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
    "~$*",
    ".~lock.*",
    "*.part",
    "*.crdownload",
    ".nfs*",
    "*-shm",
)


def check_pattern(pattern: str) -> None:
    """Raises ValueError, with a sentence, for a pattern that cannot be understood or would never match."""
    if not pattern.strip() or pattern.lstrip().startswith("#"):
        raise ValueError(f"The ignore pattern {pattern!r} says nothing; remove it.")
    try:
        _spec([pattern])
    except (ValueError, re.error) as error:
        raise ValueError(
            f"The ignore pattern {pattern!r} cannot be understood ({error}); it is written as in a .gitignore file."
        ) from error


class IgnoreRules:
    """Patterns in the language of .gitignore, relative to the dataset and case-sensitive, on portable names.

    ``skip`` are the patterns of one dataset's own description: the same language, and a name that equals a pattern
    letter by letter is left out as well. Raises ValueError or re.error for a pattern that cannot be understood.
    """

    def __init__(self, patterns: Sequence[str], skip: Sequence[str] = ()) -> None:
        self.patterns = tuple(patterns)
        self._spec = _spec(patterns)
        self._quick = _any_of(self._spec)
        self._folders = _spec(pattern for pattern in patterns if re.fullmatch(r"!?[^/]+/", pattern.strip()))
        self._skip = _spec(skip)
        self._skip_names = frozenset(skip)
        self._asks_skip = bool(skip)

    def with_skip(self, skip: Sequence[str]) -> IgnoreRules:
        """These rules and a dataset's own."""
        return IgnoreRules(self.patterns, skip) if skip else self

    def matches(self, name: str) -> bool:
        """Whether a file or link is left out; ``name`` is its portable name inside the dataset."""
        # Most names match nothing, and one expression says so faster than a dozen; "!" only takes back a match.
        if self._quick.search(name) is not None and self._spec.match_file(name):
            return True
        if not self._asks_skip:
            return False
        return (
            bool(self._skip.match_file(name)) or name in self._skip_names or name.rpartition("/")[2] in self._skip_names
        )

    def matches_folder(self, name: str) -> bool:
        """Whether a folder inside a dataset is left out with everything in it."""
        return self.matches(f"{name}/") or (self._asks_skip and name.rpartition("/")[2] in self._skip_names)

    def matches_level_folder(self, name: str) -> bool:
        """Whether a folder on the way to the datasets is left out.

        Only patterns that name a folder (``.git/``) speak here: the others are relative to a dataset.
        """
        return bool(self._folders.match_file(f"{name}/"))

    def number(self) -> int:
        """A number that differs when the patterns differ; a dataset is looked at again after a change of rules."""
        return zlib.crc32("\n".join(self.patterns).encode("utf-8", "surrogatepass"))


def _any_of(spec: GitIgnoreSpec) -> re.Pattern[str]:
    """One expression that finds at least every name which one of the patterns matches."""
    parts = [
        # A group name may stand in an expression only once.
        re.sub(r"\?P<\w+>", "?:", pattern.regex.pattern)
        for pattern in spec.patterns
        if pattern.include and isinstance(pattern.regex, re.Pattern)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile("|".join(f"(?:{part})" for part in parts) if parts else r"(?!)")


def _spec(patterns: Iterable[str]) -> GitIgnoreSpec:
    with warnings.catch_warnings():
        # "[[]" is a fine pattern; that it may mean something else to a later `re` is not the person's concern.
        warnings.simplefilter("ignore", FutureWarning)
        return GitIgnoreSpec.from_lines([pattern.replace(QUOTE, QUOTE + QUOTE) for pattern in patterns])
