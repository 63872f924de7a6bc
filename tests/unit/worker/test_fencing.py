"""What a plug-in's backend raises, in whichever of its methods, is told of that dataset and never ends a lane."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any, NoReturn

import pytest

from etiket_gui.backends.folder.backend import FolderBackend
from etiket_gui.domain.content import Content, Description
from etiket_gui.domain.errors import EtiketError, SourceGone, Stopped
from etiket_gui.domain.states import RetryClass
from etiket_gui.domain.tasks import TaskKind
from etiket_gui.worker.fencing import BackendRaised, check_content, fenced
from etiket_gui.worker.lanes import Lane, Task
from tests.support.patience import patient_s


class _Panic(BaseException):
    """What libraries written in other languages raise beside Exception."""


_BACKEND = FolderBackend.__new__(FolderBackend)


@pytest.mark.allows_log("The backend folder raised")
@pytest.mark.parametrize(
    "raised", [KeyError("of all things"), RuntimeError(), MemoryError(), SystemExit(3), _Panic("rust"), OSError(5, "x")]
)
def test_whatever_is_raised_is_a_known_failure_with_its_traceback_in_the_log(
    raised: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(BackendRaised, match="'folder' could not read run 7") as told,
        fenced(_BACKEND, "run 7", "read"),
    ):
        raise raised
    assert type(raised).__name__ in told.value.reason
    assert told.value.retry_class is RetryClass.SOON
    assert told.value.advice
    assert not told.value.concerns_all
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("raised", [SourceGone("gone"), Stopped("stopped")])
def test_known_failures_pass_as_they_are(raised: EtiketError) -> None:
    with pytest.raises(type(raised)) as told, fenced(_BACKEND, "run 7", "read"):
        raise raised
    assert told.value is raised


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        "three files",
        Content(Description("a", "a"), ("data.csv",), 1),  # type: ignore[arg-type]
        Content({"name": "a"}, (), 1),  # type: ignore[arg-type]
        Content(Description("a", "a", attributes={"set": {1}}), (), 1),  # type: ignore[dict-item]
    ],
)
def test_what_is_no_content_is_refused_in_words(nonsense: object) -> None:
    with pytest.raises(TypeError):
        check_content(nonsense)


@pytest.mark.allows_log("A task of kind discover failed by a bug")
@pytest.mark.parametrize("raised", [KeyError("a bug"), SystemExit(0), _Panic("rust")])
def test_lane_goes_on_after_whatever_a_task_raised(raised: BaseException) -> None:
    messages: list[Mapping[str, Any]] = []
    is_told = threading.Event()

    def send(message: Mapping[str, Any]) -> None:
        messages.append(message)
        if message["id"] == 2:
            is_told.set()

    def fail(task: Task) -> NoReturn:
        raise raised

    lane = Lane("look", {TaskKind.DISCOVER: fail, TaskKind.PROBE: lambda task: {"good": True}}, send)
    lane.add(Task(1, TaskKind.DISCOVER, {}, send))
    lane.add(Task(2, TaskKind.PROBE, {}, send))
    assert is_told.wait(patient_s(5))
    lane.stop()
    lane.join(patient_s(5))
    assert messages[0]["event"] == "error"
    assert messages[0]["error"]["kind"] == "ProgramError"
    assert messages[1] == {"id": 2, "event": "done", "result": {"good": True}}
