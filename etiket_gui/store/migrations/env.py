"""How Alembic reaches the store: one connection to the file it is given, one transaction for all revisions."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import context
from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool


def run_migrations() -> None:
    """Bring the store at the path in the configuration's attributes to the asked revision."""
    path: Path = context.config.attributes["path"]
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(path, isolation_level=None), poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.connect() as connection:
        context.configure(connection=connection, transactional_ddl=True)
        with context.begin_transaction():
            context.run_migrations()


run_migrations()
