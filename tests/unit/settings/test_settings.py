"""Settings: defaults, checks, migration with roll-back, and what happens to a file that makes no sense."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.domain.errors import StoreProblem, UsageError
from etiket_gui.settings import settings as module
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings, changed, load_settings, migrated, save_settings
from tests.support.unprivileged import permissions_count


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.prepare()
    return made


def test_nothing_set_is_the_defaults_and_writes_nothing(home: Home) -> None:
    assert load_settings(home) == Settings()
    assert not home.settings.exists()


def test_what_was_saved_is_loaded(home: Home) -> None:
    wanted = Settings(worker_count=1, rate_limit_bytes_per_s=2e6, backlog_order="oldest", scan_interval_min_s=60)
    save_settings(home, wanted)
    assert load_settings(home) == wanted
    assert json.loads(home.settings.read_text("utf-8"))["version"] == module.VERSION


def test_file_may_say_only_what_differs(home: Home) -> None:
    home.settings.write_text('{"version": 1, "safe_within_s": 120}', "utf-8")
    assert load_settings(home) == Settings(safe_within_s=120)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("worker_count", 0), ("worker_count", 17), ("worker_count", "two"), ("rate_limit_bytes_per_s", 1),
        ("measuring_rate_bytes_per_s", 0), ("safe_within_s", 1), ("backlog_order", "random"), ("prove_every_s", 1),
        ("scan_interval_min_s", 0), ("log_limit_bytes", 5),
    ],
)  # fmt: skip
def test_value_that_makes_no_sense_is_refused_with_the_name_of_its_field(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=field):
        changed(Settings(), **{field: value})


def test_unknown_setting_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no setting speed.*worker_count"):
        changed(Settings(), speed=5)


def test_changed_leaves_the_others(home: Home) -> None:
    settings = Settings(worker_count=1)
    assert changed(settings, safe_within_s=600) == Settings(worker_count=1, safe_within_s=600)


def test_older_file_is_brought_up_step_by_step(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(fields: dict[str, Any]) -> dict[str, Any]:
        fields["safe_within_s"] = fields.pop("safe_minutes") * 60
        return fields

    def widen(fields: dict[str, Any]) -> dict[str, Any]:
        return fields | {"safe_within_s": fields["safe_within_s"] + 1}

    monkeypatch.setattr(module, "VERSION", 3)
    monkeypatch.setattr(module, "MIGRATIONS", {1: rename, 2: widen})
    home.settings.write_text('{"version": 1, "safe_minutes": 10}', "utf-8")
    told: list[str] = []
    assert load_settings(home, told.append) == Settings(safe_within_s=601)
    assert told == []
    assert json.loads(home.settings.read_text("utf-8"))["version"] == 3


def test_step_that_fails_leaves_the_fields_as_they_were(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def first(fields: dict[str, Any]) -> dict[str, Any]:
        fields.clear()
        return fields

    def second(fields: dict[str, Any]) -> dict[str, Any]:
        return {"worker_count": fields["missing"]}

    monkeypatch.setattr(module, "VERSION", 3)
    monkeypatch.setattr(module, "MIGRATIONS", {1: first, 2: second})
    fields = {"worker_count": 2}
    with pytest.raises(ValueError, match="version 2 cannot be brought to 3"):
        migrated(fields, 1)
    assert fields == {"worker_count": 2}
    content = b'{"version": 1, "worker_count": 2}'
    home.settings.write_bytes(content)
    told: list[str] = []
    assert load_settings(home, told.append) == Settings()
    (kept,) = home.root.glob("settings-broken-*.json")
    assert kept.read_bytes() == content


def test_file_of_a_newer_version_is_used_as_far_as_it_is_known(home: Home) -> None:
    content = '{"version": 99, "worker_count": 1}'
    home.settings.write_text(content, "utf-8")
    assert load_settings(home) == Settings(worker_count=1)
    assert home.settings.read_text("utf-8") == content


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of files mean something else there")
def test_settings_that_may_not_be_read_or_written_are_sentences(home: Home) -> None:
    save_settings(home, Settings(worker_count=1))
    home.settings.chmod(0)
    home.root.chmod(0o500)
    told: list[str] = []
    with permissions_count():
        assert load_settings(home, told.append) == Settings()
        with pytest.raises(StoreProblem, match="cannot be written"):
            save_settings(home, Settings())
    home.root.chmod(0o700)
    assert len(told) == 1
    assert "cannot be read" in told[0]


@pytest.mark.allows_log("cannot be understood")
def test_broken_file_is_told_in_the_log_when_nobody_listens(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    home.settings.write_bytes(b"{")
    assert load_settings(home) == Settings()
    assert "cannot be understood" in caplog.text


def test_starting_with_nothing_set_loads_no_pydantic(home: Home) -> None:
    code = (
        "import sys; from pathlib import Path; from etiket_gui.settings.home import Home;"
        "from etiket_gui.settings.settings import load_settings;"
        f"load_settings(Home(Path({str(home.root)!r})));"
        "sys.exit(' '.join({'pydantic', 'sqlalchemy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
