"""The local database and files of an eTiKeT client, written by our own script from the description of its tables."""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

SCOPE = uuid.UUID("0a0b0c0d-1111-4222-8333-444455556666")
_TABLES = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
CREATE TABLE scopes (id INTEGER PRIMARY KEY, uuid CHAR(32), name TEXT, description TEXT, archived BOOLEAN, schema_id INTEGER);
CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT);
CREATE TABLE user_settings (id INTEGER PRIMARY KEY, token TEXT, api_token TEXT);
CREATE TABLE datasets (
    id INTEGER PRIMARY KEY, uuid CHAR(32) NOT NULL, alt_uid TEXT, collected DATETIME, created DATETIME, modified DATETIME,
    name TEXT, scope_id INTEGER, creator TEXT, description TEXT, notes TEXT, keywords JSON, search_helper TEXT,
    ranking INTEGER, synchronized BOOLEAN, last_modified_by TEXT);
CREATE TABLE dataset_attr (id INTEGER PRIMARY KEY, key TEXT, value TEXT, scope_id INTEGER);
CREATE TABLE ds_attr_link (dataset_id INTEGER, dataset_attr_id INTEGER);
CREATE TABLE files (
    id INTEGER PRIMARY KEY, name TEXT, filename TEXT, file_generator TEXT, uuid CHAR(32), version_id INTEGER, creator TEXT,
    type TEXT, scope_id INTEGER, dataset_id INTEGER, collected DATETIME, created DATETIME, modified DATETIME, etag TEXT,
    size INTEGER, status TEXT, ranking INTEGER, local_path TEXT, S3_link TEXT, S3_validity DATETIME,
    last_accessed DATETIME, ntimes_accessed INTEGER, synchronized BOOLEAN);
INSERT INTO alembic_version VALUES ('abc123');
INSERT INTO user_settings VALUES (1, 'the token of the user', 'the api token');
"""  # noqa: E501


class ClientFolder:
    """The shared folder of a client. Every method is one change that the client makes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "sql").mkdir(parents=True)
        (root / "data").mkdir()
        self.database = root / "sql" / "etiket_db.sql"
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_TABLES)
            connection.execute("INSERT INTO scopes VALUES (1, ?, 'Fridge 2', '', 0, NULL)", (SCOPE.hex,))
            connection.commit()

    def execute(self, sql: str, *values: Any) -> int:
        """One statement of the client; nobody is connected afterwards."""
        with closing(sqlite3.connect(self.database)) as connection:
            number = connection.execute(sql, values).lastrowid
            connection.commit()
        return number or 0

    def dataset(self, name: str, **columns: Any) -> uuid.UUID:
        """A dataset without files."""
        made = columns.pop("uuid", uuid.uuid5(SCOPE, name))
        attributes = columns.pop("attributes", {})
        row: dict[str, Any] = {
            "uuid": made.hex,
            "collected": "2026-01-02 10:04:05.123456",
            "created": "2026-01-02 10:04:06.000000",
            "name": name,
            "scope_id": 1,
            "creator": "anna",
            "description": "",
            "notes": "",
            "keywords": json.dumps([]),
            "ranking": 0,
            "synchronized": 0,
        } | columns
        names = ", ".join(row)
        dataset_id = self.execute(f"INSERT INTO datasets ({names}) VALUES ({', '.join('?' * len(row))})", *row.values())
        for key, value in attributes.items():
            attribute_id = self.execute("INSERT INTO dataset_attr (key, value, scope_id) VALUES (?, ?, 1)", key, value)
            self.execute("INSERT INTO ds_attr_link VALUES (?, ?)", dataset_id, attribute_id)
        return made

    def file(self, dataset: uuid.UUID, filename: str, content: bytes | None = b"data", **columns: Any) -> Path:
        """A file of a dataset; without content it is only known, not here."""
        made = columns.pop("uuid", uuid.uuid5(dataset, filename))
        version = columns.pop("version_id", 1767348246000)
        path = self.root / "data" / str(SCOPE) / str(dataset) / str(made) / str(version) / filename
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, ns=(10**18, 10**18))
        row: dict[str, Any] = {
            "name": Path(filename).stem,
            "filename": filename,
            "uuid": made.hex,
            "version_id": version,
            "type": "UNKNOWN",
            "size": 0,
            "status": "complete",
            "local_path": str(path),
            "synchronized": 0,
        } | columns
        names = ", ".join(row)
        self.execute(
            f"INSERT INTO files ({names}, dataset_id) VALUES ({', '.join('?' * len(row))}, "
            "(SELECT id FROM datasets WHERE uuid = ?))",
            *row.values(),
            dataset.hex,
        )
        return path
