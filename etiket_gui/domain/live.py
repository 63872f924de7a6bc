"""New points of a running measurement, as frozen values; what a local plot and a progress line are made of."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """The new values of one quantity, in the order they were measured; NaN where there is none.

    ``axes`` names the columns it depends on, outermost first, and is empty for a setpoint. Every column of a slice
    has the same number of values (arrays of a point are flattened, their axes repeated).
    """

    name: str
    label: str
    unit: str
    axes: tuple[str, ...]
    values: array[float]


@dataclass(frozen=True, slots=True)
class LiveSlice:
    """Points of one running measurement since a place in it.

    ``cursor`` is that place for the next question, as JSON values. ``first_point`` counts the points before this
    slice; 0 replaces everything told so far. ``point_count`` counts all points so far and ``expected_count`` those of
    the whole run, None while nobody knows. ``shape`` is the grid's shape, outermost axis first, where it is known.
    ``is_newest`` says that there was no more when it was asked; without it somebody asks once more where it is long.
    """

    columns: tuple[LiveColumn, ...]
    cursor: Mapping[str, Any] = field(default_factory=dict)
    first_point: int = 0
    point_count: int = 0
    expected_count: int | None = None
    shape: tuple[int, ...] = ()
    is_newest: bool = False
