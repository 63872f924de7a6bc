"""What one dataset costs in the store when it already tracks a thousand, and when it tracks three hundred thousand."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from etiket_gui.domain.content import Found
from etiket_gui.domain.states import Realm
from etiket_gui.store.health import open_store
from etiket_gui.store.writer import StoreWriter
from tests.bench import measuring
from tests.bench.filled_store import make_home, receipt_for

_NEW = 1000
_CLAIM = 100


def measure(work: Path, rounds: int) -> measuring.Series:
    """Milliseconds per new dataset: found, settled, claimed, receipt written."""
    series = measuring.Series("store cost of a new dataset", "ms")
    writers = {}
    for label, count in (("1 000 rows", 1000), ("300 000 rows", 300_000)):
        writers[label] = open_store(make_home(work, f"scale {count}", count), is_thorough=False).writer
    contenders = {label: _contender(writer) for label, writer in writers.items()}
    for contender in contenders.values():
        contender(-1)
    measuring.run_rounds(series, contenders, rounds)
    series.ratio("300 000 rows / 1 000 rows", "300 000 rows", "1 000 rows")
    for writer in writers.values():
        writer.close()
    return series


def _contender(writer: StoreWriter) -> Callable[[int], float]:
    def run(number: int) -> float:
        source, route = writer.sources()[0], writer.routes()[0]
        now_ns = time.time_ns()
        started_s = time.perf_counter()
        for start in range(0, _NEW, _CLAIM):
            found = [
                Found(
                    f"new {number}/{index}", str(index), index + 1, newest_change_ns=now_ns + index,
                    looked_at_ns=now_ns, size_bytes=3000, file_count=3, place=f"2:{number}{index}",
                )
                for index in range(start, start + _CLAIM)
            ]  # fmt: skip
            with writer.batch():
                outcomes = writer.record_found(source, Realm.SOURCE, found)
                writer.mark_settled([(outcome.dataset_id, outcome.found.fingerprint) for outcome in outcomes])
            claims = writer.claim(route.id, limit=_CLAIM, max_bytes=1 << 40, large=False, newest_first=True)
            writer.record_sent([receipt_for(claim) for claim in claims])
        return (time.perf_counter() - started_s) * 1000 / _NEW

    return run
