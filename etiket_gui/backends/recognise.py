"""Answers "what is this path?" by asking every backend at once, within a time that a person will wait."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from etiket_gui.backends.api import Backend, Recognition
from etiket_gui.backends.folder.recognising import archive_around
from etiket_gui.domain.errors import Stopped
from etiket_gui.domain.names import display, to_portable
from etiket_gui.domain.stopping import StopToken

TIME_LIMIT_S = 3.0


@dataclass(frozen=True, slots=True)
class PathAnswer:
    """What a path is: a sentence for a person, the possible sources (best first), and what could not be asked.

    ``is_archive`` says that it lies in an archive, which is a destination and never a source.
    """

    path: str
    sentence: str
    recognitions: tuple[Recognition, ...] = ()
    notes: tuple[str, ...] = ()
    is_archive: bool = False

    @property
    def best(self) -> Recognition | None:
        """The likeliest source, or None when nothing recognised the path."""
        return self.recognitions[0] if self.recognitions else None


@dataclass(slots=True)
class _Question:
    backend: type[Backend]
    thread: threading.Thread
    answers: list[object] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)


def recognise(
    path: Path, backends: Iterable[type[Backend]], stop: StopToken, *, time_limit_s: float = TIME_LIMIT_S
) -> PathAnswer:
    """Ask every backend what a path is; takes at most about ``time_limit_s`` seconds, however a backend behaves.

    Never opens anything for writing and never looks into an archive. Raises Stopped.
    """
    shown = display(to_portable(os.fspath(path)))
    archive = archive_around(os.fspath(path))
    if archive is not None:
        where = display(to_portable(archive))
        sentence = (
            f"{where} is an archive, not a source of measurements; use it as a destination, or restore from it."
            if archive == os.path.abspath(path)
            else f"{shown} lies inside the archive {where}, so it is not a source of measurements."
        )
        return PathAnswer(shown, sentence, is_archive=True)
    if not os.path.lexists(path):
        return PathAnswer(shown, f"{shown} does not exist.")
    asked = StopToken()
    questions = [_ask(backend, path, asked) for backend in backends]
    try:
        _wait([question.thread for question in questions], time.monotonic() + time_limit_s, stop)
    finally:
        asked.stop()
    recognitions: list[Recognition] = []
    notes: list[str] = []
    for question in questions:
        name = question.backend.identifier
        if question.thread.is_alive():
            notes.append(f"The backend {name} gave no answer in {time_limit_s:g} s.")
        elif question.failures:
            error = question.failures[0]
            notes.append(f"The backend {name} failed with {type(error).__name__}: {error}.")
        elif question.answers and isinstance(question.answers[0], Recognition):
            recognitions.append(question.answers[0])
        elif question.answers and question.answers[0] is not None:
            notes.append(f"The backend {name} gave an answer that makes no sense.")
    recognitions.sort(key=lambda recognition: (-recognition.confidence, recognition.backend))
    if recognitions:
        sentence = recognitions[0].sentence
    elif os.path.isdir(path):
        sentence = f"{shown} is a folder in which nothing looks like measurements."
    else:
        sentence = (
            f"{shown} is no file of measurements that this program knows. Give the folder that holds the measurements."
        )
    return PathAnswer(shown, sentence, tuple(recognitions), tuple(notes))


def _wait(threads: Iterable[threading.Thread], deadline_s: float, stop: StopToken) -> None:
    for thread in threads:
        while thread.is_alive() and (rest_s := deadline_s - time.monotonic()) > 0:
            thread.join(min(rest_s, 0.1))
            stop.check()


def _ask(backend: type[Backend], path: Path, stop: StopToken) -> _Question:
    question = _Question(
        backend,
        threading.Thread(
            name=f"recognise {backend.identifier}", daemon=True, target=lambda: _run(question, path, stop)
        ),
    )
    question.thread.start()
    return question


def _run(question: _Question, path: Path, stop: StopToken) -> None:
    try:
        question.answers.append(question.backend.recognise(path, stop))
    except Stopped:
        return
    except BaseException as error:  # noqa: BLE001 - whatever a plug-in raises becomes a note beside the other answers
        question.failures.append(error)
