"""What holds for every name, pattern and description file of a folder source."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from etiket_gui.backends.folder.description import FolderDescription, parse_description
from etiket_gui.backends.folder.ignoring import DEFAULT_IGNORE, IgnoreRules, check_pattern
from etiket_gui.backends.folder.recognising import recognise_folder
from etiket_gui.domain.content import canonical_json
from etiket_gui.domain.errors import DescriptionBroken
from etiket_gui.domain.names import from_portable, to_portable
from etiket_gui.domain.stopping import StopToken
from tests.support.folder_source import FolderSource

PATTERNS = st.text(alphabet="ab.*?[]!/\\-#~$ é", min_size=1, max_size=12)
COMPONENTS = st.binary(min_size=1, max_size=40).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in {b".", b".."}
)


def _usable(patterns: list[str]) -> list[str]:
    usable = []
    for pattern in patterns:
        try:
            check_pattern(pattern)
        except ValueError:
            continue
        usable.append(pattern)
    return usable


def _parsed(data: bytes) -> tuple[FolderDescription | None, str]:
    try:
        return parse_description(data, "x.yaml"), ""
    except DescriptionBroken as broken:
        return None, broken.reason


@given(st.lists(PATTERNS, max_size=5), st.lists(COMPONENTS, min_size=1, max_size=3))
def test_accepted_patterns_answer_for_every_name(patterns: list[str], components: list[bytes]) -> None:
    name = to_portable("/".join(os.fsdecode(part) for part in components))
    rules = IgnoreRules(_usable(patterns))
    assert rules.matches(name) in {True, False}
    assert rules.matches(name) == IgnoreRules(_usable(patterns)).matches(name)
    # A dataset's own rules leave out more, never less.
    assert not rules.matches(name) or rules.with_skip(("!*", "*.tmp")).matches(name)


@given(st.lists(PATTERNS, max_size=5), st.text(alphabet="ab.[]-#~$ é", min_size=1, max_size=10))
def test_short_cut_for_names_that_match_nothing_changes_no_answer(patterns: list[str], name: str) -> None:
    usable = _usable(patterns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        plain = GitIgnoreSpec.from_lines(usable)
    for asked in (name, f"{name}/{name}", f"a/{name}", f"{name}/"):
        assert IgnoreRules(usable).matches(asked) == bool(plain.match_file(asked))


@given(st.lists(COMPONENTS, min_size=1, max_size=3))
def test_pattern_that_is_the_name_itself_leaves_it_out(components: list[bytes]) -> None:
    name = to_portable(os.fsdecode(components[-1]))
    if "skip" in name or not _usable([name]):
        return
    assert IgnoreRules([]).with_skip([name]).matches(name)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_description_or_broken(data: bytes) -> None:
    description, reason = _parsed(data)
    if description is None:
        assert reason.startswith("x.yaml")
    else:
        canonical_json({"attributes": dict(description.attributes), "name": description.name})


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.dates(),
    st.datetimes(),
)
_VALUES = st.one_of(
    _SCALARS, st.lists(_SCALARS, max_size=3), st.dictionaries(st.text(max_size=5), _SCALARS, max_size=3)
)
_KEYS = st.sampled_from(
    ["version", "dataset_name", "collected", "created", "description", "attributes", "tags", "keywords", "skip",
     "thumbnails", "converters", "something else"]
)  # fmt: skip


@given(st.dictionaries(_KEYS, _VALUES))
def test_any_written_values_are_understood_or_said_with_a_line(values: dict[str, object]) -> None:
    import yaml

    data = yaml.safe_dump(values, allow_unicode=True).encode("utf-8", "surrogatepass")
    description, reason = _parsed(data)
    if description is None:
        assert reason.startswith("x.yaml")
    else:
        canonical_json({"attributes": dict(description.attributes), "collected": description.collected})
        assert len(description.thumbnails) <= 10


@pytest.mark.skipif(sys.platform != "linux", reason="only here any byte may stand in a name")
@settings(max_examples=40)
@given(
    # Names that would be another place on Windows are refused, with a row of their own.
    st.lists(
        st.lists(COMPONENTS.filter(lambda name: b"\\" not in name and not name.endswith(b":")), min_size=2, max_size=3),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([0, 1, -1]),
)
def test_every_file_of_any_tree_is_found_once_and_leads_back(trees: list[list[bytes]], level: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        root.mkdir()
        made = set()
        for parts in trees:
            path = os.path.join(os.fsencode(root), *parts)
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "xb") as written:
                    written.write(b"x")
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                continue
            made.add(path)
        if level == -1:
            (root / "_QH_dataset_info.yaml").write_text("")
            made.add(os.fsencode(root / "_QH_dataset_info.yaml"))
        source = FolderSource(root, Path(folder), level=level, ignore=[])
        found = source.look()
        read = [os.fsencode(file.path) for identifier in found for file in source.read(identifier).files]
        assert sorted(read) == sorted(made)
        for identifier in found:
            base = b"" if identifier == "." else os.fsencode(from_portable(identifier)) + b"/"
            for file in source.read(identifier).files:
                name = base + os.fsencode(from_portable(file.entry.name))
                assert os.path.join(os.fsencode(root), name) == os.fsencode(file.path)
        assert source.look() == {}


@given(st.lists(st.lists(COMPONENTS, min_size=1, max_size=4), max_size=6))
@settings(max_examples=30)
@pytest.mark.skipif(sys.platform != "linux", reason="only here any byte may stand in a name")
def test_any_folder_is_recognised_without_a_crash(trees: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for parts in trees:
            try:
                os.makedirs(os.path.join(os.fsencode(folder), *parts[:-1]), exist_ok=True)
                with open(os.path.join(os.fsencode(folder), *parts), "wb"):
                    pass
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                continue
        recognition = recognise_folder(Path(folder), StopToken())
        if recognition is not None:
            canonical_json(dict(recognition.options))
            recognition.sentence.encode()


def test_defaults_are_accepted_patterns() -> None:
    assert _usable(list(DEFAULT_IGNORE)) == list(DEFAULT_IGNORE)
