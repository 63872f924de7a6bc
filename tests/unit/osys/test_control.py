"""Requests and replies between one engine and many clients of the same account."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.domain.errors import PermissionRefused, UsageError, error_from_json
from etiket_gui.osys import control, control_transport
from etiket_gui.osys.control import ControlClient, ControlServer, EngineHangs, NobodyAnswers
from tests.support.patience import patient_s

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the Unix socket is what is looked into here")


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def _echo(request: dict[str, Any]) -> Mapping[str, Any]:
    return {"is_ok": True, "sentence": "", "value": request, "error": None}


def _address(run_folder: Path) -> str:
    return str(json.loads((run_folder / control.ADDRESS_FILE).read_text())["address"])


def test_reply_carries_the_request_unchanged(run_folder: Path) -> None:
    request = {"command": "X", "text": "µ \udc80 \x00", "number": 2**62, "list": [1, None, True]}
    with ControlServer(run_folder, _echo):
        assert ControlClient(run_folder).ask(request)["value"] == request


def test_nobody_answers_without_an_engine(run_folder: Path) -> None:
    client = ControlClient(run_folder)
    with pytest.raises(NobodyAnswers):
        client.ask({"command": "X"})
    with ControlServer(run_folder, _echo):
        assert client.is_answered()
    assert not client.is_answered()
    with pytest.raises(NobodyAnswers):
        client.ask({"command": "X"})


def test_address_of_a_killed_engine_means_nobody_answers_and_a_new_one_takes_over(run_folder: Path) -> None:
    run_folder.mkdir()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(run_folder / control_transport.SOCKET_FILE))
    left.close()
    text = {"address": str(run_folder / control_transport.SOCKET_FILE), "secret": "x"}
    (run_folder / control.ADDRESS_FILE).write_text(json.dumps(text))
    with pytest.raises(NobodyAnswers):
        ControlClient(run_folder).ask({"command": "X"})
    with ControlServer(run_folder, _echo):
        assert ControlClient(run_folder).ask({"command": "X"})["is_ok"]


def test_home_with_a_very_long_path_is_served_and_leaves_nothing_behind(
    tmp_path: Path, account_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Path("/tmp") / f"etiket-test-{os.getpid()}"
    short.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    run_folder = tmp_path / ("long " * 30) / "run"
    try:
        with ControlServer(run_folder, _echo):
            address = Path(_address(run_folder))
            assert address.parent.parent == short
            assert stat.S_IMODE(address.parent.stat().st_mode) == 0o700
            assert ControlClient(run_folder).ask({"command": "X"})["is_ok"]
        assert list(short.iterdir()) == []
        killed = ControlServer(run_folder, _echo)
        killed.start()
        text = (run_folder / control.ADDRESS_FILE).read_text()
        killed.stop()
        Path(json.loads(text)["address"]).parent.mkdir(mode=0o700)
        (run_folder / control.ADDRESS_FILE).write_text(text)
        with ControlServer(run_folder, _echo):
            assert len(list(short.iterdir())) == 1
    finally:
        short.rmdir()


def test_home_on_a_file_system_without_sockets_is_served(
    run_folder: Path, account_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind = control_transport._bind
    monkeypatch.setattr(
        control_transport, "_bind", lambda path: None if path.startswith(str(run_folder)) else bind(path)
    )
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    with ControlServer(run_folder, _echo):
        address = Path(_address(run_folder))
        assert not address.is_relative_to(run_folder)
        assert ControlClient(run_folder).ask({"command": "X"})["is_ok"]
    assert not address.parent.exists()


def test_only_this_account_may_connect(run_folder: Path) -> None:
    with ControlServer(run_folder, _echo):
        assert stat.S_IMODE(run_folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((run_folder / control_transport.SOCKET_FILE).stat().st_mode) == 0o600
        assert stat.S_IMODE((run_folder / control.ADDRESS_FILE).stat().st_mode) == 0o600
    assert control_transport.is_trusted(1000, 1000)
    assert control_transport.is_trusted(0, 1000)
    assert not control_transport.is_trusted(1001, 1000)
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        assert control_transport.peer_uid(left) == os.getuid()


def test_request_without_the_secret_of_the_home_is_refused(run_folder: Path) -> None:
    called: list[object] = []

    def handler(request: dict[str, Any]) -> Mapping[str, Any]:
        called.append(request)
        return _echo(request)

    with ControlServer(run_folder, handler):
        channel = control_transport.connect(_address(run_folder), 5.0)
        channel.send(json.dumps({"command": "StopEngine", "secret": "wrong"}).encode(), 5.0)
        reply = json.loads(channel.receive(5.0))
        channel.close()
    assert not reply["is_ok"]
    assert not called


def test_known_failure_of_the_handler_comes_back_as_that_failure(run_folder: Path) -> None:
    def handler(_: dict[str, Any]) -> Mapping[str, Any]:
        raise PermissionRefused("the folder is not ours", path="/x")

    with ControlServer(run_folder, handler):
        reply = ControlClient(run_folder).ask({"command": "X"})
    error = error_from_json(reply["error"])
    assert isinstance(error, PermissionRefused)
    assert error.path == "/x"


@pytest.mark.allows_log("A request on the control channel failed|no JSON")
@pytest.mark.parametrize("answer", [lambda: 1 // 0, lambda: {"value": object()}])
def test_bug_of_the_handler_is_a_reply_and_the_channel_goes_on(run_folder: Path, answer: Callable[[], Any]) -> None:
    with ControlServer(run_folder, lambda request: answer() if request["command"] == "bad" else _echo(request)):
        client = ControlClient(run_folder)
        assert client.ask({"command": "bad"})["error"]["kind"] == "ProgramError"
        assert client.ask({"command": "good"})["is_ok"]


def test_many_clients_are_served_at_once(run_folder: Path) -> None:
    barrier = threading.Barrier(10)

    def handler(request: dict[str, Any]) -> Mapping[str, Any]:
        barrier.wait(10)
        return _echo(request)

    replies: list[dict[str, Any]] = []
    with ControlServer(run_folder, handler):
        clients = [
            threading.Thread(target=lambda n=n: replies.append(ControlClient(run_folder).ask({"n": n}, 10.0)))
            for n in range(10)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    assert sorted(reply["value"]["n"] for reply in replies) == list(range(10))


@pytest.mark.alone
def test_silent_client_does_not_hold_up_the_others(run_folder: Path) -> None:
    with ControlServer(run_folder, _echo):
        silent = [control_transport.connect(_address(run_folder), 5.0) for _ in range(5)]
        started_s = time.monotonic()
        assert ControlClient(run_folder).ask({"command": "X"})["is_ok"]
        assert time.monotonic() - started_s < patient_s(2.0)
        for channel in silent:
            channel.close()


@pytest.mark.parametrize(
    "rubbish", [b"", b"\x00\x00", struct.pack(">I", 2**31), struct.pack(">I", 5) + b"abc", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_rubbish_from_a_client_is_survived(run_folder: Path, rubbish: bytes) -> None:
    with ControlServer(run_folder, _echo):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(_address(run_folder))
            raw.sendall(rubbish)
        assert ControlClient(run_folder).ask({"command": "X"})["is_ok"]


@pytest.mark.parametrize("text", [b"[1]", b"\xff", b"[" * 100_000, b'"x"'])
def test_message_that_is_no_object_gets_a_sentence(run_folder: Path, text: bytes) -> None:
    with ControlServer(run_folder, _echo):
        channel = control_transport.connect(_address(run_folder), 5.0)
        channel.send(text, 5.0)
        reply = json.loads(channel.receive(5.0))
        channel.close()
    assert reply["error"]["kind"] == "UsageError"


def test_message_beyond_the_limit_is_refused_on_both_sides(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_transport, "MAX_MESSAGE_BYTES", 1000)
    with ControlServer(run_folder, lambda request: {"value": "x" * int(request["n"])}):
        client = ControlClient(run_folder)
        with pytest.raises(UsageError, match="too large"):
            client.ask({"n": 1, "text": "x" * 1000})
        assert "too large" in client.ask({"n": 2000})["sentence"]
        assert client.ask({"n": 10})["value"] == "x" * 10


def test_engine_that_gives_no_answer_is_told_apart_from_no_engine(run_folder: Path) -> None:
    go_on = threading.Event()

    def handler(request: dict[str, Any]) -> Mapping[str, Any]:
        go_on.wait(20)
        return _echo(request)

    with ControlServer(run_folder, handler):
        with pytest.raises(EngineHangs):
            ControlClient(run_folder).ask({"command": "X"}, timeout_s=0.2)
        go_on.set()


def test_handler_may_stop_the_server_and_its_reply_still_arrives(run_folder: Path) -> None:
    servers: list[ControlServer] = []

    def handler(request: dict[str, Any]) -> Mapping[str, Any]:
        servers[0].stop()
        return _echo(request)

    servers.append(ControlServer(run_folder, handler))
    servers[0].start()
    assert ControlClient(run_folder).ask({"command": "StopEngine"})["is_ok"]
    assert sorted(os.listdir(run_folder)) == []


def test_removed_socket_is_made_again(run_folder: Path) -> None:
    with ControlServer(run_folder, _echo, look_s=0.05):
        os.unlink(_address(run_folder))
        end_s = time.monotonic() + 10
        while not ControlClient(run_folder).is_answered():
            assert time.monotonic() < end_s
            time.sleep(0.02)
        assert ControlClient(run_folder).ask({"command": "X"})["is_ok"]
    assert os.listdir(run_folder) == []


def test_windows_way_speaks_the_same_language(run_folder: Path, account_folder: Path) -> None:
    """The named pipe's code over the family that this system has; only the name of the pipe differs."""
    address = str(account_folder / ".run" / "pipe")

    def listen(_: Path, __: str | None) -> control_transport.Listener:
        return control_transport.PipeListener(family="AF_UNIX", address=address)

    def connect(where: str, _: float) -> control_transport.Channel:
        return control_transport.connect_pipe(where, family="AF_UNIX")

    with ControlServer(run_folder, _echo, new_listener=listen):
        client = ControlClient(run_folder, connect=connect)
        assert client.ask({"command": "X", "text": "µ" * 100_000})["value"]["text"] == "µ" * 100_000
        silent = connect(address, 1.0)
        assert client.ask({"command": "Y"})["is_ok"]
        silent.close()
    with pytest.raises(NobodyAnswers):
        client.ask({"command": "X"})
