"""What the engine tells of itself to whoever asks over the control channel, as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etiket_gui.engine.coordinator import Coordinator

_MOST_NAMED = 20


def status_of(coordinator: Coordinator) -> dict[str, Any]:
    """What is going on. ``scans``: source id and for how many seconds everything of it has been looked through."""
    now_s = coordinator.desk.clock.monotonic_s()
    sending = [
        {"name": claim.name, "destination": task.context.route.destination.row.name}
        for task in coordinator.desk.pool.running_transfers()
        for claim in task.context.claims
    ]
    sources = coordinator.sources.values()
    begun = [(source.row.id, source.scan_begun_s) for source in sources]
    return {
        "is_measuring": coordinator.is_measuring,
        "is_paused": coordinator.is_paused,
        "is_held": coordinator.is_held,
        "is_idle": coordinator.was_idle,
        "sending": sending[:_MOST_NAMED],
        "looking": [source.row.name for source in sources if source.is_looking],
        "scans": [[source_id, now_s - begun_s] for source_id, begun_s in begun if begun_s is not None],
    }
