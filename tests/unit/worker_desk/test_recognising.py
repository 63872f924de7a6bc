"""What is dropped is recognised, or refused with a sentence; whatever it is, and however many there are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.worker.desk import recognising
from tests.support.command_line import CommandLineRunner
from tests.support.unprivileged import permissions_count


def _one(run_job: Any, *paths: object) -> dict[str, Any]:
    (answer,) = run_job("recognise", paths=[str(path) for path in paths])["answers"]
    return dict(answer)


def test_a_folder_of_measurements_can_be_added(run_job: Any, data: Path, told: list[dict[str, Any]]) -> None:
    answer = _one(run_job, data)
    assert answer["refusal"] == ""
    best = answer["recognised"][0]
    assert (best["backend"], best["dataset_count"]) == ("folder", 3)
    assert best["options"]["root_directory"] == str(data)
    assert answer["name"] == "fridge data"
    assert told == [{"answer": answer}]


def test_a_file_address_is_the_file(run_job: Any, data: Path) -> None:
    assert _one(run_job, data.as_uri())["recognised"]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("nothing", "There is nothing at"),
        ("https://example.org/data", "is an address of the kind 'https'"),
        ("smb://server/share", "mount the share first"),
        ("packed.zip", "Unpack it"),
        ("thesis.pdf", "no file of measurements that this program knows"),
        ("dangling", "a link that leads nowhere"),
    ],
)
def test_each_refusal_is_a_sentence(run_job: Any, tmp_path: Path, made: str, words: str) -> None:
    path: object = made
    if "://" not in made:
        path = tmp_path / made
        if made == "dangling":
            os.symlink(tmp_path / "away", tmp_path / made)
        elif made != "nothing":
            (tmp_path / made).write_bytes(b"PK")
    answer = _one(run_job, path)
    assert words in answer["refusal"]
    assert answer["refusal"].endswith(".")
    assert answer["recognised"] == []


def test_places_that_overlap_with_what_is_there_are_refused(
    run_job: Any, cli: CommandLineRunner, data: Path, tmp_path: Path
) -> None:
    cli.ok("add-destination", "archive", "arch", f"path={tmp_path / 'archive'}")
    cli.ok("add-source", "folder", "lab", f"root_directory={data}")
    assert "is already the source lab" in _one(run_job, data)["refusal"]
    assert "lies inside the source lab" in _one(run_job, data / "run 0")["refusal"]
    assert "holds the source lab" in _one(run_job, tmp_path)["refusal"]
    assert "inside the destination arch" in _one(run_job, tmp_path / "archive")["refusal"]


def test_what_may_not_be_read_is_refused(run_job: Any, data: Path) -> None:
    data.chmod(0)
    try:
        with permissions_count():
            assert "may not be read by this account" in _one(run_job, data)["refusal"]
    finally:
        data.chmod(0o700)


def test_a_thousand_files_are_answered_with_their_folder(run_job: Any, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number}.csv").write_text("1")
    answer = _one(run_job, *sorted(folder.iterdir()))
    assert answer["path"] == str(folder)
    assert "1000 things were dropped from this folder" in answer["notes"][0]


def test_nothing_at_all_is_a_sentence_too(run_job: Any) -> None:
    assert "Nothing was dropped" in _one(run_job)["refusal"]


def test_a_place_that_does_not_answer_is_given_up(
    run_job: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    never = threading.Event()
    real = os.path.lexists

    def hang(path: object) -> bool:
        if str(path).endswith("dead"):
            never.wait(20)
        return real(path)  # type: ignore[arg-type]

    monkeypatch.setattr(os.path, "lexists", hang)
    monkeypatch.setattr(recognising, "_ANSWER_WITHIN_S", 0.5)
    answers = run_job("recognise", paths=[str(tmp_path / "dead"), str(data)])["answers"]
    never.set()
    assert "does not answer" in answers[0]["refusal"]
    assert answers[1]["recognised"]
