"""Runs in the environment of the real rmellipse: lists, downloads or releases as JSON on the command line asks."""

import contextlib
import io
import json
import sys
from pathlib import Path

from rmellipse.workflows.archive_interface import get_interface
from rmellipse.workflows.extras import map_directory


def listed(archive, request):
    """The versions that rmellipse finds of a title."""
    records = archive.get_release_records(
        title_versionless=request["title"], version_expressions=[">=0.0.0"], workspace=request["workspace"]
    )
    return sorted(record["version"] for record in records.values())


def downloaded(archive, request):
    """Bring one release into a folder."""
    records = archive.get_release_records(
        title_versionless=request["title"],
        version_expressions=[f"=={request['version']}"],
        workspace=request["workspace"],
    )
    (record,) = records.values()
    archive.download_release(record, request["workspace"], 4, Path(request["target"]), 2**20)
    return record["title"]


def released(archive, request):
    """Put a folder into the archive as rmellipse's own release does: map it, store the blobs, write the record."""
    title = f"{request['title']}-v{request['version']}"
    mapping = map_directory({}, Path(request["folder"]))
    archive.upload_blobs_and_update_mapping(
        release_title=title,
        release_title_versionless=request["title"],
        workspace=request["workspace"],
        project_mapping=mapping,
        project_directory=Path(request["folder"]),
        max_threads=4,
        chunk_size=2**20,
    )
    record = {
        "title": title,
        "title_versionless": request["title"],
        "version": request["version"],
        "workflow_config_path": "demo.rme.yml",
        "workflow": {"jobs": {}, "edges": [], "data_pointers": {}, "release": {}},
        "requirements": [],
        "project": mapping,
        "datasets": {},
    }
    if request.get("without_empty"):
        for item in mapping.values():
            if isinstance(item, dict) and item.get("/bytes/") == 0:
                item["/bpid/"] = None
    archive.upload_release_record(record, request["workspace"])
    return title


def wrote_hdf5(_, request):
    """Make an HDF5 file with a group and an attribute."""
    import h5py

    with h5py.File(request["path"], "w") as file:
        file.attrs["unit"] = "V"
        file.create_dataset("group/values", data=[1.0, 2.0])
    return True


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    action = {"list": listed, "download": downloaded, "release": released, "hdf5": wrote_hdf5}[asked["action"]]
    with contextlib.redirect_stdout(io.StringIO()):
        answer = action(get_interface(asked["archive"]), asked)
    print(json.dumps(answer))
