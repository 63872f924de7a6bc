"""``with etiket_gui.hold():`` in a measurement script: while inside, the program touches nothing.

It may be used in any script, whether the program is installed, configured or running: it never raises into a
measurement and never makes it wait longer than a moment.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from types import TracebackType
from typing import Any

from etiket_gui.domain.commands import HoldSync
from etiket_gui.domain.errors import EtiketError
from etiket_gui.osys.control import ControlClient, NobodyAnswers
from etiket_gui.osys.processes import ProcessIdentity, is_alive, own_identity

logger = logging.getLogger("etiket_gui.hold")

_NS = 1_000_000_000
#: A script that dies without leaving keeps the program waiting no longer than this.
_LAP_S = 600.0
_RENEW_S = 120.0
_ANSWER_S = 2.0
_STORE_WAIT_S = 1.0
#: A hold that ends now: a time in the past is refused, and nobody notices this second.
_SOON_NS = _NS
_FOLDER = "holds"


class Hold(AbstractContextManager[None]):
    """Holds the program of one home from enter to exit, at most ``at_most_s``; may be used again, not nested.

    The hold is renewed by a quiet thread, so that it ends by itself when the script is killed. Several scripts may
    hold at once; the program goes on when the last one is done. A longer hold that a person set is left as it is.
    """

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        at_most_s: float = 86400.0,
        *,
        renew_s: float = _RENEW_S,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._home = None if home is None else os.fspath(home)
        self._at_most_s = at_most_s
        self._renew_s = renew_s
        self._now_ns = now_ns
        self._end_ns = 0
        self._mine_ns = 0
        self._token: Path | None = None
        self._thread: threading.Thread | None = None
        self._is_over = threading.Event()
        self._has_warned = False

    def __enter__(self) -> None:
        self._is_over.clear()
        self._has_warned = False
        self._end_ns = self._now_ns() + round(self._at_most_s * _NS)
        self._try(self._renew)
        self._thread = threading.Thread(target=self._keep, name="etiket hold", daemon=True)
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        if self._thread is not None:
            self._thread.join(_ANSWER_S + _STORE_WAIT_S + 1.0)
            self._thread = None
        self._try(self._release)

    def _keep(self) -> None:
        while not self._is_over.wait(self._renew_s):
            if self._now_ns() >= self._end_ns:
                return
            self._try(self._renew)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except (EtiketError, OSError, sqlite3.Error) as error:
            self._warn("The measurement goes on, but the program could not be told to hold: %s", error)
        except Exception:
            # A bug here must not end a measurement either.
            logger.exception("The measurement goes on, but the program could not be told to hold")

    def _warn(self, text: str, *arguments: object) -> None:
        if not self._has_warned:
            logger.warning(text, *arguments)
        self._has_warned = True

    def _renew(self) -> None:
        run_folder, store_path = self._places()
        if not store_path.exists():
            self._warn("Nothing is held: no home of the program is at %s.", store_path.parent)
            return
        until_ns = min(self._now_ns() + round(_LAP_S * _NS), self._end_ns)
        self._sign(run_folder, until_ns)
        present_ns = self._present(run_folder, store_path)
        if present_ns == -1 or present_ns >= until_ns:
            return
        self._hold_until(run_folder, store_path, until_ns)
        self._mine_ns = until_ns

    def _release(self) -> None:
        run_folder, store_path = self._places()
        token, self._token = self._token, None
        if token is not None:
            token.unlink(missing_ok=True)
        mine_ns, self._mine_ns = self._mine_ns, 0
        if not mine_ns or not store_path.exists():
            return
        present_ns = self._present(run_folder, store_path)
        others_ns = self._others(run_folder)
        if present_ns == -1 or present_ns > max(mine_ns, others_ns):
            return
        self._hold_until(run_folder, store_path, max(others_ns, self._now_ns() + _SOON_NS))

    def _places(self) -> tuple[Path, Path]:
        from etiket_gui.settings.home import Home

        home = Home.locate(self._home)
        return home.run, home.store

    def _present(self, run_folder: Path, store_path: Path) -> int:
        """Until when it is held now; from the store, which the engine keeps up to date."""
        with closing(_connect(store_path, "ro")) as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = 'held_until_ns'").fetchone()
        return 0 if row is None else int(json.loads(row[0]))

    def _hold_until(self, run_folder: Path, store_path: Path, until_ns: int) -> None:
        try:
            reply = ControlClient(run_folder).ask(HoldSync(until_ns).to_json(), _ANSWER_S)
        except NobodyAnswers:
            with closing(_connect(store_path, "rw")) as connection, connection:
                connection.execute(
                    "INSERT INTO meta (key, value) VALUES ('held_until_ns', ?) "
                    "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    (json.dumps(until_ns),),
                )
            return
        if not reply.get("is_ok"):
            self._warn("The measurement goes on, but the program did not hold: %s", reply.get("sentence", reply))

    def _sign(self, run_folder: Path, until_ns: int) -> None:
        """Write down that this script holds, so that another one that ends does not end this hold too."""
        own = own_identity()
        folder = run_folder / _FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        token = folder / f"{own.pid}-{id(self):x}.json"
        temporary = token.with_suffix(".tmp")
        temporary.write_text(json.dumps({"pid": own.pid, "start": own.start, "until_ns": until_ns}), encoding="ascii")
        temporary.replace(token)
        self._token = token

    def _others(self, run_folder: Path) -> int:
        latest_ns = 0
        for path in (run_folder / _FOLDER).glob("*.json"):
            try:
                value: Mapping[str, Any] = json.loads(path.read_text(encoding="ascii"))
                holder = ProcessIdentity(int(value["pid"]), str(value["start"]))
                until_ns = int(value["until_ns"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if not is_alive(holder):
                path.unlink(missing_ok=True)
            elif until_ns > self._now_ns():
                latest_ns = max(latest_ns, until_ns)
        return latest_ns


def _connect(store_path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{store_path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_STORE_WAIT_S)
