"""Prints what a Quantify source should yield, as JSON; a stand-alone script that shares no code with the program.

    python expected_quantify.py DATADIR

One object for each measurement: identifier (TUID), name, collected (local time), files with size and SHA-256.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import sys
from typing import Any


def expected_measurements(root: str) -> list[dict[str, Any]]:
    """Every folder two levels below the root whose name begins with a TUID and that holds a file."""
    found = []
    for path in sorted(glob.glob(os.path.join(glob.escape(root), "*", "*"))):
        name = os.path.basename(path)
        match = re.match(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)-(\d{3})-([0-9a-f]{6})(.*)$", name)
        if match is None or not os.path.isdir(path):
            continue
        year, month, day, hour, minute, second, milli, _, rest = match.groups()
        files = []
        for place, _, names in os.walk(path):
            for each in names:
                full = os.path.join(place, each)
                with open(full, "rb") as file:
                    data = file.read()
                relative = os.path.relpath(full, path).replace(os.sep, "/")
                files.append([relative, len(data), hashlib.sha256(data).hexdigest()])
        if files:
            found.append(
                {
                    "identifier": name[:26],
                    "name": rest.lstrip("-_ ").strip() or name[:26],
                    "collected": f"{year}-{month}-{day}T{hour}:{minute}:{second}.{milli}",
                    "files": sorted(files),
                    "has_data": any(each[0] == "dataset.hdf5" for each in files),
                }
            )
    return sorted(found, key=lambda row: row["identifier"])


if __name__ == "__main__":
    print(json.dumps(expected_measurements(os.path.abspath(sys.argv[1])), indent=1))
