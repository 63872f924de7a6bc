"""Which entries of a dataset are left out."""

from __future__ import annotations

import pytest

from etiket_gui.backends.folder.ignoring import DEFAULT_IGNORE, IgnoreRules, check_pattern


@pytest.mark.parametrize(
    "name",
    [
        ".git/config", "src/__pycache__/a.pyc", ".ipynb_checkpoints/x.ipynb", ".DS_Store", "sub/Thumbs.db",
        "desktop.ini", "~$report.docx", ".~lock.notes.odt#", "data.csv.part", "sub/film.crdownload", ".nfs0001",
        "run.db-shm",
    ],
)  # fmt: skip
def test_defaults_leave_out_what_programs_drop_beside_data(name: str) -> None:
    assert IgnoreRules(DEFAULT_IGNORE).matches(name)


@pytest.mark.parametrize(
    "name",
    [
        ".hidden", "thumbs.DB", "git/config", "x.gitignore", "data.parts", "run.db", "run.db-wal", "run.db-journal",
        "__pycache__", "trace.tmp", "line‛0abreak.csv",
    ],
)  # fmt: skip
def test_defaults_leave_everything_else_in(name: str) -> None:
    assert not IgnoreRules(DEFAULT_IGNORE).matches(name)


def test_patterns_are_those_of_a_gitignore_file() -> None:
    rules = IgnoreRules(["*.tmp", "!keep.tmp", "/only at the top", "raw/**/scratch", "caf‛é"])
    assert rules.matches("sub/a.tmp")
    assert not rules.matches("sub/keep.tmp")
    assert rules.matches("only at the top")
    assert not rules.matches("sub/only at the top")
    assert rules.matches("raw/a/b/scratch")
    # Patterns are written as people see names; the quoting of portable names is our own business.
    assert rules.matches("caf‛‛é")


def test_skip_of_a_description_also_means_a_name_letter_by_letter() -> None:
    rules = IgnoreRules(["*.part"]).with_skip(["*.tmp", "data[1].csv", "!important.part"])
    assert rules.matches("sub/a.tmp")
    assert rules.matches("sub/data[1].csv")
    assert rules.matches("data1.csv")
    assert not rules.matches("data2.csv")
    # A dataset's own rules leave out more, never less.
    assert rules.matches("important.part")
    assert rules.matches_folder("sub/data[1].csv")


def test_only_patterns_for_folders_speak_about_dataset_folders() -> None:
    rules = IgnoreRules([*DEFAULT_IGNORE, "*", "!trash/", "trash/", "/raw"])
    assert rules.matches_level_folder(".git")
    assert rules.matches_level_folder("trash")
    assert not rules.matches_level_folder("raw")
    assert not rules.matches_level_folder("run.part")


@pytest.mark.parametrize("pattern", ["", "  ", "# a comment", "!", "[z-a]", "a\\"])
def test_pattern_that_means_nothing_is_refused_with_a_sentence(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"ignore pattern .*[.;]"):
        check_pattern(pattern)


def test_rules_have_a_number_of_their_own() -> None:
    assert IgnoreRules(["a", "b"]).number() == IgnoreRules(["a", "b"]).number()
    assert len({IgnoreRules(patterns).number() for patterns in ([], ["a"], ["b"], ["a", "b"], ["b", "a"])}) == 5


def test_bracket_in_brackets_is_a_pattern() -> None:
    check_pattern("[[]x")
    assert IgnoreRules(["[[]x"]).matches("[x")
    assert IgnoreRules([]).with_skip(["[[]x"]).matches("a/[x")
