"""Runs in an environment with real QCoDeS: measures at a rate, and prints what each point took.

    python writer.py DATABASE --rate 50 --seconds 12 --journal WAL [--before 100]

Prints "RUN guid" when the first point is stored, and at the end "RESULT {json}": rows, wall times and durations of
the writes (seconds), and the journal mode and schema version before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings

os.environ["QCODES_TELEMETRY"] = "0"
warnings.simplefilter("ignore")

import qcodes  # noqa: E402
from qcodes.dataset import Measurement, initialise_or_create_database_at, load_or_create_experiment  # noqa: E402
from qcodes.dataset.sqlite.database import connect  # noqa: E402

qcodes.config.logger.start_logging_on_import = "never"


def _measurement(experiment: object, name: str, period_s: float) -> Measurement:
    measurement = Measurement(exp=experiment, name=name)
    measurement.register_custom_parameter("x", unit="mV")
    measurement.register_custom_parameter("y", setpoints=("x",), unit="V")
    measurement.write_period = period_s
    return measurement


def _state(database: str) -> list[object]:
    connection = connect(database)
    try:
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "journal_mode")]
    finally:
        connection.close()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("database")
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--journal", default="WAL")
    parser.add_argument("--before", type=int, default=0)
    asked = parser.parse_args()
    initialise_or_create_database_at(asked.database, journal_mode=asked.journal)
    experiment = load_or_create_experiment("harm", "none")
    for number in range(asked.before):
        with _measurement(experiment, f"before {number}", 1.0).run(write_in_background=False) as saver:
            for place in range(200):
                saver.add_result(("x", place), ("y", place * 0.5))
    before = _state(asked.database)
    times, took = [], []
    with _measurement(experiment, "watched", max(0.001, 0.5 / asked.rate)).run(write_in_background=False) as saver:
        begun = time.monotonic()
        number = 0
        while time.monotonic() - begun < asked.seconds:
            started = time.monotonic()
            saver.add_result(("x", number), ("y", number * 0.1))
            saver.flush_data_to_database()
            took.append(time.monotonic() - started)
            times.append(time.time())
            if number == 0:
                print("RUN", saver.dataset.guid, flush=True)
            number += 1
            time.sleep(max(0.0, begun + number / asked.rate - time.monotonic()))
        connection = saver.dataset.conn
    experiment.conn.close()
    connection.close()
    print("RESULT " + json.dumps({"rows": number, "times": times, "took": took, "before": before}), flush=True)


if __name__ == "__main__":
    main()
