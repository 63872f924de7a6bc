"""The log stays within its budget and says how often something was repeated."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.osys.log_files import BudgetedLogHandler
from tests.support.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log(tmp_path: Path, clock: FakeClock) -> Iterator[logging.Logger]:
    logger = logging.Logger("etiket_gui.engine")  # noqa: LOG001  # one that nobody else listens to
    handler = BudgetedLogHandler(tmp_path / "a.log", file_bytes=2000, file_count=3, now_s=clock.monotonic)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    yield logger
    handler.close()


def _close(log: logging.Logger) -> None:
    log.handlers[0].close()


def test_equal_messages_become_one_line_with_their_number(
    log: logging.Logger, clock: FakeClock, tmp_path: Path
) -> None:
    for _ in range(313):
        log.error("%s cannot be read", "/data/x")
    clock.advance(61)
    log.error("%s cannot be read", "/data/x")
    _close(log)
    assert (tmp_path / "a.log").read_text().splitlines() == [
        "ERROR /data/x cannot be read",
        "ERROR repeated 312 times in 60 s: /data/x cannot be read",
        "ERROR /data/x cannot be read",
    ]


def test_count_is_written_when_something_else_happens_a_minute_later_or_at_the_end(
    log: logging.Logger, clock: FakeClock, tmp_path: Path
) -> None:
    for _ in range(3):
        log.error("a")
    clock.advance(61)
    log.info("b")
    log.info("b")
    _close(log)
    assert (tmp_path / "a.log").read_text().splitlines() == [
        "ERROR a", "ERROR repeated 2 times in 60 s: a", "INFO b", "INFO repeated once more in 60 s: b",
    ]  # fmt: skip


def test_different_messages_are_all_written(log: logging.Logger, tmp_path: Path) -> None:
    for number in range(20):
        log.error("dataset %d", number)
    assert (tmp_path / "a.log").read_text().count("dataset") == 20


def test_log_never_exceeds_its_budget_and_keeps_the_newest(log: logging.Logger, tmp_path: Path) -> None:
    for number in range(3000):
        log.error("something new about µ and dataset %d", number)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sorted(sizes) == ["a.log", "a.log.1", "a.log.2"]
    assert all(size <= 2000 for size in sizes.values())
    assert "dataset 2999" in (tmp_path / "a.log").read_text(encoding="utf-8")


def test_budget_of_a_former_run_counts(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("x" * 1990 + "\n")
    (tmp_path / "a.log.3").write_text("too many")
    (tmp_path / "a.log.1").write_text("x" * 100_000)
    (tmp_path / "a.log.txt").write_text("not ours")
    handler = BudgetedLogHandler(tmp_path / "a.log", file_bytes=2000, file_count=3)
    handler.emit(logging.LogRecord("n", logging.INFO, "", 0, "new run begins", None, None))
    handler.close()
    assert sorted(os.listdir(tmp_path)) == ["a.log", "a.log.1", "a.log.txt"]
    assert (tmp_path / "a.log").read_text() == "new run begins\n"


def test_endless_line_and_undecodable_name_are_written_shortened_and_escaped(
    log: logging.Logger, tmp_path: Path
) -> None:
    log.error("bad \udc80 name")
    log.error("y" * 10**6)
    text = "".join(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())
    assert "bad \\udc80 name" in text
    assert "more characters" in text
    assert len(text) < 40_000


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_disk_that_refuses_costs_lines_but_not_the_work(log: logging.Logger, tmp_path: Path) -> None:
    log.error("before")
    handler: Any = log.handlers[0]
    handler._close_stream()
    handler._stream = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115  # the handler closes it
    log.error("lost")
    log.error("after")
    assert (tmp_path / "a.log").read_text().splitlines() == ["ERROR before", "ERROR after"]


@pytest.mark.skipif(os.name != "posix", reason="modes are a matter of POSIX")
def test_only_this_account_reads_the_log(log: logging.Logger, tmp_path: Path) -> None:
    log.error("x")
    assert stat.S_IMODE((tmp_path / "a.log").stat().st_mode) == 0o600
