"""A real PostgreSQL of its own for tests: made in a temporary folder, reached over a port of this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

USER = "lab"
PASSWORD = "a password of the lab"


def programs() -> Path:
    """The folder of PostgreSQL's programs."""
    found = shutil.which("pg_ctl")
    candidates = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not candidates:
        pytest.fail("PostgreSQL is not installed (apt-get install postgresql)")
    return candidates[-1]


class Server:
    """One server with its data in a folder; PostgreSQL refuses to run as root, so it then runs as its own account."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._bin = programs()
        self._account = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        if os.geteuid() != 0:
            self._account = []
        folder.chmod(0o755)
        self._data = folder / "data"
        self._sockets = folder / "run"
        for made in (self._data, self._sockets):
            made.mkdir(mode=0o700)
            if self._account:
                shutil.chown(made, "postgres", "postgres")
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", str(self._data), "-U", USER, "--pwfile", str(secret), "-A", "scram-sha-256", "-N",
            "-E", "UTF8", "--locale=C.UTF-8",
        )  # fmt: skip
        secret.unlink()

    def _run(self, program: str, *arguments: str) -> str:
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "Europe/Amsterdam"}
        done = subprocess.run(
            [*self._account, str(self._bin / program), *arguments],
            capture_output=True,
            text=True,
            env=environment,
            cwd="/",
            timeout=60,
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = (
            f"-p {self.port} -c listen_addresses=localhost -c unix_socket_directories={self._sockets} -c fsync=off "
            "-c shared_buffers=16MB -c max_connections=20 -c timezone=Europe/Amsterdam -c jit=off"
        )
        self._run("pg_ctl", "-D", str(self._data), "-w", "-s", "-o", options, "-l", str(self._data / "log"), "start")

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """A session as the user of the lab; each statement counts at once."""
        return psycopg.connect(
            host="localhost", port=self.port, dbname=database, user=USER, password=PASSWORD, autocommit=True
        )

    def stop(self) -> None:
        """Stop it at once, with whoever is connected."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-s", "-m", "immediate", "stop")
        # The machine may still take connections of the kernel's queue for a moment.
        deadline_s = time.monotonic() + 5
        while time.monotonic() < deadline_s:
            with socket.socket() as probe:
                if probe.connect_ex(("localhost", self.port)):
                    return
            time.sleep(0.02)

    def trust(self) -> None:
        """Ask nobody on this machine for a password any more."""
        (self._data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n")
        self._run("pg_ctl", "-D", str(self._data), "-s", "reload")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return int(listening.getsockname()[1])


@contextmanager
def running_server() -> Iterator[Server]:
    """A server that runs meanwhile, in a folder that its account can reach."""
    with tempfile.TemporaryDirectory(prefix="etiket-gui-postgresql-") as folder:
        server = Server(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
