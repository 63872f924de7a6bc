"""Asking every backend what a path is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.backends.api import Backend, Recognition
from etiket_gui.backends.folder.backend import FolderBackend
from etiket_gui.backends.labber.recognising import recognise_logs
from etiket_gui.backends.recognise import recognise
from etiket_gui.domain.errors import Stopped
from etiket_gui.domain.stopping import StopToken
from tests.support.patience import patient_s


def backend(name: str, answer: Callable[[Path, StopToken], Any]) -> type[Backend]:
    return type(name, (FolderBackend,), {"identifier": name, "recognise": classmethod(lambda _, *a: answer(*a))})


def test_best_answer_comes_first_and_gives_the_sentence(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "x.csv").write_text("x")
    sure = backend("sure", lambda path, stop: Recognition("sure", "Surely.", {}, 0.9))
    silent = backend("silent", lambda path, stop: None)
    answer = recognise(tmp_path, [FolderBackend, silent, sure], StopToken())
    assert [item.backend for item in answer.recognitions] == ["sure", "folder"]
    assert answer.sentence == "Surely."
    assert answer.best is answer.recognitions[0]
    assert answer.notes == ()


def test_backends_that_fail_hang_or_talk_rubbish_do_not_keep_the_others_from_answering(tmp_path: Path) -> None:
    released = threading.Event()

    def hang(path: Path, stop: StopToken) -> None:
        released.wait(60)

    def fail(path: Path, stop: StopToken) -> None:
        raise SystemExit("gone")

    backends: list[type[Backend]] = [
        backend("hangs", hang),
        backend("fails", fail),
        backend("rubbish", lambda *_: 7),
        FolderBackend,
    ]
    answer = recognise(tmp_path, backends, StopToken(), time_limit_s=0.3)
    released.set()
    assert [item.backend for item in answer.recognitions] == ["folder"]
    assert [note.split(" ")[2] for note in answer.notes] == ["hangs", "fails", "rubbish"]
    assert "SystemExit: gone" in answer.notes[1]


def test_what_is_nothing_gets_a_sentence_too(tmp_path: Path) -> None:
    assert recognise(tmp_path / "no", [FolderBackend], StopToken()).sentence.endswith("does not exist.")
    (tmp_path / "file").write_text("x")
    answer = recognise(tmp_path / "file", [FolderBackend], StopToken())
    assert answer.best is None
    assert "no file of measurements that this program knows" in answer.sentence
    assert "nothing looks like measurements" in recognise(tmp_path, [], StopToken()).sentence


def test_archive_is_no_source_and_nobody_is_asked(tmp_path: Path) -> None:
    def fail(path: Path, stop: StopToken) -> None:
        raise AssertionError

    (tmp_path / ".rmearchive").write_text("")
    (tmp_path / "sub").mkdir()
    for place, words in ((tmp_path, "is an archive"), (tmp_path / "sub", "lies inside the archive")):
        answer = recognise(place, [backend("asked", fail)], StopToken())
        assert answer.is_archive
        assert words in answer.sentence
        assert not answer.notes
        assert not answer.recognitions


def test_stop_ends_the_waiting(tmp_path: Path) -> None:
    released = threading.Event()
    stop = StopToken()

    def hang(path: Path, asked: StopToken) -> None:
        stop.stop()
        released.wait(60)

    with pytest.raises(Stopped):
        recognise(tmp_path, [backend("hangs", hang)], stop)
    released.set()


def test_tree_without_end_is_left_by_itself_when_the_time_is_up(tmp_path: Path) -> None:
    """A look that runs on would be told as a backend that gave no answer."""
    for number in range(3000):
        (tmp_path / str(number // 100) / str(number)).mkdir(parents=True)
    begun_s = time.monotonic()
    assert recognise_logs(tmp_path, StopToken(), time_limit_s=0.0) is None
    assert time.monotonic() - begun_s < patient_s(0.5)
    asked = StopToken()
    asked.stop()
    with pytest.raises(Stopped):
        recognise_logs(tmp_path, asked)
