"""The job "dataset_view": where a person can look at a dataset, and its preview picture where there is one."""

from __future__ import annotations

import base64
import contextlib
import os
from typing import Any

from etiket_gui.credentials.keyring_store import KeyringStore
from etiket_gui.domain.errors import EtiketError, UsageError
from etiket_gui.worker.desk.configured import built_destination, store_reader
from etiket_gui.worker.desk.job import DeskJob

PREVIEW = "preview.png"
_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_BYTES = 4_000_000


def dataset_view(job: DeskJob) -> dict[str, Any]:
    """Where the dataset of the id ``dataset`` can be looked at.

    Returns ``views``: ``destination_id``, ``destination`` and ``address`` (an absolute folder or an address of the
    web), or ``reason`` where it cannot be told just now; and ``preview``: a PNG as base64 text, "" for none.
    """
    asked = job.parameters.get("dataset")
    if not isinstance(asked, int):
        raise UsageError("Which dataset is to be looked at is not said.")
    with store_reader(job.home) as reader:
        if reader is None:
            return {"views": [], "preview": ""}
        destinations = {row.id: row for row in reader.destinations()}
        transfers = [item for item in reader.transfers(asked) if item.remote and item.version]
    views: list[dict[str, Any]] = []
    preview = b""
    keyring = KeyringStore()
    try:
        for transfer in transfers:
            row = destinations.get(transfer.destination_id)
            if row is None:
                continue
            job.stop.check()
            view: dict[str, Any] = {"destination_id": row.id, "destination": row.name, "address": ""}
            try:
                destination = built_destination(job.home, row.kind, row.uuid, row.config, keyring)
                view["address"] = destination.view_address(transfer.remote or "", transfer.scope)
            except EtiketError as error:
                view["reason"] = error.reason
            views.append(view)
            if not preview and os.path.isabs(view["address"]):
                preview = _picture(view["address"])
    finally:
        keyring.close()
    return {"views": views, "preview": base64.b64encode(preview).decode("ascii")}


def _picture(folder: str) -> bytes:
    """The preview in a folder; nothing where there is none that can be shown."""
    with contextlib.suppress(OSError), open(os.path.join(folder, PREVIEW), "rb") as file:
        content = file.read(_MOST_BYTES + 1)
        if content.startswith(_PNG) and len(content) <= _MOST_BYTES:
            return content
    return b""
