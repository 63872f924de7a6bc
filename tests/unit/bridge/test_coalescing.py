"""What the engine told waits for the window in bounded memory, the newest of each row."""

from __future__ import annotations

from etiket_gui.bridge.coalescing import MOST_DATASETS, MOST_EVENTS, MOST_PLENTIFUL, MOST_PROGRESS, EventBox
from etiket_gui.domain.events import (
    DatasetArchived,
    DatasetProgressed,
    DatasetsChanged,
    FileProgressed,
    ProblemsChanged,
    SteeringChanged,
    TransferFailed,
    WorkerRestarted,
)


def _archived(number: int) -> DatasetArchived:
    return DatasetArchived(number, number, f"u{number}", "n", "d", "1.0.0", 1, 1, is_new=True)


def _moved(number: int, done_bytes: int = 1) -> DatasetProgressed:
    return DatasetProgressed(number, f"u{number}", "n", done_bytes, 100, 1.0, None)


def test_of_each_row_only_the_newest_progress_is_kept() -> None:
    box = EventBox()
    for done_bytes in range(100):
        box.put(_moved(1, done_bytes))
        box.put(_moved(2, done_bytes))
        box.put(FileProgressed(1, "u1", "a.dat", done_bytes, 100, 1.0, None))
    told = box.take()
    assert sorted((type(event).__name__, event.transfer_id, event.done_bytes) for event in told.progress) == [
        ("DatasetProgressed", 1, 99), ("DatasetProgressed", 2, 99), ("FileProgressed", 1, 99),
    ]  # fmt: skip


def test_nothing_moves_any_more_of_a_transfer_that_is_over() -> None:
    box = EventBox()
    box.put(_moved(1))
    box.put(FileProgressed(1, "u1", "a.dat", 1, 100, 1.0, None))
    box.put(_moved(2))
    box.put(_archived(1))
    box.put(TransferFailed(3, 3, "u3", "n", "d", "Busy", "It is busy.", None))
    told = box.take()
    assert [event.transfer_id for event in told.progress] == [2]
    assert told.ended == {1, 3}
    box.put(_moved(3))
    assert [event.transfer_id for event in box.take().progress] == [3], "the next try of it moves again"
    assert box.take().ended == frozenset()


def test_sizes_beyond_32_bits_stay_whole() -> None:
    box = EventBox()
    box.put(DatasetProgressed(1 << 40, "u", "n", 1 << 50, 1 << 51, 1e12, None))
    assert box.take().progress[0].done_bytes == 1 << 50


def test_changed_datasets_are_named_and_beyond_a_limit_it_is_any_of_them() -> None:
    box = EventBox()
    box.put(DatasetsChanged((1, 2)))
    box.put(DatasetsChanged((2, 3)))
    box.put(_archived(9))
    assert box.take().dataset_ids == frozenset({1, 2, 3, 9})
    box.put(DatasetsChanged(tuple(range(1, MOST_DATASETS + 2))))
    assert box.take().dataset_ids is None
    box.put(DatasetsChanged(()))
    box.put(DatasetsChanged((1,)))
    assert box.take().dataset_ids is None
    assert box.take().dataset_ids == frozenset()


def test_the_last_steering_and_number_of_problems_count() -> None:
    box = EventBox()
    for number in range(3):
        box.put(SteeringChanged(number, 0, is_measuring=False))
        box.put(ProblemsChanged(number))
    told = box.take()
    assert told.steering == SteeringChanged(2, 0, is_measuring=False)
    assert told.problem_count == 2
    assert box.take().steering is None


def test_a_million_events_that_nobody_takes_need_no_more_room_than_a_few() -> None:
    box = EventBox()
    for number in range(20_000):
        box.put(_archived(number))
        box.put(_moved(number))
        box.put(WorkerRestarted(f"{number}"))
    told = box.take()
    assert len(told.events) == MOST_EVENTS + MOST_PLENTIFUL
    assert told.events[MOST_EVENTS - 1] == WorkerRestarted("19999")
    assert told.events[-1] == _archived(19_999)
    assert len(told.progress) == MOST_PROGRESS
    assert told.left_out == 40_000 - MOST_EVENTS - MOST_PLENTIFUL
    assert told.dataset_ids is None
