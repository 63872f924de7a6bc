"""Killed at every named point of the write order and started again: the end is that of a run without a kill."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.domain.failpoints import ONCE_VARIABLE, POINTS, VARIABLE
from tests.support.engine_runs import (
    Lab,
    browse_tree,
    complete_state,
    configured_lab,
    kill,
    no_orphans,
    wait_until,
    write_dataset,
    write_datasets,
)
from tests.support.invariants import check_invariants
from tests.support.manifest import take_manifest

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as only POSIX does"),
]

SOURCE_UUID = str(uuid.uuid5(uuid.NAMESPACE_URL, "kill points"))
#: These are passed by the engine itself, all others by its workers.
OF_THE_ENGINE = {"after_claim", "before_receipt", "after_receipt"}
#: What each step of the write order is followed by (DESIGN, "The way of a dataset").
STEPS = {
    "claim row": "after_claim",
    "read": "after_read",
    "upload under a temporary identity": "after_stage",
    "made durable": "after_first_sync",
    "verify": "after_verify",
    "about to publish": "before_publish",
    "publish bytes": "after_blobs",
    "publish record": "after_publish",
    "publishing made durable": "after_second_sync",
    "told to the engine": "before_receipt",
    "receipt, archived": "after_receipt",
    "views": "after_derive",
}
_COUNT = 6


def _first_state(root: Path) -> None:
    write_datasets(root, range(_COUNT))


def _second_state(root: Path) -> None:
    """A file more, a file with other bytes, a file fewer, a dataset more, a dataset with an earlier one's bytes."""
    first, second, third, *_ = sorted(root.glob("*/*"))
    (first / "analysis.txt").write_bytes(b"fitted")
    (second / "trace 1.csv").write_bytes(b"measured again")
    (third / "empty.dat").unlink()
    write_datasets(root, range(_COUNT, _COUNT + 1))
    write_dataset(first.parent / "copied", "dataset 0")


class _Undisturbed:
    """What two runs without a kill come to, over the same kind of source."""

    def __init__(self, folder: Path) -> None:
        root = folder / "source"
        root.mkdir()
        lab, archive = configured_lab(folder / "lab", root, source_uuid=SOURCE_UUID)
        self.states: list[Any] = []
        for change in (_first_state, _second_state):
            change(root)
            lab.run_once()
            self.states.append((complete_state(lab, archive), browse_tree(archive)))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> _Undisturbed:
    """The end states to compare with."""
    return _Undisturbed(tmp_path_factory.mktemp("undisturbed"))


def _run_killed_at(point: str, lab: Lab, number: int) -> None:
    """Run until the process that passes the point is killed there, then kill the engine if it is not the one."""
    passed = lab.folder / f"passed {number}"
    engine = lab.start("run", "--once", environment={VARIABLE: point, ONCE_VARIABLE: str(passed)})
    try:
        wait_until(lambda: passed.exists() or engine.poll() is not None, 60, f"{point} is passed")
        assert passed.exists(), f"the run ended with {engine.poll()} without passing {point}:\n{lab.tell()}"
        if point in OF_THE_ENGINE:
            assert engine.wait(60) == -signal.SIGKILL
    finally:
        kill(engine)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_and_started_again_ends_as_without_the_kill(
    point: str, tmp_path: Path, undisturbed: _Undisturbed
) -> None:
    root = tmp_path / "source"
    root.mkdir()
    lab, archive = configured_lab(tmp_path / "lab", root, source_uuid=SOURCE_UUID)
    for number, change in enumerate((_first_state, _second_state)):
        change(root)
        source = take_manifest(root)
        with no_orphans():
            _run_killed_at(point, lab, number)
            check_invariants(home=lab.home, sources=[source], archives=[archive])
            lab.run_once()
        check_invariants(home=lab.home, sources=[source], archives=[archive])
        assert (complete_state(lab, archive), browse_tree(archive)) == undisturbed.states[number]
    assert not list((archive / ".etiket" / "quarantine").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("point", [point for point in POINTS if point not in OF_THE_ENGINE])
def test_engine_survives_the_death_of_its_worker_at_any_point(
    point: str, tmp_path: Path, undisturbed: _Undisturbed
) -> None:
    root = tmp_path / "source"
    root.mkdir()
    lab, archive = configured_lab(tmp_path / "lab", root, source_uuid=SOURCE_UUID)
    for number, change in enumerate((_first_state, _second_state)):
        change(root)
        passed = tmp_path / f"passed {number}"
        # The dataset whose worker died is tried again later; a second run does not wait for that.
        lab.run_once(codes=(0, 3), environment={VARIABLE: point, ONCE_VARIABLE: str(passed)})
        assert passed.exists()
        check_invariants(home=lab.home, archives=[archive])
        lab.ask("retry")
        lab.run_once()
        check_invariants(home=lab.home, archives=[archive])
        assert (complete_state(lab, archive), browse_tree(archive)) == undisturbed.states[number]


def test_each_step_of_the_write_order_has_a_point() -> None:
    assert tuple(STEPS.values()) == POINTS


@pytest.mark.parametrize("point", ["after_stage", "after_publish"])
def test_a_full_archive_at_any_point_leaves_nothing_half(point: str, tmp_path: Path) -> None:
    root = tmp_path / "source"
    root.mkdir()
    _first_state(root)
    lab, archive = configured_lab(tmp_path / "lab", root, source_uuid=SOURCE_UUID)
    lab.run_once(codes=(0, 3), environment={VARIABLE: f"{point}:2:full", ONCE_VARIABLE: str(tmp_path / "passed")})
    assert (tmp_path / "passed").exists()
    check_invariants(home=lab.home, archives=[archive])
    lab.ask("retry")
    lab.run_once()
    check_invariants(home=lab.home, archives=[archive])
    assert len(lab.uuids()) == _COUNT


def test_the_work_folder_may_be_lost_with_the_kill(tmp_path: Path, undisturbed: _Undisturbed) -> None:
    root = tmp_path / "source"
    root.mkdir()
    _first_state(root)
    lab, archive = configured_lab(tmp_path / "lab", root, source_uuid=SOURCE_UUID)
    _run_killed_at("after_stage", lab, 0)
    shutil.rmtree(lab.home / "work")
    assert not os.path.lexists(lab.home / "work")
    lab.run_once()
    check_invariants(home=lab.home, archives=[archive])
    assert (complete_state(lab, archive), browse_tree(archive)) == undisturbed.states[0]
