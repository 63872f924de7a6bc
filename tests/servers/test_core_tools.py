"""What is read of a core-tools database, with a real PostgreSQL: values, states, and nothing disturbed."""

from __future__ import annotations

import io
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psycopg
import pytest
import xarray

from etiket_gui.backends.api import BackendContext, DiscoveryRequest
from etiket_gui.backends.core_tools import arrays as arrays_module
from etiket_gui.backends.core_tools.backend import CoreToolsBackend, PointsMissing
from etiket_gui.backends.core_tools.config import CoreToolsConfig
from etiket_gui.backends.core_tools.connection import connected
from etiket_gui.credentials import keyring_backends
from etiket_gui.domain.content import Content, DiscoverySummary, Found
from etiket_gui.domain.errors import PermissionRefused, SignInNeeded, SourceGone, SourceOffline, SourceUnreadable
from etiket_gui.domain.states import RetryClass, RunState
from etiket_gui.domain.stopping import StopToken
from etiket_gui.testing.known_datasets import SOURCE_UUID, KnownInMemory
from tests.support.command_line import CommandLineRunner
from tests.support.core_tools_database import Array, CoreToolsDatabase, local_axis, measured, sweep
from tests.support.keyring_in_memory import MemoryKeyring
from tests.support.manifest import sha256_of
from tests.support.patience import patient_s
from tests.support.postgresql import PASSWORD, Server, running_server

pytestmark = pytest.mark.servers
_names = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for all tests here, which asks for a password."""
    with running_server() as server:
        yield server


class Source:
    """A database as a source, and what a store would know of it."""

    def __init__(self, database: CoreToolsDatabase, work_folder: Path) -> None:
        self.database = database
        self.work_folder = work_folder
        self.known = KnownInMemory()
        self.secret = PASSWORD
        self.backend = self.fresh()

    def fresh(self, **options: Any) -> CoreToolsBackend:
        """The backend as after a restart."""
        config = CoreToolsConfig(**{**self.database.options(), **options})
        return CoreToolsBackend(config, BackendContext(SOURCE_UUID, self.work_folder, lambda: self.secret))

    def scan(self, **request: Any) -> tuple[DiscoverySummary, dict[str, Found]]:
        """Look, and know afterwards what was found, by the names of the runs."""
        found: list[Found] = []
        summary = self.backend.discover(DiscoveryRequest(**request), self.known, found.append, StopToken())
        self.known.known.update({item.identifier: item.fingerprint for item in found})
        return summary, {item.name: item for item in found}

    def read(self, uuid: int) -> tuple[Content, Path]:
        """A run's content and the folder with its files."""
        content = self.backend.read(str(uuid), StopToken())
        return content, Path(content.files[0].path).parent


@pytest.fixture(params=["new", "old"])
def source(server: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Source]:
    """A source of each layout."""
    database = CoreToolsDatabase(server, f"lab_{next(_names)}", is_old=request.param == "old")
    yield Source(database, tmp_path)
    database.drop()


def stability_diagram(columns: int = 4, rows: int = 3) -> list[Array]:
    """A measured map over two swept voltages, each written as the full grid, as core-tools does."""
    first, second = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(5, 6, rows), indexing="ij")
    axes = [sweep("P1", first, axis=0), sweep("P2", second, axis=1)]
    return [measured("current", np.sin(first * 3) * second, *axes), *axes]


def test_map_is_gridded_with_units_and_labels(source: Source) -> None:
    arrays = stability_diagram()
    content, folder = source.read(source.database.measure("stability", arrays))
    with xarray.open_dataset(folder / "measurement.h5", engine="h5netcdf") as data:
        assert dict(data.sizes) == {"P1": 4, "P2": 3}
        np.testing.assert_array_equal(data["current"].values, arrays[0].values)
        np.testing.assert_array_equal(data["P1"].values, np.linspace(-1, 1, 4))
        np.testing.assert_array_equal(data["P2"].values, np.linspace(5, 6, 3))
        assert data["current"].attrs["units"] == "pA"
        assert data["P2"].attrs["long_name"] == "P2"
        assert data.attrs["project"] == "SpinProject"
    assert [file.entry.name for file in content.files] == ["measurement.h5", "metadata.json", "snapshot.json"]
    assert content.description.details["scope"] == "SpinProject"
    assert content.description.keywords == ("current", "P1", "P2")
    assert content.description.collected == "2026-01-02T10:04:06.250000+00:00"
    assert json.loads((folder / "snapshot.json").read_text()) == {"station": None, "n": 1}


def test_traces_keep_their_fixed_axis_and_share_it(source: Source) -> None:
    voltage = sweep("P1", np.linspace(0, 1, 3))
    axes = [local_axis("time", np.arange(5) * 1e-6), local_axis("time", np.arange(5) * 1e-6)]
    values = np.arange(15.0).reshape(3, 5)
    uuid = source.database.measure(
        "traces", [measured("I", values, voltage, axes[0]), measured("Q", -values, voltage, axes[1]), *axes, voltage]
    )
    _, folder = source.read(uuid)
    with xarray.open_dataset(folder / "measurement.h5", engine="h5netcdf") as data:
        assert dict(data.sizes) == {"P1": 3, "time": 5}
        assert data["I"].dims == data["Q"].dims == ("P1", "time")
        np.testing.assert_array_equal(data["Q"].values, -values)
        np.testing.assert_array_equal(data["time"].values, np.arange(5) * 1e-6)


def test_unfinished_map_is_padded_and_says_how_much_is_valid(source: Source) -> None:
    arrays = stability_diagram()
    for array in arrays:
        array.values = array.values.reshape(-1)[:7]
    uuid = source.database.measure("killed", arrays, is_complete=False)
    _, folder = source.read(uuid)
    with xarray.open_dataset(folder / "measurement.h5", engine="h5netcdf") as data:
        flat = data["current"].values.reshape(-1)
        np.testing.assert_array_equal(flat[:7], arrays[0].values)
        assert np.isnan(flat[7:]).all()
        assert data["current"].attrs["valid_count"] == 7
        np.testing.assert_array_equal(data["P1"].values, [-1, -1 + 2 / 3, -1 + 4 / 3, np.nan])
        np.testing.assert_array_equal(data["P2"].values, [5, 5.5, 6])


def test_array_that_is_shorter_than_its_cursor_is_padded_and_told(source: Source) -> None:
    arrays = stability_diagram()
    uuid = source.database.measure("short", arrays)
    with source.database.connect() as connection, connection.transaction():
        connection.execute("SELECT lo_truncate(lo_open(%s, 131072), %s)", (arrays[0].oid, 7 * 8 + 3))
    content, folder = source.read(uuid)
    assert ["current holds 7 of its 12 values" in problem.reason for problem in content.problems] == [True]
    with xarray.open_dataset(folder / "measurement.h5", engine="h5netcdf") as data:
        flat = data["current"].values.reshape(-1)
        np.testing.assert_array_equal(flat, [*arrays[0].values.reshape(-1)[:7], *[np.nan] * 5])
        assert [data["current"].attrs[name] for name in ("valid_count", "write_cursor")] == [7, 12]
    assert '"write_cursor": 12' in (folder / "metadata.json").read_text()


def test_run_of_just_now_that_lacks_points_waits_for_them(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = stability_diagram()
    uuid = source.database.measure("being copied", arrays)
    with source.database.connect() as connection, connection.transaction():
        connection.execute("UPDATE global_measurement_overview SET stop_time = now() WHERE uuid = %s", (uuid,))
        connection.execute("SELECT lo_truncate(lo_open(%s, 131072), 0)", (arrays[0].oid,))
    with pytest.raises(PointsMissing, match="0 of its 12") as told:
        source.read(uuid)
    assert told.value.retry_class is RetryClass.SOON
    monkeypatch.setattr("etiket_gui.backends.core_tools.backend.COPYING_LIMIT_S", 0.0)
    assert source.read(uuid)[0].problems
    with source.database.connect() as connection:
        connection.execute("SELECT lo_put(%s, 0, %s)", (arrays[0].oid, arrays[0].values.tobytes()))
    assert source.read(uuid)[0].problems == ()


def test_sweep_that_is_no_grid_keeps_every_setpoint(source: Source) -> None:
    shifted = np.array([[0.0, 1.0], [0.5, 1.5]])
    steps = np.array([[1.0, 1.0], [2.0, 2.0]])
    axes = [sweep("B", steps, axis=0), sweep("V", shifted, axis=1)]
    uuid = source.database.measure("skewed", [measured("G", shifted * 10, *axes), *axes])
    _, folder = source.read(uuid)
    with xarray.open_dataset(folder / "measurement.h5", engine="h5netcdf") as data:
        assert data["G"].dims == ("B", "V_point")
        np.testing.assert_array_equal(data["V"].values, shifted)
        np.testing.assert_array_equal(data["B"].values, [1, 2])
        assert "V" in data["G"].coords


def test_equal_names_with_other_values_stay_apart(source: Source) -> None:
    first, second = sweep("V", [0.0, 1.0]), sweep("V", [2.0, 3.0])
    uuid = source.database.measure(
        "twice", [measured("I", [1.0, 2.0], first), first, measured("I", [3.0, 4.0], second), second]
    )
    _, folder = source.read(uuid)
    with h5py.File(folder / "measurement.h5", locking=False) as file:
        assert {name: list(file[name][...]) for name in ("V", "I", "V_2", "I_2")} == {
            "V": [0, 1], "I": [1, 2], "V_2": [2, 3], "I_2": [3, 4],
        }  # fmt: skip


def test_single_value_without_setpoints(source: Source) -> None:
    uuid = source.database.measure("point", [measured("T", [0.012], shape=[1], unit="K")])
    _, folder = source.read(uuid)
    with h5py.File(folder / "measurement.h5", locking=False) as file:
        assert file["T"][...].tolist() == [0.012]


def test_arrays_are_read_in_slices(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays_module, "SLICE_BYTES", 64)
    arrays = stability_diagram(11, 9)
    _, folder = source.read(source.database.measure("long", arrays))
    with h5py.File(folder / "measurement.h5", locking=False) as file:
        np.testing.assert_array_equal(file["current"][...], arrays[0].values)
        np.testing.assert_array_equal(file["P2"][...], np.linspace(5, 6, 9))


def test_same_run_gives_the_same_bytes(source: Source, tmp_path: Path) -> None:
    uuid = source.database.measure("stability", stability_diagram(50, 40))
    digests = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        source.work_folder = tmp_path / name
        content = source.fresh().read(str(uuid), StopToken())
        digests.append([sha256_of(file.path) for file in content.files])
    assert digests[0] == digests[1]


def test_snapshot_with_numbers_that_json_has_not_is_readable_everywhere(source: Source) -> None:
    uuid = source.database.measure("odd", [], snapshot=b'{"gain": NaN, "limit": [Infinity, 1]}', metadata=b"no json")
    content, folder = source.read(uuid)
    assert [file.entry.name for file in content.files] == ["metadata.json", "snapshot.json"]
    assert json.loads((folder / "snapshot.json").read_text()) == {"gain": "nan", "limit": ["inf", 1]}
    assert json.loads((folder / "metadata.json").read_text())["metadata"] == {"text": "no json"}


def test_edited_name_star_and_keywords_are_found_again(source: Source) -> None:
    uuid = source.database.measure("first", stability_diagram())
    source.database.measure("second", stability_diagram())
    assert set(source.scan()[1]) == {"first", "second"}
    for change in ({"exp_name": "renamed"}, {"starred": True}, {"keywords": '["good"]'}, {"metadata": b'{"a": 1}'}):
        source.database.update(uuid, **change)
        assert set(source.scan()[1]) == {"renamed"}
    content, _ = source.read(uuid)
    assert content.description.attributes["starred"] is True
    assert content.description.keywords == ("good",)


def test_copying_to_a_server_by_core_tools_itself_is_no_change(source: Source) -> None:
    uuid = source.database.measure("first", stability_diagram())
    source.scan()
    source.database.update(uuid, data_synchronized=True, table_synchronized=True)
    assert source.scan()[1] == {}


def test_run_whose_data_was_removed_is_never_sent_as_an_empty_one(source: Source) -> None:
    kept = source.database.measure("archived before", stability_diagram())
    source.scan()
    source.database.update(kept, data_cleared=True)
    source.database.measure("cleared before", stability_diagram(), data_cleared=True)
    summary, found = source.scan()
    assert found == {}
    assert summary.missing == ()
    assert summary.skipped == {"data removed from the database": 1}
    with pytest.raises(SourceGone, match="was removed"):
        source.read(kept)


def test_between_two_passes_through_a_long_table_only_its_end_is_looked_at(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etiket_gui.backends.core_tools.scanning._LONG_PASS_S", 0.0)
    monkeypatch.setattr("etiket_gui.backends.core_tools.scanning._PASS_TIMES", 1e6)
    edited = source.database.measure("old", stability_diagram())
    voltage = sweep("P1", [0.0], shape=[5])
    running = source.database.measure("running", [voltage], is_complete=False, started_s=time.time())
    assert set(source.scan()[1]) == {"old", "running"}
    source.database.measure("new", stability_diagram())
    source.database.append(running, voltage, [1.0])
    source.database.update(edited, starred=True)
    summary, found = source.scan()
    assert set(found) == {"new", "running"}
    assert (summary.seen_count, summary.is_complete_scan, summary.missing) == (3, True, ())
    source.database.update(running, completed=True)
    assert set(source.scan()[1]) == {"running"}
    # A new process, as for every `run --once`, begins with a whole pass.
    source.backend = source.fresh()
    assert set(source.scan()[1]) == {"old"}


# ---------------------------------------------------------------------------------------------------- running


def test_running_measurement_is_live_grows_and_completes(source: Source) -> None:
    voltage = sweep("P1", [0.0, 0.5], shape=[5])
    current = measured("current", [1.0, 2.0], voltage, shape=[5])
    uuid = source.database.measure("running", [current, voltage], is_complete=False, started_s=time.time() - 5)
    _, first = source.scan()
    assert first["running"].run_state is RunState.LIVE
    slice_1 = source.backend.live(str(uuid), {}, StopToken())
    assert slice_1 is not None
    assert {column.name: list(column.values) for column in slice_1.columns} == {"P1": [0, 0.5], "current": [1, 2]}
    assert (slice_1.first_point, slice_1.point_count, slice_1.expected_count, slice_1.shape) == (0, 2, 5, (5,))
    source.database.append(uuid, voltage, [1.0])
    source.database.append(uuid, current, [3.0])
    _, second = source.scan()
    assert second["running"].fingerprint != first["running"].fingerprint
    slice_2 = source.backend.live(str(uuid), slice_1.cursor, StopToken())
    assert slice_2 is not None
    assert [list(column.values) for column in slice_2.columns] == [[1.0], [3.0]]
    assert slice_2.first_point == 2
    source.database.update(uuid, completed=True)
    _, third = source.scan()
    assert third["running"].run_state is RunState.COMPLETE
    assert third["running"].has_completion_mark


def test_live_traces_repeat_their_axes(source: Source) -> None:
    voltage = sweep("P1", [0.0, 1.0], shape=[3])
    times = local_axis("time", [10.0, 20.0])
    trace = measured("I", np.arange(4.0), voltage, times, shape=[3, 2])
    uuid = source.database.measure("traces", [trace, times, voltage], is_complete=False)
    points = source.backend.live(str(uuid), {"points": 1, "shape": [3, 2]}, StopToken())
    assert points is not None
    assert {column.name: list(column.values) for column in points.columns} == {
        "P1": [0, 1, 1], "time": [20, 10, 20], "I": [1, 2, 3],
    }  # fmt: skip
    assert points.columns[-1].axes == ("P1", "time")


def test_killed_run_with_a_newer_one_after_it_is_interrupted_at_the_first_look(source: Source) -> None:
    source.database.measure("killed", stability_diagram(), is_complete=False)
    source.database.measure("next", stability_diagram())
    found = source.scan()[1]
    assert found["killed"].run_state is RunState.INTERRUPTED


def test_killed_run_that_is_the_last_one_is_interrupted_when_nobody_is_connected(source: Source) -> None:
    source.database.measure("killed", stability_diagram(), is_complete=False)
    with source.database.connect():
        assert source.scan()[1]["killed"].run_state is RunState.LIVE
    source.backend = source.fresh()
    source.known.known.clear()
    assert source.scan()[1]["killed"].run_state is RunState.INTERRUPTED


def test_quiet_run_becomes_interrupted_and_is_reopened_by_a_new_point(source: Source) -> None:
    voltage = sweep("P1", [0.0], shape=[5])
    uuid = source.database.measure("paused", [voltage], is_complete=False, started_s=time.time() - 3)
    source.backend = source.fresh(interrupted_after=1.0)
    with source.database.connect():
        summary, found = source.scan()
        assert found["paused"].run_state is RunState.LIVE
        # An earlier process saw the same point two seconds ago.
        written, since_s = summary.cursor["open"][str(uuid)]
        source.backend = source.fresh(interrupted_after=1.0)
        cursor = {"open": {str(uuid): [written, since_s - 2]}}
        source.known.known.clear()
        assert source.scan(cursor=cursor)[1]["paused"].run_state is RunState.INTERRUPTED
        source.database.append(uuid, voltage, [1.0])
        assert source.scan()[1]["paused"].run_state is RunState.LIVE


# ---------------------------------------------------------------------------------------------------- no harm


def test_session_cannot_write(source: Source) -> None:
    uuid = source.database.measure("first", stability_diagram())
    with (
        connected(source.backend.config, PASSWORD) as connection,  # type: ignore[arg-type]
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        connection.execute("UPDATE global_measurement_overview SET exp_name = 'changed' WHERE uuid = %s", (uuid,))


def test_session_ends_by_itself_whatever_happens_to_us_and_says_who_it_is(source: Source) -> None:
    with connected(source.backend.config, PASSWORD) as connection:  # type: ignore[arg-type]
        told = {
            name: connection.execute(f"SHOW {name}").fetchone()[name]  # type: ignore[index]
            for name in (
                "default_transaction_read_only", "statement_timeout", "lock_timeout",
                "idle_in_transaction_session_timeout", "application_name",
            )
        }  # fmt: skip
        assert connection.autocommit
    assert told == {
        "default_transaction_read_only": "on",
        "statement_timeout": "20s",
        "lock_timeout": "2s",
        "idle_in_transaction_session_timeout": "10s",
        "application_name": "etiket-gui (reads only)",
    }


def test_nothing_is_held_while_a_run_is_read(source: Source) -> None:
    """No transaction, and no lock, is open between two slices; so the measurement can always go on."""
    uuid = source.database.measure("long", stability_diagram(200, 100))
    seen: set[str] = set()

    class Watching(StopToken):
        def check(self) -> None:
            rows = watcher.execute(
                "SELECT state, xact_start IS NULL FROM pg_stat_activity WHERE application_name LIKE 'etiket-gui%'"
            )
            seen.update(f"{state} {is_free}" for state, is_free in rows)

    with source.database.connect() as watcher:
        source.backend.read(str(uuid), Watching())
        assert seen == {"idle True"}
        left, end_s = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'etiket-gui%'", time.monotonic()
        # A session that was closed is listed for another moment.
        while watcher.execute(left).fetchall():
            assert time.monotonic() - end_s < patient_s(2)


def test_wrong_or_missing_password_asks_for_a_sign_in_without_telling_it(source: Source) -> None:
    source.database.measure("first", stability_diagram())
    for secret in ("not the password", ""):
        source.secret = secret
        with pytest.raises(SignInNeeded) as refused:
            source.scan()
        assert PASSWORD not in str(refused.value.to_json())
        assert "not the password" not in str(refused.value.to_json())


def test_missing_database_and_other_databases_are_told_apart_from_an_unreachable_one(
    source: Source, tmp_path: Path
) -> None:
    for options, kind, words in (
        ({"dbname": "nothing"}, SourceUnreadable, "no such database"),
        ({"dbname": "postgres"}, SourceUnreadable, "no database of core-tools"),
        ({"user": "nobody"}, SignInNeeded, "refuses the sign-in"),
        ({"port": 1}, SourceOffline, "does not answer"),
    ):
        backend = source.fresh(**options)  # type: ignore[arg-type]
        with pytest.raises(kind, match=words):
            backend.discover(DiscoveryRequest(), KnownInMemory(), lambda _: None, StopToken())


def test_user_who_may_not_read_large_objects_is_told_what_the_administrator_can_do(source: Source) -> None:
    uuid = source.database.measure("first", stability_diagram())
    with source.database.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'reads' IN ROLE pg_read_all_data")
    source.secret = "reads"
    with pytest.raises(PermissionRefused) as refused:
        source.fresh(user="reader").read(str(uuid), StopToken())
    assert "large objects" in refused.value.advice


def test_settings_file_is_recognised_without_its_password(source: Source, tmp_path: Path) -> None:
    path = tmp_path / "ct_config.yaml"
    path.write_text(
        f"setup: F006\nproject: P\nsample: S\nlocal_database:\n  user: lab\n  password: '{PASSWORD}'\n"
        f"  database: {source.database.name}\n  address: localhost:{source.database.server.port}\n"
    )
    recognition = CoreToolsBackend.recognise(path, StopToken())
    assert recognition is not None
    assert recognition.options == source.database.options()
    assert recognition.dataset_count is None
    assert "asks for a password" in recognition.warnings[0]
    assert PASSWORD not in repr(recognition)
    assert CoreToolsConfig(**recognition.options) == source.backend.config


def test_server_that_stops_is_offline(tmp_path: Path) -> None:
    with running_server() as server:
        database = CoreToolsDatabase(server, "lab")
        source = Source(database, tmp_path)
        uuid = database.measure("first", stability_diagram())
        source.scan()
    with pytest.raises(SourceOffline):
        source.scan()
    with pytest.raises(SourceOffline):
        source.backend.fingerprint(str(uuid))


def test_password_goes_from_the_password_store_to_the_worker_and_nowhere_else(
    server: Server,
    tmp_path: Path,
    home_folder: Path,
    memory_keyring: MemoryKeyring,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The password store of the test, in memory, is as good as an encrypted one here.
    place = (type(memory_keyring).__module__, type(memory_keyring).__qualname__)
    monkeypatch.setattr(keyring_backends, "ACCEPTED", frozenset({place}))
    database = CoreToolsDatabase(server, f"lab_{next(_names)}")
    database.measure("first", stability_diagram())
    command = CommandLineRunner(capsys)
    command.ok("add-destination", "archive", "nas", f"path={tmp_path / 'archive'}")
    options = [f"{name}={value}" for name, value in database.options().items()]
    assert command("add-source", "core_tools", "lab", *options, f"password={PASSWORD}", "--to", "nas").code == 2
    command.ok("add-source", "core_tools", "lab", *options, "--to", "nas")
    refused = command("run", "--once")
    assert refused.code != 0
    assert "password" in refused.out + refused.err
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    assert "is kept" in command.ok("login", "lab", "--password-stdin").out
    command.ok("run", "--once")
    (dataset,) = command.ok("--json", "datasets").json
    assert (dataset["name"], dataset["state"]) == ("first", "archived")
    for path in (*home_folder.rglob("*"), *(tmp_path / "archive").rglob("*")):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
    assert command.ok("logout", "lab").code == 0
    assert command("run", "--once").code != 0
    database.drop()
