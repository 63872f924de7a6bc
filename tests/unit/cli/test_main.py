"""How commands are found and end: sentences instead of tracebacks, the promised exit codes, a light start."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from etiket_gui.cli import looking, steering_commands
from etiket_gui.cli import main as main_module
from etiket_gui.cli.exit_codes import ExitCode, exit_code_of
from etiket_gui.cli.session import CommandLine
from etiket_gui.domain import errors
from tests.support.command_line import CommandLineRunner

HEAVY = ("sqlalchemy", "pydantic", "alembic", "rich", "yaml", "requests", "keyring", "watchdog", "pathspec", "psutil",
         "etiket_gui.backends", "etiket_gui.destinations", "etiket_gui.engine", "etiket_gui.worker")  # fmt: skip


def test_an_unknown_command_is_told_with_what_was_meant(cli: CommandLineRunner) -> None:
    ended = cli("stats")
    assert (ended.code, ended.out) == (2, "")
    assert "There is no command 'stats'. Did you mean status?" in ended.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sources", "--foo"), "has no option --foo"),
        (("datasets", "--serch", "x"), "Did you mean --search?"),
        (("datasets", "surplus"), "takes no argument 'surplus' here"),
        (("datasets", "--state", "lost"), "invalid choice"),
        (("hold",), "needs --for"),
        (("hold", "--for", "soon"), "is not a duration"),
        (("hold", "--for", "0s"), "between one second and a year"),
        (("add-source",), "needs BACKEND and NAME"),
        (("add-destination", "nothing", "x"), "There is no destination of the kind"),
        (("add-source", "nothing", "x"), "There is no backend"),
        (("restore", "x"), "Add --to DIR"),
        (("run", "--once", "--cycles", "2"), "not allowed with argument"),
        (("run", "--cycles", "0"), "is not a number of cycles"),
        (("run", "--once"), "No source is configured yet"),
        (("detect", "/nowhere/at/all"), "There is nothing at"),
        (("--nonsense", "status"), "There is no option --nonsense before the command"),
        (("--home",), "--home needs a folder"),
        (("login", "x"), "No destination is configured yet"),
        (("search", "x"), "knows no destination"),
        (("verify",), "nothing to verify"),
        (("remove-source", "x"), "There is no source with the name x"),
    ],
)
def test_wrong_use_is_told_in_a_sentence_and_ends_with_2(
    cli: CommandLineRunner, arguments: tuple[str, ...], sentence: str
) -> None:
    ended = cli(*arguments)
    assert ended.code == 2
    assert sentence in ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err


def test_without_a_terminal_and_a_command_help_is_printed_and_it_ends_with_2(cli: CommandLineRunner) -> None:
    ended = cli()
    assert (ended.code, ended.out) == (2, "")
    assert "usage: etiket-sync" in ended.err


def test_every_command_is_in_the_overview_and_has_help(cli: CommandLineRunner) -> None:
    overview = cli.ok("--help").out
    for _, name, _, _ in main_module.COMMANDS:
        assert re.search(rf"^  {name} ", overview, re.MULTILINE)
        assert f"usage: etiket-sync {name}" in cli.ok(name, "--help").out


def test_the_commands_of_the_design_are_all_there() -> None:
    promised = {
        "detect", "add-destination", "add-source", "edit-source", "remove-source", "edit-destination",
        "remove-destination", "test", "sources", "destinations", "datasets", "problems", "status", "run", "pause",
        "resume", "hold", "retry", "ignore", "verify", "versions", "restore", "search", "login", "logout", "plugins",
        "doctor", "export-diagnostics",
    }  # fmt: skip
    assert promised <= {name for _, name, _, _ in main_module.COMMANDS}


def test_the_version_is_told(cli: CommandLineRunner) -> None:
    assert re.fullmatch(r"etiket-sync \d+\.\d+\.\d+\n", cli.ok("--version").out)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("x"), 2),
        (errors.PermissionRefused("x"), 2),
        (errors.StoreTooNew("x"), 2),
        (errors.DestinationOffline("x"), 3),
        (errors.DestinationFull("x"), 3),
        (errors.StoreProblem("x"), 3),
        (errors.DestinationDamaged("x"), 4),
        (errors.VerificationFailed("x"), 4),
        (errors.HomeInUse("x"), 5),
        (errors.SignInNeeded("x"), 6),
        (errors.Stopped("x"), 130),
        (errors.ProgramError("x"), 1),
    ],
)
def test_every_failure_has_its_exit_code(error: errors.EtiketError, code: int) -> None:
    assert exit_code_of(error) == code
    assert exit_code_of(errors.RemoteError(error.to_json())) == code


def _replace(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(session: object, arguments: object) -> int:
        raise error

    command = CommandLine(lambda parser: None, fail)
    monkeypatch.setitem(looking.COMMANDS, "status", command)


def test_ctrl_c_ends_with_130(cli: CommandLineRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    _replace(monkeypatch, KeyboardInterrupt())
    ended = cli("status")
    assert (ended.code, ended.err) == (130, "Interrupted.\n")


def test_the_home_is_named_by_option_before_or_after_or_by_the_environment(
    cli: CommandLineRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (tmp_path / name for name in ("a", "b", "c"))
    monkeypatch.setenv("ETIKET_GUI_HOME", str(third))
    for home, arguments in (
        (first, ("--home", first, "pause")), (second, ("pause", "--home", second)), (third, ("pause",)),
    ):  # fmt: skip
        cli.ok(*arguments)
        assert (home / "store.sqlite").exists()


def test_json_may_stand_before_or_after_the_command(cli: CommandLineRunner) -> None:
    assert cli.ok("--json", "sources").json == cli.ok("sources", "--json").json == []


def test_looking_into_a_home_that_does_not_exist_makes_none(cli: CommandLineRunner, home_folder: Path) -> None:
    for command in ("status", "problems", "sources", "destinations", "datasets", "plugins", "doctor"):
        cli.ok(command)
        cli.ok(command, "--json")
    assert not home_folder.exists()


def _light_modules(command: str) -> set[str]:
    script = (
        "import sys; from etiket_gui.cli.main import main\n"
        f"code = main(['{command}', '--json'])\n"
        "print(code, *sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    json.loads(done.stdout)
    code, *modules = done.stderr.split()
    assert code == "0"
    return set(modules)


@pytest.mark.parametrize("command", ["status", "problems"])
@pytest.mark.parametrize("is_configured", [True, False])
def test_status_and_problems_import_neither_orm_nor_validation_nor_a_plug_in(
    command: str, is_configured: bool, request: pytest.FixtureRequest
) -> None:
    if is_configured:
        request.getfixturevalue("configured")
    modules = _light_modules(command)
    heavy = {name for name in modules if name.startswith(HEAVY)}
    assert not heavy


def test_whoever_closes_the_pipe_early_gets_no_complaint(configured: CommandLineRunner) -> None:
    command = [sys.executable, "-m", "etiket_gui.cli.main", "plugins", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        error = process.stderr.read()
        process.wait(60)
    assert error == b""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGINT for one process")
def test_ctrl_c_during_work_ends_the_process_with_130(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "etiket_gui.cli.main", "add-source", "folder", "x", f"ignore=@{pipe}"]
    # Opening for writing returns when the command has opened it for reading.
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process, pipe.open("w"):
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert error.strip() == "Interrupted."


def test_a_command_waits_for_another_that_works_on_the_home(
    cli: CommandLineRunner, home_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etiket_gui.cli import session
    from etiket_gui.osys.locking import HomeLock

    cli.ok("pause")
    monkeypatch.setattr(session, "LONGEST_WAIT_S", 0.2)
    lock = HomeLock(home_folder / "run")
    lock.acquire()
    try:
        ended = cli("resume")
    finally:
        lock.release()
    assert ended.code == 5
    assert "in use by" in ended.err
    assert cli.ok("resume").out == "The pause and the hold are over; the work goes on.\n"


def test_a_lost_store_is_left_to_the_engine(configured: CommandLineRunner, home_folder: Path) -> None:
    before = (home_folder / "configuration.json").read_bytes()
    for name in ("store.sqlite", "store.sqlite-wal", "store.sqlite-shm"):
        (home_folder / name).unlink(missing_ok=True)
    for command in (["status"], ["sources"], ["pause"], ["add-source", "folder", "x", f"root_directory={home_folder}"]):
        ended = configured(*command)
        assert ended.code == 2
        assert "etiket-sync run --once" in ended.err
    assert (home_folder / "configuration.json").read_bytes() == before
    assert not (home_folder / "store.sqlite").exists()


def test_every_steering_command_is_one_of_the_overview() -> None:
    assert set(steering_commands.COMMANDS) <= {name for _, name, _, _ in main_module.COMMANDS}
    assert ExitCode.OK == 0
