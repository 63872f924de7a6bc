"""A database as core-tools makes and fills it, in both layouts, written by our own script from its description."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from psycopg.sql import SQL, Identifier

from tests.support.postgresql import PASSWORD, USER, Server

_OVERVIEW = """
CREATE TABLE global_measurement_overview (
    id serial, uuid bigint UNIQUE NOT NULL, exp_name text NOT NULL, set_up text NOT NULL, project text NOT NULL,
    sample text NOT NULL, creasted_by text NOT NULL, start_time timestamp, stop_time timestamp, exp_data_location text,
    snapshot bytea, metadata bytea, keywords jsonb, starred boolean DEFAULT false, completed boolean DEFAULT false,
    data_size integer, data_cleared boolean DEFAULT false, {more} data_synchronized boolean DEFAULT false,
    table_synchronized boolean DEFAULT false, sync_location text)
"""
_COLUMNS = """param_id bigint, nth_set integer, nth_dim integer, param_id_m_param bigint, setpoint boolean,
    setpoint_local boolean, name_gobal text, name text NOT NULL, label text NOT NULL, unit text NOT NULL,
    depencies jsonb, shape jsonb, write_cursor integer, total_size integer, oid integer"""
_PARAMETERS = f"""
CREATE TABLE measurement_parameters (
    id serial PRIMARY KEY, exp_uuid bigint NOT NULL, param_index integer NOT NULL, {_COLUMNS})
"""
STARTED_S = 1_767_348_245.25
MOST_VALUES = 1 << 20


class Array:
    """One array of a measurement: its values so far, and the shape it will have."""

    def __init__(
        self,
        name: str,
        values: Any,
        *,
        shape: Sequence[int] | None = None,
        label: str = "",
        unit: str = "",
        setpoint: bool = False,
        local: bool = False,
        axis: int = -1,
    ) -> None:
        self.name, self.label, self.unit = name, label or name, unit
        self.values = np.asarray(values, "<f8")
        self.shape = tuple(self.values.shape if shape is None else shape)
        self.setpoint, self.local, self.axis = setpoint, local, axis
        self.axes: list[Array] = []
        self.id = 0
        self.oid = 0


def sweep(name: str, values: Any, *, axis: int = 0, unit: str = "mV", **more: Any) -> Array:
    """A swept parameter."""
    return Array(name, values, setpoint=True, axis=axis, unit=unit, **more)


def local_axis(name: str, values: Any, *, axis: int = 0, unit: str = "s") -> Array:
    """A fixed axis of an instrument's trace."""
    return Array(name, values, local=True, axis=axis, unit=unit)


def measured(name: str, values: Any, *axes: Array, **more: Any) -> Array:
    """Measured values on their axes."""
    made = Array(name, values, unit=more.pop("unit", "pA"), **more)
    made.axes = list(axes)
    return made


class CoreToolsDatabase:
    """One database; every ``measure`` is what one measurement leaves."""

    def __init__(self, server: Server, name: str, *, is_old: bool = False) -> None:
        self.server, self.name, self.is_old = server, name, is_old
        self._numbers = itertools.count(1)
        with server.connect("postgres") as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        with self.connect() as connection:
            # data_update_count came with the common table of parameters.
            more = "" if is_old else "data_update_count integer DEFAULT 0,"
            connection.execute(_OVERVIEW.format(more=more).encode())
            if not is_old:
                connection.execute(_PARAMETERS.encode())

    def connect(self) -> psycopg.Connection[Any]:
        """A session that may write."""
        return self.server.connect(self.name)

    def options(self) -> dict[str, Any]:
        """The options of a source."""
        return {"host": "localhost", "port": self.server.port, "dbname": self.name, "user": USER}

    def measure(self, name: str, arrays: Sequence[Array], *, is_complete: bool = True, **columns: Any) -> int:
        """Write a measurement as it is when all arrays hold their values; returns its uuid."""
        number = next(self._numbers)
        uuid = columns.pop("uuid", 1_767_348_245_250_046_958 + number * 1_000_000)
        row: dict[str, Any] = {
            "uuid": uuid,
            "exp_name": name,
            "set_up": "F006",
            "project": "SpinProject",
            "sample": "SQ22",
            "creasted_by": USER,
            "snapshot": json.dumps({"station": None, "n": number}).encode(),
            "keywords": json.dumps([array.label for array in arrays]),
            "completed": is_complete,
            "data_size": sum(array.values.nbytes for array in arrays),
            "exp_data_location": f"_{uuid}_data" if self.is_old else "",
            "sync_location": None if self.is_old else "New measurement_parameters",
        } | columns
        started_s = row.pop("started_s", STARTED_S + number)
        with self.connect() as connection:
            names = list(row)
            connection.execute(
                SQL(
                    "INSERT INTO global_measurement_overview ({}, start_time, stop_time) VALUES ({}, TO_TIMESTAMP(%s), "
                    "TO_TIMESTAMP(%s))"
                ).format(SQL(", ").join(map(Identifier, names)), SQL(", ").join([SQL("%s")] * len(names))),
                [*row.values(), started_s, started_s + 1 if is_complete else None],
            )
            self._insert(connection, uuid, arrays)
        return uuid

    def _insert(self, connection: psycopg.Connection[Any], uuid: int, arrays: Sequence[Array]) -> None:
        main = next((array for array in arrays if array.axes), arrays[0] if arrays else None)
        table = Identifier("measurement_parameters")
        if self.is_old:
            table = Identifier(f"_{uuid}_data")
            connection.execute(SQL("CREATE TABLE {} (id serial, " + _COLUMNS + ")").format(table))  # type: ignore[arg-type]
        for index, array in enumerate(arrays):
            array.id = uuid * 4 + index
        for index, array in enumerate(arrays):
            array.oid = self._store(connection, array.values.tobytes())
            owner = next((other for other in arrays if array in other.axes), main)
            values: dict[str, Any] = {
                "param_id": array.id,
                "nth_set": 0,
                "nth_dim": array.axis,
                "param_id_m_param": owner.id if owner else array.id,
                "setpoint": array.setpoint,
                "setpoint_local": array.local,
                "name_gobal": array.name,
                "name": array.name,
                "label": array.label,
                "unit": array.unit,
                "depencies": json.dumps([axis.id for axis in array.axes]),
                "shape": json.dumps(list(array.shape)),
                "write_cursor": array.values.size,
                "total_size": int(np.prod(array.shape)),
                "oid": array.oid,
            }
            if not self.is_old:
                values |= {"exp_uuid": uuid, "param_index": index}
            connection.execute(
                SQL("INSERT INTO {} ({}) VALUES ({})").format(
                    table, SQL(", ").join(map(Identifier, values)), SQL(", ").join([SQL("%s")] * len(values))
                ),
                list(values.values()),
            )

    @staticmethod
    def _store(connection: psycopg.Connection[Any], data: bytes) -> int:
        row = connection.execute("SELECT lo_from_bytea(0, %s)", (data,)).fetchone()
        assert row is not None
        return int(row[0])

    def append(self, uuid: int, array: Array, values: Any) -> None:
        """More points of one array of a running measurement."""
        new = np.asarray(values, "<f8")
        with self.connect() as connection:
            connection.execute("SELECT lo_put(%s, %s, %s)", (array.oid, array.values.size * 8, new.tobytes()))
            array.values = np.concatenate([array.values.reshape(-1), new.reshape(-1)])
            table = Identifier(f"_{uuid}_data" if self.is_old else "measurement_parameters")
            connection.execute(
                SQL("UPDATE {} SET write_cursor = %s WHERE param_id = %s").format(table),
                (array.values.size, array.id),
            )

    def update(self, uuid: int, **columns: Any) -> None:
        """Change the row of a measurement, as the data browser does."""
        with self.connect() as connection:
            connection.execute(
                SQL("UPDATE global_measurement_overview SET {} WHERE uuid = %s").format(
                    SQL(", ").join(SQL("{} = %s").format(Identifier(name)) for name in columns)
                ),
                [*columns.values(), uuid],
            )

    def delete(self, uuid: int) -> None:
        """Remove a measurement's row."""
        with self.connect() as connection:
            connection.execute("DELETE FROM global_measurement_overview WHERE uuid = %s", (uuid,))

    def drop(self) -> None:
        """Remove the database."""
        with self.server.connect("postgres") as connection:
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(self.name)))


__all__ = ["PASSWORD", "Array", "CoreToolsDatabase", "local_axis", "measured", "sweep"]
