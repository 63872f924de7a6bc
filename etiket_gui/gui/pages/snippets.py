"""Python that gets at a dataset on this computer and runs as it is pasted: its files, or a restore of them."""

from __future__ import annotations

import ntpath
import os

from etiket_gui.bridge.queries_pages_dataset import DatasetFacts, FileFact
from etiket_gui.gui.pages.places import dataset_place

_NETCDF, _HDF5 = (".nc", ".nc4"), (".h5", ".hdf5")


def python_snippet(facts: DatasetFacts, files: tuple[FileFact, ...], view: str, program: tuple[str, ...]) -> str:
    """Code for this dataset.

    ``view`` is the folder where its archived files can be looked at, "" where there is none; ``program`` the words
    that start this program's commands. With neither files at hand nor a stored copy, the code names its own folder.
    """
    folder = view or _own_folder(facts)
    data = _data_file(files)
    if folder and data is not None:
        return _open_file(facts, os.path.join(folder, *data.name.split("/")))
    if folder:
        return _list_folder(facts, folder)
    return _restore(facts, program)


def _own_folder(facts: DatasetFacts) -> str:
    place = dataset_place(facts.backend, facts.root, facts.identifier)
    is_folder = bool(place) and not os.path.splitext(place)[1]
    return place if is_folder and not facts.is_gone and place != facts.root else ""


def _data_file(files: tuple[FileFact, ...]) -> FileFact | None:
    """The file with the measured values: the converted one first, else the largest that these libraries open."""
    fitting = [fact for fact in files if fact.kind == "file" and fact.name.lower().endswith(_NETCDF + _HDF5)]
    return max(fitting, key=lambda fact: (fact.name == "measurement.h5", fact.size_bytes), default=None)


def _head(facts: DatasetFacts) -> str:
    name = " ".join(facts.name.split())
    return f"# {name} ({facts.uuid})\n"


def _open_file(facts: DatasetFacts, path: str) -> str:
    is_netcdf = ntpath.basename(path) == "measurement.h5" or path.lower().endswith(_NETCDF)
    if is_netcdf:
        return (
            f"{_head(facts)}import xarray\n\n"
            f'dataset = xarray.open_dataset({path!r}, engine="h5netcdf")\nprint(dataset)\n'
        )
    return (
        f"{_head(facts)}import h5py\n\n"
        f'with h5py.File({path!r}, "r", locking=False) as file:\n    file.visititems(print)\n'
    )


def _list_folder(facts: DatasetFacts, folder: str) -> str:
    return (
        f"{_head(facts)}from pathlib import Path\n\n"
        f"folder = Path({folder!r})\n"
        'for path in sorted(folder.rglob("*")):\n    print(path.relative_to(folder))\n'
    )


def _restore(facts: DatasetFacts, program: tuple[str, ...]) -> str:
    words = ", ".join(repr(word) for word in (*program, "restore", facts.uuid, "--to"))
    return (
        f"{_head(facts)}import subprocess\nimport tempfile\nfrom pathlib import Path\n\n"
        "folder = tempfile.mkdtemp()\n"
        f"subprocess.run([{words}, folder], check=True)\n"
        'for path in sorted(Path(folder).rglob("*")):\n    print(path)\n'
    )
