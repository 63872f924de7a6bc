"""The end of a log is read in steps: whole lines, what was added, and anew when it is another file."""

from __future__ import annotations

from pathlib import Path

from etiket_gui.bridge.log_tail import TAIL_BYTES, parsed, read_news

_LINE = "2026-03-01 12:00:0{n},123 INFO    [41 MainThread] etiket_gui.engine: line {n}\n"


def test_lines_of_another_form_belong_to_the_entry_before() -> None:
    lines = parsed(_LINE.format(n=1) + "Traceback\n  x\n" + _LINE.format(n=2))
    assert [line.text for line in lines] == ["line 1\nTraceback\n  x", "line 2"]
    assert (lines[0].at, lines[0].level, lines[0].where) == ("2026-03-01 12:00:01", "INFO", "etiket_gui.engine")
    assert parsed("a crash\n")[0].level == ""


def test_only_what_was_added_is_read_and_only_in_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "etiket-gui.log"
    path.write_text(_LINE.format(n=1) + "2026-03-01 12")
    news, place = read_news(tmp_path, path.name, None)
    assert ([line.text for line in news.lines], news.is_whole) == (["line 1"], True)
    with path.open("a") as file:
        file.write(_LINE.format(n=2).removeprefix("2026-03-01 12"))
    news, place = read_news(tmp_path, path.name, place)
    assert ([line.text for line in news.lines], news.is_whole) == (["line 2"], False)
    news, _ = read_news(tmp_path, path.name, place)
    assert news.lines == ()


def test_of_a_long_log_the_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "etiket-gui.log"
    path.write_text(_LINE.format(n=1) * (2 * TAIL_BYTES // 60))
    news, _ = read_news(tmp_path, path.name, None)
    assert news.is_whole
    assert 0 < sum(len(line.text) for line in news.lines) < TAIL_BYTES


def test_a_shorter_or_another_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "etiket-gui.log"
    path.write_text(_LINE.format(n=1) * 3)
    _, place = read_news(tmp_path, path.name, None)
    path.write_text(_LINE.format(n=2))
    news, _ = read_news(tmp_path, path.name, place)
    assert (len(news.lines), news.is_whole) == (1, True)


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    news, place = read_news(tmp_path / "nowhere", "etiket-gui.log", None)
    assert place is None
    assert "cannot be read" in news.failure
    news, _ = read_news(tmp_path, "etiket-gui.log", None)
    assert (news.failure, news.lines) == ("", ())
