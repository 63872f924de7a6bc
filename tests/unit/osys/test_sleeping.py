"""Sleep, clock jumps and stalls are told apart from each other and from nothing."""

from __future__ import annotations

import pytest

from etiket_gui.osys.sleeping import ClockChange, ClockReading, SleepWatch, read_clocks

_S = 1_000_000_000
_HOUR = 3600 * _S


class _Clocks:
    def __init__(self) -> None:
        self.awake_ns, self.elapsed_ns, self.wall_ns = 5 * _S, 7 * _S, 1_790_000_000 * _S

    def pass_time(self, *, awake_ns: int = 0, asleep_ns: int = 0, jump_ns: int = 0) -> None:
        self.awake_ns += awake_ns
        self.elapsed_ns += awake_ns + asleep_ns
        self.wall_ns += awake_ns + asleep_ns + jump_ns

    def __call__(self) -> ClockReading:
        return ClockReading(self.awake_ns, self.elapsed_ns, self.wall_ns)


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        ({"awake_ns": 30 * _S}, None),
        ({"awake_ns": 30 * _S, "asleep_ns": 2 * _S, "jump_ns": -2 * _S}, None),
        ({"awake_ns": 30 * _S, "asleep_ns": 8 * _HOUR}, ClockChange(slept_ns=8 * _HOUR)),
        ({"awake_ns": 30 * _S, "jump_ns": -24 * _HOUR}, ClockChange(wall_jump_ns=-24 * _HOUR)),
        ({"awake_ns": 30 * _S, "jump_ns": 87_600 * _HOUR}, ClockChange(wall_jump_ns=87_600 * _HOUR)),
        (
            {"awake_ns": 30 * _S, "asleep_ns": _HOUR, "jump_ns": _HOUR},
            ClockChange(slept_ns=_HOUR, wall_jump_ns=_HOUR),
        ),
        ({"awake_ns": _HOUR}, ClockChange(stalled_ns=_HOUR - 30 * _S)),
    ],
)
def test_what_happened_between_two_looks(passed: dict[str, int], expected: ClockChange | None) -> None:
    clocks = _Clocks()
    watch = SleepWatch(clocks)
    clocks.pass_time(**passed)
    assert watch.look(meant_after_s=30) == expected
    assert watch.look(meant_after_s=30) is None


def test_sleep_and_stall_are_wakes_and_a_jump_is_not() -> None:
    assert ClockChange(slept_ns=_HOUR).is_wake
    assert ClockChange(stalled_ns=_HOUR).is_wake
    assert not ClockChange(wall_jump_ns=_HOUR).is_wake


def test_real_clocks_run_together() -> None:
    watch = SleepWatch()
    assert watch.look() is None
    reading = read_clocks()
    assert reading.elapsed_ns >= reading.awake_ns > 0
