"""What the engine tells of itself to whoever asks over the control channel, as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etiket_gui.engine.coordinator import Coordinator

_MOST_NAMED = 20


def _rates(coordinator: Coordinator) -> list[dict[str, Any]]:
    """How fast each destination receives, over all its transfers; those that receive nothing are left out."""
    sums: dict[int, tuple[float, float]] = {}
    for (_, destination_id), rates in coordinator.transfers.rates.rates().items():
        before = sums.get(destination_id, (0.0, 0.0))
        sums[destination_id] = before[0] + rates[0], before[1] + rates[1]
    return [
        {"destination": coordinator.destinations[key].row.name, "bytes_per_s": rates[0], "files_per_s": rates[1]}
        for key, rates in sums.items()
        if key in coordinator.destinations and any(rates)
    ]


def status_of(coordinator: Coordinator) -> dict[str, Any]:
    """What is going on. ``scans``: source id and for how many seconds everything of it has been looked through.

    ``rates``: how fast each destination that receives something does.
    """
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
        "rates": _rates(coordinator),
        "looking": [source.row.name for source in sources if source.is_looking],
        "scans": [[source_id, now_s - begun_s] for source_id, begun_s in begun if begun_s is not None],
    }
