"""A look that takes its time tells what it finds at once, and how long it worked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etiket_gui.domain.content import DiscoverySummary, Found
from etiket_gui.domain.tasks import SourceSpec, TaskKind
from etiket_gui.worker.handlers import WorkerHome, Workshop
from etiket_gui.worker.lanes import Task
from etiket_gui.worker.pace import Pace
from etiket_gui.worker.secrets import SecretDesk


@pytest.mark.parametrize(("is_leisurely", "told"), [(True, 1), (False, 0)])
def test_what_a_look_finds_that_takes_its_time_is_told_before_it_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_leisurely: bool, told: int
) -> None:
    sent: list[Mapping[str, Any]] = []
    while_looking: list[int] = []
    spec = SourceSpec(1, "uuid", "lab", "folder", {})

    def discover(request: object, known: object, report: Callable[[Found], None], stop: object) -> DiscoverySummary:
        report(Found("run", "run", 1, newest_change_ns=1, looked_at_ns=2, size_bytes=1, file_count=1))
        while_looking.append(len(sent))
        return DiscoverySummary(1, duration_s=0.1, is_complete_scan=True)

    home = WorkerHome(tmp_path / "store.db", tmp_path / "work", "agent")
    workshop = Workshop(home, Pace(), {}, "look", SecretDesk(sent.append))
    monkeypatch.setattr(workshop, "_backend", lambda task: (spec, SimpleNamespace(discover=discover)))
    body = {"source": spec.to_json(), "request": {}, "is_leisurely": is_leisurely}
    result = workshop.discover(Task(1, TaskKind.DISCOVER, body, sent.append))
    assert while_looking == [told]
    assert [message["event"] for message in sent] == ["found"]
    assert result["summary"]["duration_s"] == 0.1
