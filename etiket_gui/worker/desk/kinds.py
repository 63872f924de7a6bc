"""Which function does which kind of job; each is imported when it is first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from etiket_gui.worker.desk.job import Handler

_PACKAGE = "etiket_gui.worker.desk"
_HANDLERS: Mapping[str, str] = {
    "plugins": "plugins:describe_plugins",
    "validate": "plugins:validate",
    "recognise": "recognising:recognise_paths",
    "survey": "surveying:survey",
    "ignore_preview": "ignore_preview:preview_ignored",
    "find_sources": "finding:find_sources",
    "test_destination": "destinations:test_destination",
    "create_destination": "destinations:create_destination",
    "known_sources": "destinations:known_sources",
    "restore": "copies:restore",
    "verify": "copies:verify",
    "dataset_view": "dataset_view:dataset_view",
    "diagnostics_preview": "diagnostics:preview",
    "diagnostics_save": "diagnostics:save",
    "keyring_state": "keyring:state",
    "keyring_store": "keyring:store",
    "keyring_forget": "keyring:forget",
}


def handler_of(kind: str) -> Handler | None:
    """The function that does jobs of that kind, None for an unknown kind."""
    target = _HANDLERS.get(kind)
    if target is None:
        return None
    module, _, name = target.partition(":")
    return cast("Handler", getattr(importlib.import_module(f"{_PACKAGE}.{module}"), name))
