"""Another archive where the destination was: by accident nothing goes there, on a person's word everything does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from etiket_gui.destinations.api import DestinationContext, RestoreMethod
from etiket_gui.destinations.registry import load_destination
from etiket_gui.domain import guards
from etiket_gui.domain.commands import EditDestination, RecordVerification
from etiket_gui.domain.states import DestinationState
from etiket_gui.domain.stopping import NoProgress, StopToken
from tests.support.engine_driver import EngineDriver, write_dataset
from tests.support.walking import found_below


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[EngineDriver]:
    made = EngineDriver(tmp_path)
    made.add_archive()
    yield made
    made.stop()


@pytest.fixture
def root(driver: EngineDriver, tmp_path: Path) -> Path:
    return driver.add_folder(tmp_path / "measurements")


def _make_archive(path: Path) -> None:
    kind = load_destination("archive")
    kind(kind.config_class(path=str(path)), DestinationContext("agent", "host", path.parent / "unused")).create()


@pytest.mark.fault("F34", guard="other-is-refused")
def test_nothing_is_sent_to_another_archive_at_the_same_place(driver: EngineDriver, root: Path, tmp_path: Path) -> None:
    write_dataset(root, "one")
    with driver:
        driver.until_archived("one")
    archive = driver.archives[0]
    archive.rename(tmp_path / "set aside")
    _make_archive(archive)
    write_dataset(root, "two")
    with driver:
        driver.until(lambda: driver.states().get("two") == "waiting", "the second dataset waits")
        driver.until(lambda: driver.destination()["state"] == DestinationState.PROBLEM.value, "it is told")
        [problem] = driver.problems()
        assert "another archive" in problem["reason"]
        assert "remove the destination" in problem["advice"]
        driver.for_a_while(0.5)
        assert driver.states() == {"one": "archived", "two": "waiting"}
        assert driver.archive().records == []
        shutil.rmtree(archive)
        (tmp_path / "set aside").rename(archive)
        driver.coordinator.retry_everything(None, is_answer=True)
        driver.until_archived("one", "two")
        assert driver.problems() == []
    assert len(driver.archive().records) == 2


@pytest.mark.fault("F34", guard="moved-is-empty")
def test_after_a_person_chose_another_archive_everything_is_sent_there(
    driver: EngineDriver, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Looking for the newest copies would notice it too, later; nothing may depend on that.
    is_on = guards.is_on
    monkeypatch.setattr(guards, "is_on", lambda name: name != "newest-copies-are-looked-for" and is_on(name))
    write_dataset(root, "one")
    other = tmp_path / "other"
    _make_archive(other)
    with driver:
        driver.until_archived("one")
        driver.ask(EditDestination("lab-archive", config={"path": str(other)}))
        driver.archives[0] = other
        driver.until(lambda: driver.archive().records, "it is in the other archive")
        driver.until_archived("one")


def test_an_archive_that_was_moved_is_known_again(driver: EngineDriver, root: Path, tmp_path: Path) -> None:
    write_dataset(root, "one")
    with driver:
        driver.until_archived("one")
        moved = tmp_path / "moved"
        driver.archives[0].rename(moved)
        driver.archives[0] = moved
        driver.ask(EditDestination("lab-archive", config={"path": str(moved)}))
        write_dataset(root, "two")
        driver.until_archived("one", "two")
        assert len(driver.versions("one")) == 1


@pytest.mark.fault("F34", guard="newest-copies-are-looked-for")
def test_what_an_older_archive_put_back_does_not_have_is_sent_again(
    driver: EngineDriver, root: Path, tmp_path: Path
) -> None:
    write_dataset(root, "before")
    with driver:
        driver.until_archived("before")
    archive = driver.archives[0]
    shutil.copytree(archive, tmp_path / "backup", symlinks=True)
    write_dataset(root, "later")
    write_dataset(root, "lost")
    (root / "before" / "more.dat").write_bytes(b"more")
    with driver:
        driver.until_archived("before", "later", "lost")
    archive.rename(tmp_path / "broken")
    shutil.copytree(tmp_path / "backup", archive, symlinks=True)
    shutil.rmtree(root / "lost")
    with driver:
        driver.until(
            lambda: {"before", "later"} <= {record.identifier for record in driver.archive().records}, "it is back"
        )
        driver.until_archived("before", "later")
        assert [record.version for record in driver.versions("before")] == ["1.0.0", "1.1.0"]
        assert len(driver.versions("later")) == 1
        # Nobody has this one any more: that is said, and stays said.
        driver.until(lambda: len(driver.problems()) == 1, "only what nobody has stays a problem")
        [problem] = driver.problems()
        assert problem["reason"] == "It was archived there and is not there any more."
        [dataset_id] = [row["id"] for row in driver.rows("SELECT id FROM datasets WHERE identifier = 'lost'")]
        assert problem["dataset_id"] == dataset_id
        [said] = driver.rows("SELECT sentence FROM activity WHERE sentence LIKE '%not there any more%'")
        assert said["sentence"].startswith("3 datasets that were archived at lab-archive")


@pytest.mark.fault("F110", guard="damaged-links-are-replaced")
def test_a_damaged_file_is_good_again_in_the_browsable_folder_too(driver: EngineDriver, root: Path) -> None:
    write_dataset(root, "one")
    shown = driver.archives[0] / "browse"
    with driver:
        driver.until_archived("one")
        driver.until(lambda: found_below(shown, "trace.dat"), "the browsable folder is there")
    [link] = shown.rglob("trace.dat")
    link.chmod(0o644)
    link.write_bytes(b"eno")
    [row] = driver.rows("SELECT id FROM transfers")
    with driver:
        driver.ask(RecordVerification(((row["id"], 1, False, ("trace.dat: differs",)),)))
        driver.until(lambda: link.read_bytes() == b"one", "the good file is shown")
        driver.until_archived("one")
    [kept] = (driver.archives[0] / ".etiket" / "quarantine").iterdir()
    assert kept.read_bytes() == b"eno"


@pytest.mark.fault("F110", guard="altered-records-are-told")
def test_a_record_that_was_altered_is_not_trusted_and_a_good_one_is_put_beside_it(
    driver: EngineDriver, root: Path, tmp_path: Path
) -> None:
    write_dataset(root, "one")
    with driver:
        driver.until_archived("one")
    [path] = driver.archives[0].rglob("one-*-v1.0.0.yml")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"/mtime_ns/", b"/mtmme_ns/"))
    [row] = driver.rows("SELECT id, remote FROM transfers")
    archive = load_destination("archive")
    reader = archive(archive.config_class(path=str(driver.archives[0])), DestinationContext("agent", "host", tmp_path))
    found = reader.verify(row["remote"], "1.0.0", "", StopToken())
    assert [item.problem for item in found.differences] == ["the record itself was altered"]
    back = reader.fetch(row["remote"], "1.0.0", "", tmp_path / "back", RestoreMethod.COPY, NoProgress(), StopToken())
    assert (tmp_path / "back" / "trace.dat").read_bytes() == b"one"
    assert any("altered" in note for note in back.notes)
    with driver:
        driver.ask(RecordVerification(((row["id"], 1, False, ("record: altered",)),)))
        driver.until_archived("one")
    assert [record.version for record in driver.versions("one")] == ["1.0.0", "1.1.0"]
    assert reader.verify(row["remote"], "1.1.0", "", StopToken()).is_good
