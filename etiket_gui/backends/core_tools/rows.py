"""The tables of core-tools as they are found in a database, and their rows as frozen values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etiket_gui.backends.core_tools.config import CoreToolsConfig
from etiket_gui.domain.errors import SourceUnreadable

if TYPE_CHECKING:
    from etiket_gui.backends.core_tools.connection import Connection

OVERVIEW = "global_measurement_overview"
PARAMETERS = "measurement_parameters"
#: What core-tools writes into ``sync_location`` of a run whose parameters are in the common table.
NEW_LAYOUT = "New measurement_parameters"
_NEEDED = frozenset({"id", "uuid", "exp_name", "project", "start_time", "completed"})
#: What of a run's row is part of its state; how far core-tools has copied it elsewhere is not.
_STATE = (
    "exp_name", "set_up", "project", "sample", "scope", "creasted_by", "start_time", "stop_time", "keywords", "starred",
    "completed", "data_size", "data_update_count",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """One row of the overview without its large columns.

    ``row_state`` is a hash of everything in the row that a person or the measurement can change; times are seconds
    since 1970 UTC.
    """

    id: int
    uuid: int
    name: str
    set_up: str
    is_completed: bool
    is_cleared: bool
    started_s: float | None
    stopped_s: float | None
    data_size: int
    row_state: int
    parameter_table: str | None

    @property
    def identifier(self) -> str:
        """The identity of the run in every database it is copied to."""
        return str(self.uuid)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One array of a run: what was measured, swept (``is_setpoint``), or a fixed axis of an instrument's trace.

    ``axes`` are the ids of the parameters it depends on; ``valid_count`` of the ``shape``'s values are written.
    ``told_count`` is how many its cursor says there are, where its object was found to hold fewer.
    """

    index: int
    id: int
    measured_by: int
    number: int
    axis: int
    is_setpoint: bool
    is_local: bool
    full_name: str
    name: str
    label: str
    unit: str
    axes: tuple[int, ...]
    shape: tuple[int, ...]
    valid_count: int
    oid: int | None
    told_count: int | None = None

    @property
    def is_measured(self) -> bool:
        """Whether it holds measured values."""
        return not self.is_setpoint and not self.is_local


class Tables:
    """What this database has of the tables and columns that core-tools used over the years."""

    def __init__(self, connection: Connection, config: CoreToolsConfig) -> None:
        self._connection = connection
        self.columns = self._columns_of(OVERVIEW)
        self.has_parameter_table = bool(self._columns_of(PARAMETERS))
        if not self.columns >= _NEEDED:
            missing = f"no table {OVERVIEW}" if not self.columns else "another layout of it than is known"
            raise SourceUnreadable(
                f"{config.address()} is no database of core-tools: it has {missing}.", path=config.address()
            )

    def _columns_of(self, table: str) -> frozenset[str]:
        rows = self._connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            (table,),
        )
        return frozenset(row["attname"] for row in rows)

    def _or_null(self, column: str, kind: str) -> str:
        return column if column in self.columns else f"NULL::{kind}"

    def _row_state(self) -> str:
        state = [name for name in _STATE if name in self.columns]
        if "snapshot" in self.columns:
            state.append("octet_length(snapshot)")
        if "metadata" in self.columns:
            state.append("md5(metadata)")
        return f"('x' || left(md5(ROW({', '.join(state)})::text), 16))::bit(64)::bigint"

    def _select_run(self) -> str:
        zone = "AT TIME ZONE current_setting('TimeZone')"
        stop = f"extract(epoch FROM stop_time {zone})::float8" if "stop_time" in self.columns else "NULL::float8"
        wanted = (
            "id",
            "uuid",
            "exp_name",
            f"{self._or_null('set_up', 'text')} AS set_up",
            "coalesce(completed, false) AS completed",
            f"coalesce({self._or_null('data_cleared', 'boolean')}, false) AS cleared",
            f"extract(epoch FROM start_time {zone})::float8 AS started_s",
            f"{stop} AS stopped_s",
            f"coalesce({self._or_null('data_size', 'integer')}, 0) AS data_size",
            f"{self._or_null('sync_location', 'text')} AS sync_location",
            f"{self._or_null('exp_data_location', 'text')} AS location",
            f"{self._row_state()} AS row_state",
        )
        return " ".join(("SELECT", ", ".join(wanted), "FROM", OVERVIEW))

    def states_after(self, row_id: int, limit: int) -> list[tuple[int, int, bool, bool, int]]:
        """(row id, uuid, is completed, is cleared, row state) of up to ``limit`` runs, in order after ``row_id``.

        That is all there is to know of a run that did not change.
        """
        from psycopg.rows import tuple_row

        cleared = f"coalesce({self._or_null('data_cleared', 'boolean')}, false)"
        columns = f"id, uuid, coalesce(completed, false), {cleared}, {self._row_state()}"
        query = f"SELECT {columns} FROM {OVERVIEW} WHERE id > %s ORDER BY id LIMIT %s"  # noqa: S608
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(query, (row_id, limit)).fetchall()

    def runs(self, uuids: Iterable[int]) -> list[Run]:
        """The runs with these uuids that are there."""
        query = f"{self._select_run()} WHERE uuid = ANY(%s) ORDER BY id"
        return [self._run(row) for row in self._connection.execute(query, (list(uuids),))]

    def _run(self, row: Mapping[str, Any]) -> Run:
        location = row["location"] or ""
        is_new = not location or row["sync_location"] == NEW_LAYOUT
        return Run(
            id=row["id"],
            uuid=row["uuid"],
            name=row["exp_name"] or "",
            set_up=row["set_up"] or "",
            is_completed=row["completed"],
            is_cleared=row["cleared"],
            started_s=row["started_s"],
            stopped_s=row["stopped_s"],
            data_size=row["data_size"],
            row_state=row["row_state"],
            parameter_table=None if is_new and self.has_parameter_table else location,
        )

    def point_counts(self, runs: Sequence[Run]) -> dict[int, tuple[int, int]]:
        """Of each run the number of written values of all its arrays, and of all there will be; by uuid."""
        found = {run.uuid: (0, 0) for run in runs}
        common = [run.uuid for run in runs if run.parameter_table is None]
        sums = "coalesce(sum(write_cursor), 0)::bigint AS written, coalesce(sum(total_size), 0)::bigint AS total"
        if common:
            query = f"SELECT exp_uuid, {sums} FROM {PARAMETERS} WHERE exp_uuid = ANY(%s) GROUP BY exp_uuid"  # noqa: S608
            for row in self._connection.execute(query, (common,)):
                found[row["exp_uuid"]] = row["written"], row["total"]
        for run in runs:
            if run.parameter_table and self._columns_of_quoted(run.parameter_table):
                own = self._connection.execute(self._from_own_table(f"SELECT {sums} FROM", run)).fetchone()
                if own is not None:
                    found[run.uuid] = own["written"], own["total"]
        return found

    def parameters(self, run: Run) -> tuple[Parameter, ...]:
        """The arrays of a run in the order they were registered; empty when there are none."""
        if run.parameter_table is None:
            query = f"SELECT * FROM {PARAMETERS} WHERE exp_uuid = %s ORDER BY param_index, id"  # noqa: S608
            rows = self._connection.execute(query, (run.uuid,)).fetchall()
        elif self._columns_of_quoted(run.parameter_table):
            rows = self._connection.execute(self._from_own_table("SELECT * FROM", run)).fetchall()
            rows.sort(key=lambda row: row["id"])
        else:
            rows = []
        return tuple(_parameter(number, row) for number, row in enumerate(rows))

    def _columns_of_quoted(self, table: str) -> frozenset[str]:
        from psycopg.sql import Identifier

        return self._columns_of(Identifier(table).as_string(self._connection))

    @staticmethod
    def _from_own_table(select: str, run: Run) -> Any:
        from psycopg.sql import SQL, Identifier

        return SQL(select) + SQL(" ") + Identifier(run.parameter_table or "")

    def whole_row(self, run: Run) -> dict[str, Any]:
        """Every column of a run's row."""
        found = self._connection.execute(f"SELECT * FROM {OVERVIEW} WHERE uuid = %s", (run.uuid,)).fetchone()  # noqa: S608
        return found or {}

    def newest_ids(self) -> dict[str, int]:
        """The newest row of each set-up."""
        set_up = self._or_null("set_up", "text")
        query = f"SELECT coalesce({set_up}, '') AS set_up, max(id) AS id FROM {OVERVIEW} GROUP BY 1"  # noqa: S608
        return {row["set_up"]: row["id"] for row in self._connection.execute(query)}

    def has_other_sessions(self) -> bool:
        """Whether anybody else is connected to the database, as a measuring program is."""
        row = self._connection.execute(
            "SELECT count(*) AS number FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND coalesce(application_name, '') NOT LIKE 'etiket-gui%'"
        ).fetchone()
        return row is None or row["number"] > 0

    def place(self) -> str:
        """What identifies the database in its server, whatever it is called."""
        row = self._connection.execute("SELECT oid::bigint AS oid FROM pg_database WHERE datname = current_database()")
        found = row.fetchone()
        return f"postgresql:{found['oid'] if found else 0}"


def _parameter(number: int, row: Mapping[str, Any]) -> Parameter:
    shape = tuple(int(size) for size in row["shape"] or ())
    return Parameter(
        index=row.get("param_index", number),
        id=row["param_id"],
        measured_by=row["param_id_m_param"],
        number=row["nth_set"] or 0,
        axis=row["nth_dim"] or 0,
        is_setpoint=bool(row["setpoint"]),
        is_local=bool(row["setpoint_local"]),
        full_name=row["name_gobal"] or row["name"],
        name=row["name"],
        label=row["label"] or "",
        unit=row["unit"] or "",
        axes=tuple(int(axis) for axis in row["depencies"] or ()),
        shape=shape,
        valid_count=row["write_cursor"] or 0,
        oid=row["oid"],
    )
