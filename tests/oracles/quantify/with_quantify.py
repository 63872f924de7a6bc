"""Runs with the real quantify-core and shares no code with the program. Prints JSON in its last line.

python with_quantify.py make DATADIR              measurements of many kinds
python with_quantify.py list DATADIR              what quantify-core itself finds there
python with_quantify.py compare PAIRS.json        [[dataset.hdf5, measurement.h5], …] compared by xarray
python with_quantify.py live DATADIR SECONDS UPDATE   one measurement that rewrites its file all the time
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import xarray as xr
from qcodes import Instrument, ManualParameter
from quantify_core.data.experiment import QuantifyExperiment
from quantify_core.data.handling import get_tuids_containing, set_datadir, to_gridded_dataset
from quantify_core.measurement import MeasurementControl

warnings.filterwarnings("ignore")


class Signal:
    """A gettable with one or more values for each point."""

    batched = False

    def __init__(self, names, units, function, delay_s=0.0):
        self.name, self.label, self.unit = list(names), [f"Label of {name} µ" for name in names], list(units)
        self.function, self.delay_s = function, delay_s

    def get(self):
        time.sleep(self.delay_s)
        return np.atleast_1d(self.function())


class Batch:
    """A gettable that measures many points at once."""

    name, label, unit, batched, batch_size = ["trace"], ["Averaged trace"], ["V"], True, 20

    def __init__(self, parameter):
        self.parameter = parameter

    def get(self):
        return [np.exp(-np.asarray(self.parameter()))]


def control(folder):
    set_datadir(str(folder))
    Instrument.close_all()
    measurement = MeasurementControl("control")
    measurement.verbose(False)
    parameters = [
        ManualParameter(name, unit=unit, label=f"{name} label") for name, unit in (("a", "V"), ("b", "A"), ("c", "s"))
    ]
    return measurement, parameters


def make(folder):
    measurement, (a, b, c) = control(folder)
    made = 0

    def run(name, settables, points, gettable, *, grid=False):
        nonlocal made
        measurement.settables(settables)
        (measurement.setpoints_grid if grid else measurement.setpoints)(points)
        measurement.gettables(gettable)
        made += 1
        return measurement.run(name)

    run("a line", a, np.linspace(0, 1, 11), Signal(["y"], ["V"], lambda: np.sin(a())))
    run("two quantities (µ, 100%)", a, np.linspace(-1, 1, 7), Signal(["i", "q"], ["V", "W"], lambda: [a(), a() ** 2]))
    run(
        "a map",
        [a, b],
        [np.linspace(0, 1, 5), np.linspace(-2, 2, 4)],
        Signal(["z"], ["K"], lambda: a() * b()),
        grid=True,
    )
    run(
        "a cube",
        [a, b, c],
        [np.arange(4.0), np.arange(3.0), np.arange(2.0)],
        Signal(["z"], ["K"], lambda: a() + 10 * b() + 100 * c()),
        grid=True,
    )
    run("to and fro", a, np.concatenate([np.arange(5.0), np.arange(5.0)[::-1]]), Signal(["y"], ["V"], a))
    run("not a grid", [a, b], np.array([[0.0, 0.0], [1.0, 0.5], [2.0, 2.0]]), Signal(["y"], ["V"], lambda: a() - b()))
    run(
        "downwards",
        [a, b],
        [np.linspace(3, 0, 4), np.array([5.0, 1.0, 3.0])],
        Signal(["z"], ["K"], lambda: a() * 10 + b()),
        grid=True,
    )
    t = ManualParameter("t", unit="s", label="Delay")
    t.batched = True
    run("batched", t, np.linspace(0, 1, 50), Batch(t))
    found = run("", a, np.arange(3.0), Signal(["y"], ["V"], a))
    experiment = QuantifyExperiment(found.attrs["tuid"])
    experiment.save_metadata({"operator": "A. Person", "tags": ["cold"]})
    experiment.save_text("notes\n", "notes/readme.txt")

    class Lost:
        name, label, unit, batched, count = "lost", "Lost", "V", False, 0

        def get(self):
            Lost.count += 1
            if Lost.count > 4:
                raise RuntimeError("instrument lost")
            return float(Lost.count)

    with contextlib.suppress(RuntimeError):
        run("broken off", a, np.arange(9.0), Lost())
    return {"made": made}


def listing(folder):
    set_datadir(str(folder))
    rows = []
    for tuid in get_tuids_containing(""):
        experiment = next(path for path in Path(folder).glob(f"*/{tuid}*") if path.is_dir())
        rows.append(
            [tuid, sorted(str(path.relative_to(experiment)) for path in experiment.rglob("*") if path.is_file())]
        )
    return {"rows": sorted(rows)}


def original(path):
    with open(path, "rb") as file:
        is_classic = file.read(3) == b"CDF"
    return xr.load_dataset(path, engine="scipy" if is_classic else "h5netcdf")


def compare(pairs):
    """What differs between each dataset and its conversion; nothing where they are equal."""
    differences, gridded, complex_count, hole_count = [], 0, 0, 0
    for path, converted in pairs:
        flat = original(path)
        with xr.open_dataset(converted, engine="h5netcdf") as opened:
            ours = opened.load()
        axes = [name for name in sorted(flat.variables) if name[0] == "x" and name[1:].isdigit()]
        names = [name for name in flat.variables if name not in axes and name != "dim_0"]
        if set(names) != set(ours.variables) - set(axes):
            differences.append(f"{path}: {sorted(names)} became {sorted(ours.variables)}")
            continue
        dim = flat[axes[0]].dims[0] if axes else None
        is_grid = axes and all(axis in ours.dims for axis in axes)
        if is_grid:
            gridded += 1
            known = flat.set_coords(axes)
            # quantify-core 0.9.1 cannot grid a single axis with this xarray.
            theirs = known.swap_dims({dim: axes[0]}) if len(axes) == 1 else to_gridded_dataset(known)
            for name in names:
                wanted = theirs[name].transpose(*axes).sortby(axes)
                got = ours[name].transpose(*axes).sortby(axes)
                if not np.array_equal(wanted.values, got.values, equal_nan=True):
                    differences.append(f"{path}: {name} has other values")
                for axis in axes:
                    if not np.array_equal(wanted[axis].values, got[axis].values):
                        differences.append(f"{path}: {axis} has other values")
        for name in [*axes, *names]:
            if not is_grid and not np.array_equal(
                flat[name].values, ours[name].values, equal_nan=flat[name].dtype.kind in "fc"
            ):
                differences.append(f"{path}: {name} has other values")
            for key in ("name", "long_name", "units"):
                if str(flat[name].attrs.get(key, "")) != str(ours[name].attrs.get(key, "")):
                    differences.append(f"{path}: {name} lost its {key}")
            if flat[name].dtype.kind != ours[name].dtype.kind:
                differences.append(f"{path}: {name} was {flat[name].dtype} and is {ours[name].dtype}")
            complex_count += flat[name].dtype.kind == "c"
            if flat[name].dtype.kind in "fc":
                hole_count += int(np.isnan(flat[name].values).sum())
        if axes and not is_grid and len(axes) > 1:
            unique = [len(np.unique(flat[axis].values)) for axis in axes]
            if int(np.prod(unique)) == flat.sizes[dim]:
                differences.append(f"{path}: a full grid was not gridded")
        if str(flat.attrs.get("tuid", "")) != str(ours.attrs.get("tuid", "")):
            differences.append(f"{path}: the tuid became {ours.attrs.get('tuid')}")
    return {"differences": differences, "gridded": gridded, "complex": complex_count, "holes": hole_count}


def live(folder, seconds, update):
    measurement, (a, _, _) = control(folder)
    measurement.update_interval(update)
    count = int(seconds / 0.01)
    measurement.settables(a)
    measurement.setpoints(np.arange(float(count)))
    measurement.gettables(Signal(["y"], ["V"], lambda: a() * 2, delay_s=0.01))
    print("START", flush=True)
    dataset = measurement.run("running")
    return {"tuid": dataset.attrs["tuid"], "points": int(np.isfinite(dataset["y0"].values).sum()), "expected": count}


if __name__ == "__main__":
    what, rest = sys.argv[1], sys.argv[2:]
    if what == "make":
        result = make(Path(rest[0]))
    elif what == "list":
        result = listing(Path(rest[0]))
    elif what == "compare":
        result = compare(json.loads(Path(rest[0]).read_text()))
    else:
        result = live(Path(rest[0]), float(rest[1]), float(rest[2]))
    print()
    print(json.dumps(result), flush=True)
