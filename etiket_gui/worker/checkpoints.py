"""Durable memory of half-sent large files: one small file per dataset and destination in the work folder."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etiket_gui.osys.atomic import write_atomically

log = logging.getLogger(__name__)


class FileCheckpoint:
    """A :class:`~etiket_gui.destinations.api.Checkpoint` in ``folder``, for one destination."""

    def __init__(self, folder: Path, destination_uuid: str) -> None:
        self._folder = folder
        self._destination_uuid = destination_uuid

    def _path(self, uuid: str) -> Path:
        name = hashlib.sha256(f"{self._destination_uuid}\x1f{uuid}".encode()).hexdigest()[:32]
        return self._folder / name[:2] / f"{name}.json"

    def _states(self, uuid: str) -> dict[str, Any]:
        path = self._path(uuid)
        try:
            states = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            log.info("The checkpoint of dataset %s cannot be read; its transfer starts from the beginning.", uuid)
            return {}
        return states if isinstance(states, dict) else {}

    def save(self, uuid: str, name: str, state: Mapping[str, Any]) -> None:
        """Remember the state of the file ``name`` of a dataset; on disk when this returns."""
        states = self._states(uuid)
        states[name] = dict(state)
        path = self._path(uuid)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(states, separators=(",", ":")).encode())

    def load(self, uuid: str, name: str) -> Mapping[str, Any] | None:
        """What was saved, or None."""
        state = self._states(uuid).get(name)
        return state if isinstance(state, dict) else None

    def clear(self, uuid: str) -> None:
        """Forget a dataset's states."""
        self._path(uuid).unlink(missing_ok=True)
