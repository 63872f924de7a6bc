"""What every command is given: the home, the store to look into, the way to steer, and the plug-ins by name."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from etiket_gui.cli.output import Output
from etiket_gui.domain.errors import EtiketError, HomeInUse, StoreDamaged, StoreProblem, UsageError, error_from_json
from etiket_gui.domain.stopping import StopToken

if TYPE_CHECKING:
    from pathlib import Path

    from etiket_gui.credentials.keyring_store import KeyringStore
    from etiket_gui.destinations.api import CredentialLookup, Destination
    from etiket_gui.domain.commands import Command, Reply
    from etiket_gui.settings.home import Home
    from etiket_gui.store.reader import StoreReader
    from etiket_gui.store.rows import DatasetRow, DestinationRow
    from etiket_gui.store.writer import StoreWriter

#: How long a command waits for another command that works on the same home.
LONGEST_WAIT_S = 10.0
_POLL_S = 0.05
_ENGINE_ANSWERS_WITHIN_S = 8.0
_LARGEST_BUG_LOG_BYTES = 5_000_000
_REBUILD = "Build it anew from its backup, the sources and the destinations: etiket-sync run --once"


@dataclass(frozen=True)
class CommandLine:
    """One command: how its arguments are described, and what it does; returns the exit code."""

    configure: Callable[[ArgumentParser], None]
    run: Callable[[Session, Namespace], int]
    epilog: str = ""


class Session:
    """One run of the command line. Everything is made when it is first asked for."""

    def __init__(self, home_path: str | None, output: Output) -> None:
        self._home_path = home_path
        self._home: Home | None = None
        self._reader: StoreReader | None = None
        self._keyring: KeyringStore | None = None
        self.output = output

    @property
    def home(self) -> Home:
        """The home this command works on; nothing is created by asking."""
        if self._home is None:
            from etiket_gui.osys.plugin_folder import use as use_plugin_folder
            from etiket_gui.settings.home import Home

            self._home = Home.locate(self._home_path)
            use_plugin_folder(self._home.plugins)
        return self._home

    def close(self) -> None:
        """Give back what was opened."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._keyring is not None:
            self._keyring.close()
            self._keyring = None

    # -- the store ---------------------------------------------------------------------------------------------------

    @property
    def has_store(self) -> bool:
        """Whether anything was ever configured in this home. Raises StoreDamaged when there was a store and it is lost.

        Only the engine builds a lost store anew: it alone asks the destinations, so that nothing is sent twice.
        """
        is_there = self.home.store.exists()
        if self.home.configuration.exists() and (not is_there or self.home.rebuild_mark.exists()):
            what = "was lost and is not built anew yet" if is_there else "is gone"
            raise StoreDamaged(f"The tracking store {self.home.store} {what}.", advice=_REBUILD)
        return is_there

    def reader(self) -> StoreReader:
        """The store to look into. A store of an older version is brought up to date first.

        Raises UsageError when nothing was ever configured in this home.
        """
        if self._reader is None:
            if not self.has_store:
                raise UsageError("Nothing is configured in this home yet.", advice="Begin with: etiket-sync")
            from etiket_gui.store.reader import StoreReader
            from etiket_gui.store.schema import HEAD, revision_of

            if self._revision(revision_of) != HEAD:
                with self._locked():
                    self._open_writer().close()
            self._reader = StoreReader(self.home.store)
        return self._reader

    def destination_named(self, name: str) -> DestinationRow:
        """The configured destination of that name. Raises UsageError that tells which there are."""
        from etiket_gui.engine.steering import named

        return named("destination", name, self.reader().destinations())

    def dataset(self, query: str) -> DatasetRow:
        """The one tracked dataset that a person means: by uuid, unique prefix, identifier, PID or exact name."""
        return self.reader().resolve_dataset(query)

    # -- steering ----------------------------------------------------------------------------------------------------

    def ask_engine(self, command: Command, timeout_s: float = _ENGINE_ANSWERS_WITHIN_S) -> Reply | None:
        """The running engine's reply, or None when no engine runs. Raises EtiketError when it hangs."""
        from etiket_gui.domain.commands import Reply
        from etiket_gui.osys.control import ControlClient, EngineHangs, NobodyAnswers

        try:
            value = ControlClient(self.home.run).ask(command.to_json(), timeout_s)
        except EngineHangs:
            raise
        except NobodyAnswers:
            return None
        return Reply(**value)

    def steer(self, command: Command) -> Reply:
        """Have a command carried out: by the running engine, else here on the store. Raises the failure it meets."""
        end_s = time.monotonic() + LONGEST_WAIT_S
        while True:
            reply = self.ask_engine(command)
            if reply is None:
                try:
                    with self._locked():
                        reply = self._apply(command)
                except HomeInUse:
                    if time.monotonic() >= end_s:
                        raise
                    time.sleep(_POLL_S)
                    continue
            if not reply.is_ok:
                raise error_from_json(dict(reply.error)) if reply.error else UsageError(reply.sentence)
            return reply

    def note(self, sentence: str, dataset_id: int | None = None) -> None:
        """Put what was done here into the list of what happened, if there is one."""
        from etiket_gui.domain.commands import NoteActivity

        if not self.has_store:
            return
        try:
            self.steer(NoteActivity(sentence, dataset_id))
        except EtiketError as error:
            # What was done is done, and said on the terminal.
            logging.getLogger(__name__).info("Not put into the list of what happened: %s", error.reason)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from etiket_gui.osys.locking import HomeLock

        self.home.prepare()
        with HomeLock(self.home.run):
            yield

    def _revision(self, revision_of: Callable[[Path], str | None]) -> str:
        try:
            return revision_of(self.home.store) or ""
        except StoreDamaged as error:
            raise StoreDamaged(error.reason, advice=_REBUILD, path=error.path) from error

    def _open_writer(self) -> StoreWriter:
        from etiket_gui.store.health import open_store
        from etiket_gui.store.schema import revision_of

        if self.has_store:
            self._revision(revision_of)
        opened = open_store(self.home, is_thorough=False)
        if opened.sentence:
            self.output.message(opened.sentence)
        return opened.writer

    def _apply(self, command: Command) -> Reply:
        from etiket_gui.domain.commands import BY_COMMAND_LINE
        from etiket_gui.engine.steering import Steering
        from etiket_gui.store.reader import StoreReader

        writer = self._open_writer()
        try:
            reader = StoreReader(self.home.store)
            try:
                return Steering(writer, reader, self.home).apply(command, BY_COMMAND_LINE)
            finally:
                reader.close()
        finally:
            writer.close()

    # -- plug-ins ----------------------------------------------------------------------------------------------------

    def destination(
        self, kind: str, uuid: str, config: Mapping[str, Any], credentials: CredentialLookup | None = None
    ) -> Destination:
        """A destination that works in this process. Raises UsageError or PluginFailed."""
        from etiket_gui.cli.values import checked_options
        from etiket_gui.destinations.api import DestinationContext
        from etiket_gui.destinations.registry import load_destination
        from etiket_gui.osys.hostname import host_name

        its_class = load_destination(kind)
        checked_options(its_class.config_class, config)
        context = DestinationContext(
            agent=self._agent(),
            host=host_name(),
            work_folder=self.home.work / "destinations" / (uuid or kind),
            credentials=credentials,
            options={"account": uuid} if uuid else {},
        )
        return its_class(its_class.config_class.model_validate(dict(config)), context)

    def destination_of(self, row: DestinationRow, credentials: CredentialLookup | None = None) -> Destination:
        """The configured destination, working in this process, with the credentials of this account."""
        return self.destination(row.kind, row.uuid, row.config, credentials or self._credentials())

    def _agent(self) -> str:
        """The uuid of this home; looking into an archive makes no home, so without one it is a uuid for this once."""
        from etiket_gui.domain.identity import new_source_uuid

        if self.home.root.is_dir():
            with contextlib.suppress(StoreProblem):
                return self.home.agent_uuid()
        return new_source_uuid()

    def _credentials(self) -> CredentialLookup:
        if self._keyring is None:
            from etiket_gui.credentials.keyring_store import KeyringStore

            self._keyring = KeyringStore()
        return self._keyring

    # -- bugs --------------------------------------------------------------------------------------------------------

    def log_bug(self, error: BaseException) -> Path | None:
        """Append the traceback to the home's log; the path of the log, or None when there is no place for it."""
        import traceback

        from etiket_gui.credentials.redaction import redact

        try:
            self.home.prepare()
            path = self.home.logs / "command-line.log"
            if path.exists() and path.stat().st_size > _LARGEST_BUG_LOG_BYTES:
                path.replace(path.with_suffix(".log.1"))
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            text = f"{stamp} {type(error).__name__}\n{''.join(traceback.format_exception(error))}\n"
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(redact(text))
        except (OSError, EtiketError):
            return None
        return path


@contextmanager
def stop_on_interrupt() -> Iterator[StopToken]:
    """Inside, the first Ctrl-C asks the work to stop where it is safe, and the second interrupts it."""
    token = StopToken()
    is_main_thread = True

    def ask(number: int, frame: FrameType | None) -> None:
        if token.is_stopped:
            raise KeyboardInterrupt
        token.stop()

    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # not the main thread: nobody presses Ctrl-C there
        is_main_thread = False
    try:
        yield token
    finally:
        if is_main_thread:
            signal.signal(signal.SIGINT, before)
