"""Killed at random moments, hundreds of times in a row: the end is that of one run without a kill."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest

from tests.support import leaks
from tests.support.engine_runs import (
    Lab,
    blob_identities,
    browse_tree,
    complete_state,
    configured_lab,
    kill,
    wait_until,
    write_dataset,
    write_datasets,
)
from tests.support.invariants import check_invariants
from tests.support.manifest import take_manifest

pytestmark = [
    pytest.mark.crash,
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as only POSIX does"),
]

SOURCE_UUID = str(uuid.uuid5(uuid.NAMESPACE_URL, "campaign"))
DATASETS = 300
KILLS = 200
#: There from the beginning; the others come in steps, so that there is work at every restart.
_FIRST = 40
_CHECK_EVERY = 20
_ORPHANS_END_WITHIN_S = 5.0


def _seed() -> int:
    seed = int(os.environ.get("ETIKET_GUI_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed}: repeat with ETIKET_GUI_TEST_SEED={seed}")
    return seed


class _Campaign:
    """Engines that are started and killed, one after the other, over one home."""

    def __init__(self, lab: Lab, archive: Path, chance: random.Random) -> None:
        self.lab, self.archive, self.chance = lab, archive, chance
        self.phases: Counter[str] = Counter()
        self.orphans: dict[int, float] = {}
        self.before = leaks.running_children()

    def run_and_kill(self) -> None:
        """One engine, killed after a random time; half of these times begin when it has begun to write."""
        # Slower or faster, so that the kills meet reading and staging as well as publishing and writing down.
        rate = self.chance.choice((None, None, 400_000, 2_000_000))
        (self.lab.home / "settings.json").write_text(json.dumps({"version": 1, "rate_limit_bytes_per_s": rate}))
        published, staged = self._published(), self._staged()
        engine = self.lab.start("run")
        try:
            if self.chance.random() < 0.7:
                until_s = time.monotonic() + 3.0
                while time.monotonic() < until_s and engine.poll() is None:
                    if self._staged() - staged or self._published() > published:
                        break
                    time.sleep(0.005)
                self.wait(engine, self.chance.uniform(0.0, 0.4))
            else:
                self.wait(engine, self.chance.uniform(0.05, 1.2))
            assert engine.poll() is None, f"the engine ended with {engine.poll()}:\n{self.lab.tell()}"
        finally:
            kill(engine)
        is_staged, is_published = bool(self._staged() - staged), self._published() > published
        self.phases["published some" if is_published else "while staging" if is_staged else "before writing"] += 1
        self._note_orphans()

    def _published(self) -> int:
        return len(list(self.archive.glob("*/*/*.yml")))

    def _staged(self) -> set[str]:
        """What lies in the archive's staging place; what a kill left there is no sign of the next engine."""
        return set(os.listdir(self.archive / ".etiket" / "tmp"))

    @staticmethod
    def wait(engine: subprocess.Popen[bytes], seconds: float) -> None:
        """Let an engine run for so long, or until it ends by itself."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s and engine.poll() is None:
            time.sleep(min(0.01, seconds))

    def _note_orphans(self) -> None:
        """The next engine starts at once, beside workers that are still ending; each of these must end soon."""
        now_s = time.monotonic()
        alive = leaks.running_children() - self.before
        self.orphans = {pid: self.orphans.get(pid, now_s) for pid in alive}
        late = {
            pid: now_s - since_s for pid, since_s in self.orphans.items() if now_s - since_s > _ORPHANS_END_WITHIN_S
        }
        assert not late, f"workers outlive their engine: {late}"


@pytest.mark.timeout(900)
def test_two_hundred_kills_change_nothing_in_the_end(tmp_path: Path) -> None:
    chance = random.Random(_seed())
    root = tmp_path / "source"
    root.mkdir()
    write_datasets(root, range(_FIRST))
    lab, archive = configured_lab(tmp_path / "lab", root, source_uuid=SOURCE_UUID)
    campaign = _Campaign(lab, archive, chance)
    written = _FIRST
    for number in range(KILLS):
        wanted = _FIRST + (DATASETS - _FIRST) * (number + 1) // KILLS
        write_datasets(root, range(written, wanted))
        written = wanted
        source = take_manifest(root) if number % _CHECK_EVERY == 0 else None
        campaign.run_and_kill()
        if source is not None:
            check_invariants(home=lab.home, sources=[source], archives=[archive])
    wait_until(lambda: not leaks.running_children() - campaign.before, _ORPHANS_END_WITHIN_S, "all workers ended")
    print(f"{KILLS} kills: {dict(campaign.phases)}")
    (lab.home / "settings.json").unlink()
    source = take_manifest(root)
    lab.run_once()
    check_invariants(home=lab.home, sources=[source], archives=[archive])
    other, other_archive = configured_lab(tmp_path / "undisturbed", root, source_uuid=SOURCE_UUID)
    other.run_once()
    assert complete_state(lab, archive) == complete_state(other, other_archive)
    assert browse_tree(archive) == browse_tree(other_archive)
    assert len(lab.uuids()) == DATASETS
    assert campaign.phases["published some"] + campaign.phases["while staging"] > KILLS // 4, campaign.phases


@pytest.mark.timeout(300)
def test_losing_the_store_again_and_again_while_it_is_read_back_changes_nothing(tmp_path: Path) -> None:
    chance = random.Random(_seed())
    root = tmp_path / "source"
    root.mkdir()
    write_datasets(root, range(150))
    lab, archive = configured_lab(tmp_path / "lab", root, source_uuid=SOURCE_UUID)
    lab.run_once()
    for number, folder in enumerate(sorted(root.glob("*/*"))[::5]):
        folder.rename(folder.with_name(f"renamed {number}"))
        write_dataset(folder, f"successor {number}")
    lab.run_once()
    uuids, state, blobs = lab.uuids(), complete_state(lab, archive), blob_identities(archive)
    source = take_manifest(root)
    assert len(uuids) == 180
    campaign = _Campaign(lab, archive, chance)
    for number in range(20):
        if number % 4 == 0:
            for path in lab.home.glob("store.sqlite*"):
                path.unlink()
        engine = lab.start("run")
        campaign.wait(engine, chance.uniform(0.3, 1.5))
        assert engine.poll() is None, f"the engine ended with {engine.poll()}:\n{lab.tell()}"
        kill(engine)
    lab.run_once()
    check_invariants(home=lab.home, sources=[source], archives=[archive])
    assert lab.uuids() == uuids
    assert blob_identities(archive) == blobs
    assert complete_state(lab, archive) == state
