"""The commands login and logout: secrets go to the operating system's password store and nowhere else."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from etiket_gui.cli.exit_codes import ExitCode, exit_code_of
from etiket_gui.cli.output import quoted
from etiket_gui.cli.session import CommandLine, Session
from etiket_gui.domain.errors import EtiketError, SignInNeeded, UsageError
from etiket_gui.store.rows import DestinationRow, SourceRow

_LONGEST_SECRET = 100_000
_WHICH = "the name of a destination, or of a source that needs a password"
_NO_STORE = "Unlock or install a password store (on Linux gnome-keyring or KWallet), then sign in again."


def _configure_login(parser: ArgumentParser) -> None:
    parser.add_argument(
        "destination", metavar="DESTINATION", help="the name of a destination, or of a source that needs a password"
    )
    parser.add_argument(
        "--password-stdin", action="store_true", help="read the password or token from standard input, for scripts"
    )


def _login(session: Session, arguments: Namespace) -> int:
    from etiket_gui.credentials.keyring_store import KeyringStore

    source = _source(session, arguments.destination)
    if source is not None:
        return _login_of_source(session, source, is_from_stdin=arguments.password_stdin)
    row = _destination(session, arguments.destination)
    destination = session.destination_of(row)
    if not destination.capabilities.needs_sign_in:
        _tell(session, row, "signed_in", f"{row.name} needs no sign-in; nothing is to be done.")
        return ExitCode.OK
    secret = _secret(row.name, is_from_stdin=arguments.password_stdin)
    store = KeyringStore()
    try:
        if not store.set(row.uuid, secret):
            report = store.report()
            raise SignInNeeded(
                f"The sign-in cannot be kept. {report.sentence}",
                advice=_NO_STORE,
            )
        probe = session.destination_of(row, store).probe()
    finally:
        store.close()
    refusal = next((problem for problem in probe.problems if isinstance(problem, SignInNeeded)), None)
    if refusal is not None:
        raise refusal
    _tell_engine(session, row)
    for problem in probe.problems:
        session.output.error(problem)
    _tell(session, row, "signed_in", f"Signed in at {row.name}.")
    return ExitCode.OK if probe.is_usable else exit_code_of(probe.problems[0])


def _login_of_source(session: Session, row: SourceRow, *, is_from_stdin: bool) -> int:
    from etiket_gui.backends.registry import load_backend
    from etiket_gui.credentials.keyring_store import KeyringStore

    title = load_backend(row.backend).sign_in_title
    if not title:
        _tell(session, row, "signed_in", f"{row.name} needs no sign-in; nothing is to be done.")
        return ExitCode.OK
    secret = _secret(row.name, is_from_stdin=is_from_stdin)
    store = KeyringStore()
    try:
        if not store.set(row.uuid, secret):
            raise SignInNeeded(f"The sign-in cannot be kept. {store.report().sentence}", advice=_NO_STORE)
    finally:
        store.close()
    _tell(
        session,
        row,
        "signed_in",
        f"{title} of {row.name} is kept. "
        + ("The running program tries it now." if _tell_engine(session, row) else "It is tried with the next run."),
    )
    return ExitCode.OK


def _tell_engine(session: Session, row: DestinationRow | SourceRow) -> bool:
    """Have a running engine use the sign-in as it is now; whether one runs and answered."""
    from etiket_gui.domain.commands import SignInChanged

    try:
        return session.ask_engine(SignInChanged(row.uuid)) is not None
    except EtiketError as error:
        # What was kept is kept; the engine finds it at its next try.
        session.output.error(error)
        return False


def _secret(name: str, *, is_from_stdin: bool) -> str:
    if is_from_stdin:
        secret = sys.stdin.read(_LONGEST_SECRET).removesuffix("\n").removesuffix("\r")
    elif sys.stdin.isatty():
        from getpass import getpass

        secret = getpass(f"Password or token for {name}: ")
    else:
        raise UsageError("There is no terminal to ask for the password.", advice="Pipe it in with --password-stdin.")
    if not secret:
        raise UsageError("The password is empty.")
    return secret


def _configure_logout(parser: ArgumentParser) -> None:
    parser.add_argument(
        "destination", metavar="DESTINATION", help="the name of a destination, or of a source that needs a password"
    )


def _logout(session: Session, arguments: Namespace) -> int:
    from etiket_gui.credentials.keyring_store import KeyringStore

    row = _source(session, arguments.destination) or _destination(session, arguments.destination)
    store = KeyringStore()
    try:
        is_gone = store.delete(row.uuid)
    finally:
        store.close()
    if not is_gone:
        raise UsageError(
            f"The sign-in at {row.name} could not be removed from the password store of this computer.",
            advice="Unlock the password store and try again.",
        )
    _tell_engine(session, row)
    _tell(
        session, row, "signed_out", f"Signed out of {row.name}. To sign in again: etiket-sync login {quoted(row.name)}"
    )
    return ExitCode.OK


def _source(session: Session, name: str) -> SourceRow | None:
    """The source of that name, unless a destination has it too."""
    if not session.has_store or any(row.name == name for row in session.reader().destinations()):
        return None
    return next((row for row in session.reader().sources() if row.name == name), None)


def _destination(session: Session, name: str) -> DestinationRow:
    if not session.has_store:
        raise UsageError("No destination is configured yet.", advice="Add one: etiket-sync add-destination --help")
    return session.destination_named(name)


def _tell(session: Session, row: DestinationRow | SourceRow, state: str, sentence: str) -> None:
    if session.output.is_json:
        session.output.json({"destination": row.name, "state": state, "sentence": sentence})
    else:
        session.output.line(sentence)


COMMANDS = {
    "login": CommandLine(_configure_login, _login),
    "logout": CommandLine(_configure_logout, _logout),
}
