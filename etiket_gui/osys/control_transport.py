"""How the bytes of the control channel travel: a Unix socket, or on Windows a named pipe, behind one face."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Protocol

MAX_MESSAGE_BYTES = 16 * 2**20
SOCKET_FILE = "control.sock"
PRIVATE_PREFIX = "etiket-gui-"
_LENGTH = struct.Struct(">I")
#: What fits into sockaddr_un beside the closing zero.
LONGEST_ADDRESS_BYTES = 107 if sys.platform == "linux" else 103


class ChannelBroken(OSError):
    """The other side went away, took too long, or sent something that is no message of ours."""


class Channel(Protocol):
    """One connection that carries whole messages of at most ``MAX_MESSAGE_BYTES``."""

    def send(self, message: bytes, timeout_s: float) -> None:
        """Send one message; raises ChannelBroken."""

    def receive(self, timeout_s: float) -> bytes:
        """The next message; raises ChannelBroken, TimeoutError when none came in time."""

    def close(self) -> None:
        """Close the connection."""


class Listener(Protocol):
    """Where clients connect to."""

    @property
    def address(self) -> str:
        """What a client needs to connect."""

    def accept(self, timeout_s: float) -> Channel | None:
        """The next client, or None when there was none in time or :meth:`wake` was called."""

    def wake(self) -> None:
        """End a running :meth:`accept` at once."""

    def is_lost(self) -> bool:
        """Whether the address no longer leads here, so that a new listener is needed."""

    def close(self) -> None:
        """Stop listening and remove the address."""


class _Connection(Protocol):
    """The part of a connection of ``multiprocessing.connection`` that is used here, on every system."""

    def send_bytes(self, buf: bytes, /) -> None: ...
    def recv_bytes(self, maxlength: int, /) -> bytes: ...
    def poll(self, timeout: float, /) -> bool: ...
    def close(self) -> None: ...


class PipeChannel:
    """Messages over a connection of ``multiprocessing.connection``; only bytes, nothing is ever unpickled."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def send(self, message: bytes, timeout_s: float) -> None:
        """Send one message; raises ChannelBroken."""
        try:
            self._connection.send_bytes(message)
        except OSError as error:
            raise ChannelBroken(str(error)) from error

    def receive(self, timeout_s: float) -> bytes:
        """The next message; raises ChannelBroken, TimeoutError when none came in time."""
        try:
            if not self._connection.poll(max(timeout_s, 0.0)):
                raise TimeoutError("no message in time")
            return self._connection.recv_bytes(MAX_MESSAGE_BYTES)
        except TimeoutError:
            raise
        except (EOFError, OSError) as error:
            raise ChannelBroken(str(error)) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class PipeListener:
    r"""A named pipe ``\\.\pipe\etiket-gui-<random>``; ``family`` and ``address`` are given by tests only."""

    def __init__(self, *, family: str = "AF_PIPE", address: str | None = None) -> None:
        import multiprocessing.connection

        self._address = address or rf"\\.\pipe\{PRIVATE_PREFIX}{os.urandom(16).hex()}"
        self._family = family
        self._listener = multiprocessing.connection.Listener(self._address, family=family, backlog=16)
        self._is_waking = threading.Event()

    @property
    def address(self) -> str:
        """The name of the pipe."""
        return self._address

    def accept(self, timeout_s: float) -> Channel | None:
        """The next client; a pipe knows no time limit here, :meth:`wake` ends the waiting."""
        try:
            connection = self._listener.accept()
        except OSError:
            if not self._is_waking.is_set():
                time.sleep(0.2)
            return None
        if self._is_waking.is_set():
            connection.close()
            return None
        return PipeChannel(connection)

    def wake(self) -> None:
        """End a running :meth:`accept` at once, by being its last client."""
        import multiprocessing.connection

        self._is_waking.set()
        with contextlib.suppress(OSError):
            multiprocessing.connection.Client(self._address, family=self._family).close()

    def is_lost(self) -> bool:
        """A pipe lives as long as its listener."""
        return False

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._listener.close()


def connect_pipe(address: str, *, family: str = "AF_PIPE") -> PipeChannel:
    """Connect to a named pipe; raises OSError when nobody listens there."""
    import multiprocessing.connection

    return PipeChannel(multiprocessing.connection.Client(address, family=family))


if sys.platform != "win32":

    class SocketChannel:
        """Length-prefixed messages over a connected Unix socket."""

        def __init__(self, connection: socket.socket) -> None:
            self._socket = connection

        def send(self, message: bytes, timeout_s: float) -> None:
            """Send one message; raises ChannelBroken."""
            if len(message) > MAX_MESSAGE_BYTES:
                raise ChannelBroken("the message is too long")
            self._socket.settimeout(max(timeout_s, 0.001))
            try:
                self._socket.sendall(_LENGTH.pack(len(message)) + message)
            except OSError as error:
                raise ChannelBroken(str(error)) from error

        def receive(self, timeout_s: float) -> bytes:
            """The next message; raises ChannelBroken, TimeoutError when it was not here in time as a whole."""
            end_s = time.monotonic() + timeout_s
            (length,) = _LENGTH.unpack(self._receive_exactly(_LENGTH.size, end_s))
            if length > MAX_MESSAGE_BYTES:
                raise ChannelBroken("the message is too long")
            return self._receive_exactly(length, end_s)

        def close(self) -> None:
            """Close the connection."""
            self._socket.close()

        def _receive_exactly(self, count: int, end_s: float) -> bytes:
            parts: list[bytes] = []
            while count:
                rest_s = end_s - time.monotonic()
                if rest_s <= 0:
                    raise TimeoutError("no message in time")
                self._socket.settimeout(rest_s)
                try:
                    part = self._socket.recv(min(count, 1 << 18))
                except TimeoutError:
                    raise
                except OSError as error:
                    raise ChannelBroken(str(error)) from error
                if not part:
                    raise ChannelBroken("the other side closed the connection")
                parts.append(part)
                count -= len(part)
            return b"".join(parts)

    class SocketListener:
        """A Unix socket that only this account may connect to, in the run folder or, if that path is too long or its
        file system holds no sockets, in a private folder of its own below the runtime or temporary folder."""

        def __init__(self, run_folder: Path) -> None:
            self._path = os.path.join(os.path.abspath(run_folder), SOCKET_FILE)
            self._private: str | None = None
            bound = _bind(self._path) if _fits(self._path) else None
            if bound is None:
                private = self._private = _make_private_folder(run_folder)
                self._path = os.path.join(private, SOCKET_FILE)
                bound = _bind(self._path)
                if bound is None:
                    with contextlib.suppress(OSError):
                        os.rmdir(private)
                    raise OSError(f"no socket can be made for {run_folder}")
            self._socket, self._inode = bound
            self._wake_read, self._wake_write = os.pipe()
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._socket, selectors.EVENT_READ)
            self._selector.register(self._wake_read, selectors.EVENT_READ)

        @property
        def address(self) -> str:
            """The path of the socket."""
            return self._path

        def accept(self, timeout_s: float) -> Channel | None:
            """The next client of this account, or None."""
            if self._socket not in [key.fileobj for key, _ in self._selector.select(timeout_s)]:
                return None
            try:
                connection, _ = self._socket.accept()
            except BlockingIOError:
                return None
            except OSError:
                time.sleep(0.2)  # out of file handles: the client waits in the queue meanwhile
                return None
            if not is_trusted(peer_uid(connection), os.getuid()):
                connection.close()
                return None
            return SocketChannel(connection)

        def wake(self) -> None:
            """End a running :meth:`accept` at once."""
            os.write(self._wake_write, b"x")

        def is_lost(self) -> bool:
            """Whether somebody (a cleaner of temporary folders, a logout) removed the socket."""
            try:
                return os.stat(self._path).st_ino != self._inode
            except OSError:
                return True

        def close(self) -> None:
            """Stop listening and remove the socket, if it is still ours."""
            if not self.is_lost():
                with contextlib.suppress(OSError):
                    os.unlink(self._path)
            self._selector.close()
            self._socket.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
            if self._private is not None:
                with contextlib.suppress(OSError):
                    os.rmdir(self._private)

    def connect_socket(address: str, timeout_s: float) -> SocketChannel:
        """Connect to a Unix socket; raises OSError when nobody of this account listens there."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(max(timeout_s, 0.001))
            connection.connect(address)
            if os.getuid() != 0 and not is_trusted(peer_uid(connection), os.getuid()):
                raise ChannelBroken("another account listens there")
        except OSError:
            connection.close()
            raise
        return SocketChannel(connection)

    def is_trusted(peer: int | None, own: int) -> bool:
        """Whether that account may talk to us: the same one, the administrator, or one that cannot be told."""
        return peer is None or peer in {own, 0}

    def peer_uid(connection: socket.socket) -> int | None:
        """The account at the other end of a Unix socket; None where the system does not tell."""
        if sys.platform == "linux":
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            _, uid, _ = struct.unpack("3i", credentials)
            return int(uid)
        if sys.platform == "darwin":
            sol_local, local_peercred = 0, 1
            credentials = connection.getsockopt(sol_local, local_peercred, 76)
            _, uid = struct.unpack("II", credentials[:8])
            return int(uid)
        return None

    def remove_private_folder(address: str) -> None:
        """Remove the private folder that a killed engine left, if the address is in one and it is ours."""
        folder = os.path.dirname(address)
        if not os.path.basename(folder).startswith(PRIVATE_PREFIX) or os.path.basename(address) != SOCKET_FILE:
            return
        try:
            status = os.lstat(folder)
        except OSError:
            return
        if status.st_uid == os.getuid() and status.st_mode & 0o777 == 0o700:
            with contextlib.suppress(OSError):
                os.unlink(address)
            with contextlib.suppress(OSError):
                os.rmdir(folder)

    def _bind(path: str) -> tuple[socket.socket, int] | None:
        """A listening socket of that path and its inode; None when the place does not take one."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            listening.bind(path)
            os.chmod(path, 0o600)
            listening.listen(64)
            listening.setblocking(False)
            return listening, os.stat(path).st_ino
        except OSError:
            listening.close()
            return None

    def _make_private_folder(run_folder: Path) -> str:
        import tempfile

        for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108  # 0700 below it
            if not base or not _fits(os.path.join(base, PRIVATE_PREFIX + "x" * 8, SOCKET_FILE)):
                continue
            try:
                return tempfile.mkdtemp(prefix=PRIVATE_PREFIX, dir=base)
            except OSError:
                continue
        raise OSError(f"no folder with a path short enough for a socket was found for {run_folder}")

    def _fits(path: str) -> bool:
        return len(os.fsencode(path)) <= LONGEST_ADDRESS_BYTES


if sys.platform == "win32":

    def new_listener(run_folder: Path, stale_address: str | None) -> Listener:
        """Listen for clients of this home; a pipe leaves no remains, so ``stale_address`` means nothing here."""
        return PipeListener()

    def connect(address: str, timeout_s: float) -> Channel:
        """Connect to a listening engine; raises OSError when nobody listens there."""
        return connect_pipe(address)

else:

    def new_listener(run_folder: Path, stale_address: str | None) -> Listener:
        """Listen for clients of this home. ``stale_address`` is an earlier engine's; its remains are removed."""
        if stale_address is not None:
            remove_private_folder(stale_address)
        return SocketListener(run_folder)

    def connect(address: str, timeout_s: float) -> Channel:
        """Connect to a listening engine; raises OSError when nobody listens there."""
        return connect_socket(address, timeout_s)
