"""An engine that only remembers what was asked of it, for tests of those who run one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from etiket_gui.engine.report import RunReport

REPORT = RunReport(
    found=3, archived=3, not_archived=0, ignored=0, gone=0, empty_sources=(), unfinished_sources=(),
    verification_differences=0, needs_sign_in=(), was_interrupted=False, duration_s=2.0,
)  # fmt: skip


@dataclass
class FakeEngine:
    """An engine that only remembers what was asked of it, and does what a test wants while it runs."""

    report: RunReport = REPORT
    while_running: Callable[[], None] = lambda: None
    start_failures: list[Exception] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.calls.append("start")
        if self.start_failures:
            raise self.start_failures.pop(0)

    def run_once(self) -> RunReport:
        self.calls.append("run_once")
        self.while_running()
        return self.report

    def run(self, cycles: int | None) -> RunReport:
        self.calls.append(f"run {cycles}")
        self.while_running()
        return self.report

    def request_stop(self, *, is_interrupt: bool = False) -> None:
        self.calls.append(f"request_stop {is_interrupt}")
        self.report = replace(self.report, was_interrupted=is_interrupt)

    def stop(self) -> None:
        self.calls.append("stop")
