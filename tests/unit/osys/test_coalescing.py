"""Many changes become few batches, and no path is ever lost."""

from __future__ import annotations

import os

import hypothesis
from hypothesis import strategies as st

from etiket_gui.osys.coalescing import PathCoalescer


class _Now:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def _path(*parts: str) -> str:
    return os.path.join(os.sep, *parts)


def test_batch_is_due_after_a_quiet_moment_and_at_latest_after_a_second_and_a_half() -> None:
    now = _Now()
    paths = PathCoalescer(now)
    assert paths.due_s is None
    paths.add(_path("a", "1"))
    assert paths.due_s == 100.15
    for tick in range(30):
        now.s = 100.0 + tick / 10
        paths.add(_path("a", str(tick)))
    assert paths.due_s == 101.5
    assert len(paths.take()) == 30
    assert paths.due_s is None


def test_file_that_keeps_growing_waits_for_the_longest_time_and_its_end_does_not() -> None:
    now = _Now()
    paths = PathCoalescer(now)
    paths.add(_path("a", "log"), is_final=False)
    assert paths.due_s == 100.15
    paths.take()
    paths.add(_path("a", "log"), is_final=False)
    assert paths.due_s == 101.5
    paths.add(_path("a", "log"), is_final=True)
    assert paths.due_s == 100.15


def test_folder_stands_for_more_than_five_hundred_changes_in_it() -> None:
    paths = PathCoalescer(_Now())
    for number in range(500):
        paths.add(_path("root", "many", str(number)))
    paths.add(_path("root", "few", "1"))
    assert len(paths.take()) == 501
    for number in range(600):
        paths.add(_path("root", "many", str(number)))
    paths.add(_path("root", "few", "1"))
    assert paths.take() == [_path("root", "few", "1"), _path("root", "many")]


@hypothesis.given(
    st.lists(
        st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5).map(lambda parts: _path(*parts)), max_size=200
    ),
    st.integers(1, 6),
    st.integers(4, 30),
)
def test_every_path_is_in_the_batch_or_below_a_folder_of_it(
    changed: list[str], most_per_folder: int, most_paths: int
) -> None:
    paths = PathCoalescer(_Now(), most_per_folder=most_per_folder, most_paths=most_paths)
    for path in changed:
        paths.add(path)
    batch = paths.take()
    for path in changed:
        parts = path.split(os.sep)
        above = {os.sep.join(parts[:length]) or os.sep for length in range(1, len(parts) + 1)}
        assert above & set(batch)
    assert paths.take() == []
