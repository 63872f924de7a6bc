"""A conversion that fails is one row of the problems, and everything else of the dataset is archived."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.support.engine_runs import Lab
from tests.support.manifest import take_manifest


def test_failing_conversion_is_a_problem_until_it_succeeds_and_the_rest_is_archived(tmp_path: Path) -> None:
    root = tmp_path / "measurements"
    for name, text in (("good", "a,b\n1,2\n"), ("bad", "a,b\n1,2\n1,2,3\n")):
        (root / name).mkdir(parents=True)
        (root / name / "trace.csv").write_text(text)
        (root / name / "notes.txt").write_text("notes")
    lab = Lab(tmp_path / "lab")
    archive = lab.add_archive(tmp_path / "archive")
    lab.add_folder(root, level=1, is_converting=True)
    before = take_manifest(root)
    lab.run_once()
    rows = {row["name"]: row for row in lab.json("datasets", "--files")}
    assert {name: row["state"] for name, row in rows.items()} == {"good": "archived", "bad": "archived"}
    assert [file["name"] for file in rows["good"]["files"]] == ["notes.txt", "trace.csv", "trace.hdf5"]
    assert [file["name"] for file in rows["bad"]["files"]] == ["notes.txt", "trace.csv"]
    (problem,) = lab.json("problems")
    told = json.dumps(problem)
    assert "trace.csv" in told
    assert "3 cells" in told
    assert "csv_to_hdf5 1" in told
    assert take_manifest(root).entries == before.entries
    lab.ask("verify")
    lab.run_once()
    assert len(lab.json("problems")) == 1, "nothing is tried again that did not change"
    (root / "bad" / "trace.csv").write_text("a,b\n1,2\n3,4\n")
    lab.run_once()
    assert lab.json("problems") == []
    rows = {row["name"]: row for row in lab.json("datasets", "--files")}
    assert [file["name"] for file in rows["bad"]["files"]] == ["notes.txt", "trace.csv", "trace.hdf5"]
    work = lab.home / "work"
    assert not list(work.rglob("*.hdf5")), "what was converted is removed when it is archived"
    lab.ask("restore", rows["bad"]["uuid"], "--from", f"archive:{archive}", "--to", tmp_path / "back")
    assert (tmp_path / "back" / "bad" / "trace.hdf5").stat().st_size > 0


def test_retry_converts_again_what_could_not_be_converted(tmp_path: Path) -> None:
    root = tmp_path / "measurements"
    (root / "bad").mkdir(parents=True)
    (root / "bad" / "trace.csv").write_text("a,b\n1,2\n1,2,3\n")
    lab = Lab(tmp_path / "lab")
    lab.add_archive(tmp_path / "archive")
    lab.add_folder(root, level=1, is_converting=True)
    lab.run_once()
    before = lab.json("problems")
    (row,) = lab.json("datasets")
    lab.ask("retry", row["uuid"])
    assert lab.json("datasets")[0]["state"] == "waiting"
    assert lab.json("problems") == before, "it is open until it is known to be over"
    lab.run_once()
    (row,) = lab.json("datasets")
    assert row["state"] == "archived"
    assert [place["version"] for place in row["destinations"]] == ["1.0.0"], "the same bytes are no new version"
    assert len(lab.json("problems")) == 1


def test_problem_of_a_conversion_ends_with_its_dataset(tmp_path: Path) -> None:
    root = tmp_path / "measurements"
    for name in ("removed", "left out", "stays"):
        (root / name).mkdir(parents=True)
        (root / name / "trace.csv").write_text("a,b\n1,2\n1,2,3\n")
    lab = Lab(tmp_path / "lab")
    lab.add_archive(tmp_path / "archive")
    lab.add_folder(root, level=1, is_converting=True)
    lab.run_once()
    assert len(lab.json("problems")) == 3
    uuids = {row["name"]: row["uuid"] for row in lab.json("datasets")}
    lab.ask("ignore", uuids["left out"])
    assert {item["dataset"] for item in lab.json("problems")} == {"removed", "stays"}
    shutil.rmtree(root / "removed")
    lab.run_once()
    assert [item["dataset"] for item in lab.json("problems")] == ["stays"]
