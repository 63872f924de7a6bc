"""Sessions with PostgreSQL that can only read, end soon, and whose failures have names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from etiket_gui.backends.core_tools.config import CoreToolsConfig
from etiket_gui.domain.errors import (
    EtiketError,
    PermissionRefused,
    SignInNeeded,
    SourceGone,
    SourceOffline,
    SourceUnreadable,
)
from etiket_gui.domain.states import RetryClass

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[dict[str, Any]]

APPLICATION_NAME = "etiket-gui (reads only)"
CONNECT_TIMEOUT_S = 5
#: Longest statement, longest wait for a lock that a writer holds, and longest idle transaction, in milliseconds.
STATEMENT_TIMEOUT_MS = 20_000
LOCK_TIMEOUT_MS = 2_000
IDLE_TIMEOUT_MS = 10_000
_SESSION = (
    "SET default_transaction_read_only = on;"
    f" SET statement_timeout = {STATEMENT_TIMEOUT_MS}; SET lock_timeout = {LOCK_TIMEOUT_MS};"
    f" SET idle_in_transaction_session_timeout = {IDLE_TIMEOUT_MS};"
    " SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 1;"
)
_ADMIN_ADVICE = (
    "Sign in as the database user that core-tools itself uses, or ask the administrator of the database for "
    "SELECT on its tables and on its large objects."
)


@contextmanager
def connected(
    config: CoreToolsConfig, password: str | None, *, connect_timeout_s: int = CONNECT_TIMEOUT_S
) -> Iterator[Connection]:
    """A session without a transaction of its own, closed at the end; every row is a dict.

    Raises SourceOffline, SignInNeeded, PermissionRefused, SourceUnreadable and SourceGone.
    """
    import psycopg
    from psycopg.rows import dict_row

    with known_failures(config):
        connection = psycopg.connect(
            host=config.host,
            port=config.port,
            dbname=config.dbname,
            user=config.user,
            password=password or None,
            connect_timeout=connect_timeout_s,
            application_name=APPLICATION_NAME,
            client_encoding="utf8",
            autocommit=True,
            prepare_threshold=None,
            row_factory=dict_row,
        )
        try:
            connection.execute(_SESSION)
            yield connection
        finally:
            connection.close()


@contextmanager
def known_failures(config: CoreToolsConfig) -> Iterator[None]:
    """Give every failure of the database its name."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise failure_of(error, config) from error


def failure_of(error: psycopg.Error, config: CoreToolsConfig) -> EtiketError:
    """The known failure for what PostgreSQL or its library reports."""
    where, state = config.address(), error.sqlstate
    said = " ".join(str(error).split()) or type(error).__name__
    for pattern, make in _BY_STATE:
        if state is not None and re.match(pattern, state):
            return make(where, said)
    if state is not None and not state.startswith("08"):
        return SourceUnreadable(f"{where} cannot be read: {said}", path=where, retry_class=RetryClass.SOON)
    return _failure_without_state(error, where, said)


def _failure_without_state(error: psycopg.Error, where: str, said: str) -> EtiketError:
    """A session that never began, or broke: the library tells only in words what the server answered."""
    pgconn = error.pgconn
    if pgconn is not None and pgconn.needs_password:
        return _sign_in_missing(where)
    answered = re.search(r"FATAL|authentication failed", said)
    if answered and re.search(r"database .* does not exist", said):
        return SourceUnreadable(
            f"{where}: PostgreSQL is there, but has no such database.",
            advice="Check the name of the database in the options of this source.",
            path=where,
        )
    if (answered and pgconn is not None and pgconn.used_password) or re.search(
        r"authentication failed|no pg_hba\.conf entry|role .* does not exist", said
    ):
        return _refused_sign_in(where, said)
    return _offline(where, said)


def _sign_in_missing(where: str) -> EtiketError:
    return SignInNeeded(f"{where} asks for a password, and none is kept for it.", advice="Enter it once.", path=where)


def _refused_sign_in(where: str, said: str) -> EtiketError:
    return SignInNeeded(
        f"{where} refuses the sign-in: {said}", advice="Enter the password of this database user again.", path=where
    )


def _offline(where: str, said: str) -> EtiketError:
    return SourceOffline(
        f"{where} does not answer: {said}",
        advice="Start PostgreSQL or reconnect the network; the program goes on by itself.",
        path=where,
    )


def _no_permission(where: str, said: str) -> EtiketError:
    return PermissionRefused(f"{where} lets this user not read everything: {said}", advice=_ADMIN_ADVICE, path=where)


def _too_slow(where: str, said: str) -> EtiketError:
    return SourceUnreadable(
        f"{where} is busy: {said}",
        advice="Nothing to do: it is tried again later.",
        path=where,
        retry_class=RetryClass.SOON,
    )


def _no_object(where: str, said: str) -> EtiketError:
    return SourceGone(f"{where} does not hold the data of this measurement any more: {said}", path=where)


def _other_layout(where: str, said: str) -> EtiketError:
    return SourceUnreadable(
        f"{where} is no database of core-tools, or of a version this program does not know: {said}", path=where
    )


_BY_STATE: tuple[tuple[str, Callable[[str, str], EtiketError]], ...] = (
    ("28", _refused_sign_in),
    ("42501", _no_permission),
    ("42704", _no_object),
    ("42P01|42703", _other_layout),
    ("57014|55P03|25P03", _too_slow),
    ("57P|53", _offline),
)
