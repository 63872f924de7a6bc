"""A real dump of core-tools in a real PostgreSQL, archived and compared with what psql lists of it."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray

from tests.support.command_line import CommandLineRunner
from tests.support.postgresql import USER, Server, programs, running_server

pytestmark = pytest.mark.servers


class Listing:
    """What psql says, a program that shares nothing with the reader."""

    def __init__(self, server: Server) -> None:
        self._command = [
            str(programs() / "psql"), "-h", "localhost", "-p", str(server.port), "-U", USER, "-d", "ctdata", "-X", "-q",
            "-v", "ON_ERROR_STOP=1",
        ]  # fmt: skip

    def load(self, dump: Path) -> None:
        """Run a dump."""
        done = subprocess.run([*self._command, "-f", str(dump)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def rows(self, query: str) -> list[list[str]]:
        """The rows of a query as text."""
        done = subprocess.run([*self._command, "-At", "-F", "\t", "-c", query], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of its own with a database for the dump."""
    with running_server() as server:
        server.trust()
        with server.connect("postgres") as connection:
            connection.execute("CREATE DATABASE ctdata")
        yield server


def test_every_measurement_of_the_dump_is_archived_as_psql_lists_it(
    samples: Path, tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = Listing(server)
    # Newer versions of pg_dump write lines that an older psql does not know.
    text = (samples / "core_tools" / "ctdata.sql").read_text(encoding="utf-8").splitlines(keepends=True)
    dump = tmp_path / "dump.sql"
    dump.write_text("".join(line for line in text if not line.startswith(("\\restrict", "\\unrestrict"))), "utf-8")
    listing.load(dump)
    expected = {
        uuid: (name, started, state)
        for uuid, name, started, state in listing.rows(
            "SELECT uuid, exp_name, to_char(start_time AT TIME ZONE 'Europe/Amsterdam' AT TIME ZONE 'UTC',"
            ' \'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\'),'
            " CASE WHEN completed THEN 'complete' ELSE 'interrupted' END FROM global_measurement_overview"
        )
    }
    assert len(expected) == 7
    before = listing.rows("SELECT md5(string_agg(g::text, '|' ORDER BY id)) FROM global_measurement_overview g")
    command = CommandLineRunner(capsys)
    command.ok("add-destination", "archive", "nas", f"path={tmp_path / 'archive'}")
    command.ok(
        "add-source", "core_tools", "lab", f"port={server.port}", "dbname=ctdata", f"user={USER}", "--to", "nas"
    )  # fmt: skip
    command.ok("run", "--once")
    datasets = command.ok("--json", "datasets", "--files").json
    assert {item["identifier"]: (item["name"], item["collected"], item["run_state"]) for item in datasets} == expected
    assert {item["state"] for item in datasets} == {"archived"}
    for item in datasets:
        assert [file["name"] for file in item["files"]] == ["measurement.h5", "metadata.json", "snapshot.json"]
        folder = tmp_path / "restored" / item["identifier"]
        command.ok("restore", item["uuid"], "--to", folder)
        _compare(listing, item["identifier"], next(folder.rglob("measurement.h5")))
    projects = {project for (project,) in listing.rows("SELECT DISTINCT project FROM global_measurement_overview")}
    assert projects == {"SpinProject", "OtherProject"} <= set(os.listdir(tmp_path / "archive"))
    command.ok("verify")
    assert listing.rows("SELECT md5(string_agg(g::text, '|' ORDER BY id)) FROM global_measurement_overview g") == before


def _compare(listing: Listing, uuid: str, path: Path) -> None:
    rows = listing.rows(
        "SELECT name, unit, setpoint OR setpoint_local, shape, write_cursor, encode(lo_get(oid), 'hex')"
        f" FROM measurement_parameters WHERE exp_uuid = {uuid} ORDER BY param_index"
    )
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        measured = [row for row in rows if row[2] == "f"]
        assert set(data.data_vars) == {row[0] for row in measured}
        for name, unit, _, shape_text, valid, content in measured:
            shape = [int(size) for size in shape_text.strip("[]").split(",")]
            wanted = np.full(math.prod(shape), np.nan)
            raw = np.frombuffer(bytes.fromhex(content), "<f8")[: int(valid)]
            wanted[: raw.size] = raw
            np.testing.assert_array_equal(data[name].values, wanted.reshape(shape))
            assert data[name].attrs["units"] == unit
        for name, unit, is_axis, _, valid, content in rows:
            if is_axis == "t":
                raw = np.frombuffer(bytes.fromhex(content), "<f8")[: int(valid)]
                # Written once for each point, every value of the sweep is on the axis, and nothing else is.
                assert set(raw) == {value for value in data[name].values.reshape(-1) if not np.isnan(value)}
                assert data[name].attrs["units"] == unit
