"""The control channel of a running engine: one JSON request, one JSON reply, only for the account that runs it."""

from __future__ import annotations

import hmac
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from etiket_gui.domain.commands import Reply
from etiket_gui.domain.errors import EtiketError, ProgramError, UsageError
from etiket_gui.osys import control_transport
from etiket_gui.osys.control_transport import Channel, ChannelBroken, Listener

logger = logging.getLogger(__name__)

ADDRESS_FILE = "control.json"
_REQUEST_TIMEOUT_S = 10.0
_REPLY_TIMEOUT_S = 10.0
#: How often the listener looks whether its address still leads to it.
_LOOK_S = 30.0
_MOST_CLIENTS = 32
_MOST_ADDRESS_BYTES = 65536

Handler = Callable[[dict[str, Any]], Mapping[str, Any]]


class NobodyAnswers(EtiketError):
    """No engine of this home answers on the control channel."""

    title = "The program does not run"
    default_advice = "Start it, or use the command while nothing else works on this home."


class EngineHangs(NobodyAnswers):
    """An engine took the request but gave no answer in time."""

    title = "The program does not answer"
    default_advice = "Wait a minute and try again; if it stays like this, end the program and start it again."


class ControlServer:
    """Answers requests for one home. To be started only by who holds the home's lock.

    ``handler`` gets each request as a dict and returns the reply as a dict; it is called on a thread of its own per
    client, several at once. An EtiketError that it raises becomes a reply with ``is_ok`` False and the error; anything
    else is logged and becomes a reply that names a bug.
    """

    def __init__(
        self,
        run_folder: Path,
        handler: Handler,
        *,
        new_listener: Callable[[Path, str | None], Listener] = control_transport.new_listener,
        look_s: float = _LOOK_S,
    ) -> None:
        self._run_folder = run_folder
        self._handler = handler
        self._new_listener = new_listener
        self._look_s = look_s
        self._secret = os.urandom(32).hex()
        self._listener: Listener | None = None
        self._listener_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_stopping = threading.Event()
        self._slots = threading.BoundedSemaphore(_MOST_CLIENTS)
        self._clients: set[threading.Thread] = set()
        self._clients_lock = threading.Lock()

    def start(self) -> None:
        """Listen. Raises OSError when no address can be made."""
        if self._thread is not None:
            return
        self._is_stopping.clear()
        self._run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix":
            self._run_folder.chmod(0o700)
        self._listener = self._listen()
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def stop(self, *, timeout_s: float = 2.0) -> None:
        """Stop listening; replies that are on their way get ``timeout_s``. May be called by the handler's thread."""
        thread = self._thread
        if thread is None:
            return
        end_s = time.monotonic() + timeout_s
        self._is_stopping.set()
        with self._listener_lock:
            if self._listener is not None:
                self._listener.wake()
        thread.join(timeout_s)
        with self._clients_lock:
            clients = [client for client in self._clients if client is not threading.current_thread()]
        for client in clients:
            client.join(max(end_s - time.monotonic(), 0.0))
        self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listen(self) -> Listener:
        written = _read_address(self._run_folder)
        listener = self._new_listener(self._run_folder, None if written is None else written[0])
        try:
            self._write_address(listener.address)
        except OSError:
            listener.close()
            raise
        return listener

    def _write_address(self, address: str) -> None:
        text = json.dumps({"address": address, "secret": self._secret, "pid": os.getpid()})
        target = self._run_folder / ADDRESS_FILE
        temporary = self._run_folder / f"{ADDRESS_FILE}.{os.getpid()}.tmp"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        temporary.replace(target)

    def _serve(self) -> None:
        listener = self._listener
        assert listener is not None
        has_complained = False
        while not self._is_stopping.is_set():
            channel = listener.accept(self._look_s)
            if channel is not None:
                self._hand_over(channel)
            elif not self._is_stopping.is_set() and listener.is_lost():
                try:
                    fresh = self._listen()
                except OSError as error:
                    if not has_complained:
                        logger.warning("The control channel was removed and cannot be made again: %s", error)
                    has_complained = True
                    continue
                with self._listener_lock:
                    self._listener = fresh
                    listener.close()
                listener, has_complained = fresh, False
        with self._listener_lock:
            self._listener = None
            listener.close()
        self._remove_address(listener.address)

    def _remove_address(self, address: str) -> None:
        written = _read_address(self._run_folder)
        if written is not None and written[0] == address:
            (self._run_folder / ADDRESS_FILE).unlink(missing_ok=True)

    def _hand_over(self, channel: Channel) -> None:
        while not self._slots.acquire(timeout=1.0):
            if self._is_stopping.is_set():
                channel.close()
                return
        client = threading.Thread(target=self._serve_client, args=(channel,), name="control client", daemon=True)
        with self._clients_lock:
            self._clients.add(client)
        client.start()

    def _serve_client(self, channel: Channel) -> None:
        try:
            request = channel.receive(_REQUEST_TIMEOUT_S)
            channel.send(_encode_reply(self._answer(request)), _REPLY_TIMEOUT_S)
        except (ChannelBroken, TimeoutError) as error:
            logger.debug("A client of the control channel went away: %s", error)
        finally:
            channel.close()
            with self._clients_lock:
                self._clients.discard(threading.current_thread())
            self._slots.release()

    def _answer(self, message: bytes) -> Mapping[str, Any]:
        try:
            request = _decode(message)
            secret = str(request.pop("secret", ""))
            if not hmac.compare_digest(secret.encode(), self._secret.encode()):
                raise UsageError("The request does not come from this home.")
            return self._handler(request)
        except EtiketError as error:
            return Reply(is_ok=False, sentence=error.reason, error=error.to_json()).to_json()
        except Exception as error:
            logger.exception("A request on the control channel failed")
            bug = ProgramError(f"The request failed: {type(error).__name__}: {error}")
            return Reply(is_ok=False, sentence=bug.reason, error=bug.to_json()).to_json()


class ControlClient:
    """Asks the engine of one home."""

    def __init__(
        self, run_folder: Path, *, connect: Callable[[str, float], Channel] = control_transport.connect
    ) -> None:
        self._run_folder = run_folder
        self._connect = connect

    def ask(self, request: Mapping[str, Any], timeout_s: float = 5.0) -> dict[str, Any]:
        """Send one request and return the reply as it is, also when that says no.

        Raises NobodyAnswers when no engine listens, EngineHangs (a NobodyAnswers) when one took the request but did
        not answer within ``timeout_s``. UsageError: the request is larger than a message may be.
        """
        end_s = time.monotonic() + timeout_s
        written = _read_address(self._run_folder)
        if written is None:
            raise self._nobody()
        address, secret = written
        message = _encode({**request, "secret": secret})
        if len(message) > control_transport.MAX_MESSAGE_BYTES:
            raise UsageError(f"The request of {len(message)} bytes is too large for the control channel.")
        try:
            channel = self._connect(address, timeout_s)
        except TimeoutError as error:
            raise self._hangs(timeout_s) from error
        except OSError as error:
            raise self._nobody() from error
        try:
            channel.send(message, end_s - time.monotonic())
            return _decode(channel.receive(end_s - time.monotonic()))
        except TimeoutError as error:
            raise self._hangs(timeout_s) from error
        except ChannelBroken as error:
            raise self._nobody() from error
        finally:
            channel.close()

    def is_answered(self, timeout_s: float = 1.0) -> bool:
        """Whether somebody listens for this home; asks for nothing."""
        written = _read_address(self._run_folder)
        if written is None:
            return False
        try:
            self._connect(written[0], timeout_s).close()
        except OSError:
            return False
        return True

    def _nobody(self) -> NobodyAnswers:
        return NobodyAnswers(f"No engine runs for the home {self._run_folder.parent}.", path=str(self._run_folder))

    def _hangs(self, timeout_s: float) -> EngineHangs:
        return EngineHangs(
            f"The engine of the home {self._run_folder.parent} gave no answer within {timeout_s:g} s.",
            path=str(self._run_folder),
        )


def _encode(value: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(value), separators=(",", ":")).encode("ascii")


def _encode_reply(value: Mapping[str, Any]) -> bytes:
    try:
        message = _encode(value)
    except (TypeError, ValueError) as error:
        logger.exception("A reply on the control channel is no JSON")
        bug = ProgramError(f"The reply cannot be sent: {error}")
        return _encode(Reply(is_ok=False, sentence=bug.reason, error=bug.to_json()).to_json())
    if len(message) <= control_transport.MAX_MESSAGE_BYTES:
        return message
    wrong = UsageError("The answer is too large for the control channel; ask for less at once.")
    return _encode(Reply(is_ok=False, sentence=wrong.reason, error=wrong.to_json()).to_json())


def _decode(message: bytes) -> dict[str, Any]:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise UsageError("What arrived on the control channel is no JSON.") from error
    if not isinstance(value, dict):
        raise UsageError("What arrived on the control channel is no JSON object.")
    return value


def _read_address(run_folder: Path) -> tuple[str, str] | None:
    """Address and secret as the last engine wrote them; None when there are none."""
    try:
        with (run_folder / ADDRESS_FILE).open("rb") as file:
            value = json.loads(file.read(_MOST_ADDRESS_BYTES).decode("utf-8", "surrogateescape"))
        return str(value["address"]), str(value["secret"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
