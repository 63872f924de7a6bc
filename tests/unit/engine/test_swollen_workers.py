"""A worker that took much memory gives it back soon after its work is done."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from etiket_gui.engine import workers
from etiket_gui.engine.workers import Worker, WorkerPool


class _Pipe:
    """Notes that it was closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("megabytes", "idle_s", "is_ended"), [(150, 31.0, True), (150, 5.0, False), (60, 31.0, False), (60, 601.0, True)]
)
def test_an_idle_worker_ends_after_ten_minutes_and_a_swollen_one_after_half_a_minute(
    megabytes: int, idle_s: float, is_ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "resident_bytes", lambda pid: megabytes * 1024 * 1024)
    pool, pipe = WorkerPool({}, lambda action: action(), stderr_path=None), _Pipe()
    worker = Worker(1, SimpleNamespace(pid=1), pipe)  # type: ignore[arg-type]
    worker.idle_since_s = time.monotonic() - idle_s
    pool._workers.append(worker)
    pool.recycle_idle()
    assert pipe.is_closed is is_ended
