"""Rates follow what happens, and a remaining time is told only when it can be."""

from __future__ import annotations

from etiket_gui.engine.progress import RateMeter


def test_a_steady_stream_has_its_rate_and_its_rest() -> None:
    meter = RateMeter(0.0)
    for second in range(1, 11):
        meter.update(second * 1000, float(second))
    assert abs(meter.rate_bytes_per_s - 1000.0) < 1.0
    rest_s = meter.rest_s(20_000)
    assert rest_s is not None
    assert abs(rest_s - 10.0) < 0.1


def test_no_rest_is_told_before_anything_is_known() -> None:
    meter = RateMeter(0.0)
    assert meter.rest_s(1000) is None
    meter.update(500, 0.5)
    assert meter.rest_s(1000) is None


def test_the_rate_follows_a_change_within_a_few_seconds() -> None:
    meter = RateMeter(0.0)
    done = 0
    for second in range(1, 21):
        done += 1000
        meter.update(done, float(second))
    for second in range(21, 36):
        done += 100
        meter.update(done, float(second))
    assert meter.rate_bytes_per_s < 200.0


def test_a_report_from_the_same_moment_changes_nothing() -> None:
    meter = RateMeter(5.0)
    meter.update(100, 5.0)
    assert meter.rate_bytes_per_s == 0.0
