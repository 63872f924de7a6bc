"""Counts, sizes and durations in plain words, for sentences that are written where no window and no terminal is."""

from __future__ import annotations

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def size_text(size_bytes: float) -> str:
    """Bytes for people: ``0 B``, ``812 kB``, ``1.3 GB`` (powers of ten)."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 999.5:
            return _with_unit(value, unit)
        value /= 1000
    return _with_unit(value, "TB")


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"


def duration_text(seconds: float) -> str:
    """A duration for people: ``3 s``, ``12 min``, ``2 h 5 min``, ``3 days``."""
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < 2 * _DAY_S:
        hours, minutes = divmod(whole // _MINUTE_S, 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{whole // _DAY_S} days"


def count_text(count: int, singular: str, plural: str = "") -> str:
    """``1 dataset``, ``12 datasets``; the plural is the singular with an s unless it is given."""
    return f"1 {singular}" if count == 1 else f"{count} {plural or singular + 's'}"
