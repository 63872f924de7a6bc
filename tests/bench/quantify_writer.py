"""One measurement with the real quantify-core whose file is rewritten at a given pace; prints how long each took.

python quantify_writer.py DATADIR SECONDS UPDATE_INTERVAL. Shares no code with the program.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from qcodes import ManualParameter
from quantify_core.data.handling import set_datadir
from quantify_core.measurement import MeasurementControl

warnings.filterwarnings("ignore")
POINT_S = 0.01


class Signal:
    """A gettable that takes its time."""

    name, label, unit, batched = ["y"], ["Signal"], ["V"], False

    def __init__(self, parameter):
        self.parameter = parameter

    def get(self):
        time.sleep(POINT_S)
        return np.atleast_1d(self.parameter() * 2.0)


def main():
    folder, seconds, update_s = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    set_datadir(str(folder))
    writings_s = []
    real = MeasurementControl._safe_write_dataset

    def timed(measurement):
        begun_s = time.perf_counter()
        real(measurement)
        writings_s.append(time.perf_counter() - begun_s)

    MeasurementControl._safe_write_dataset = timed
    measurement = MeasurementControl("control")
    measurement.verbose(False)
    measurement.update_interval(update_s)
    swept = ManualParameter("a", unit="V", label="a")
    count = int(seconds / POINT_S)
    measurement.settables(swept)
    measurement.setpoints(np.arange(float(count)))
    measurement.gettables(Signal(swept))
    begun_s = time.perf_counter()
    dataset = measurement.run("running")
    took_s = time.perf_counter() - begun_s
    writings_s.sort()
    told = {
        "points": int(np.isfinite(dataset["y0"].values).sum()),
        "expected": count,
        "writings": len(writings_s),
        "median writing (ms)": round(1e3 * writings_s[len(writings_s) // 2], 2),
        "p99 writing (ms)": round(1e3 * writings_s[int(len(writings_s) * 0.99)], 2),
        "longest writing (ms)": round(1e3 * writings_s[-1], 2),
        "whole run (s)": round(took_s, 2),
    }
    print()
    print(json.dumps(told), flush=True)


main()
