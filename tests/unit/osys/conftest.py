"""Loads the watcher once: it starts a thread of its own when it is imported, which no single test is to blame for."""

from __future__ import annotations

import watchdog.observers  # noqa: F401
