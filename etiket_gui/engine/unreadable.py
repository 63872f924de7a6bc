"""What in one source cannot be read: a problem for each place, told when it begins and when it is over."""

from __future__ import annotations

from etiket_gui.domain.content import DiscoverySummary
from etiket_gui.domain.errors import EtiketError, PermissionRefused, SourceUnreadable
from etiket_gui.domain.wording import count_text
from etiket_gui.engine.desk import Desk
from etiket_gui.store.rows import SourceRow

_MOST_SHOWN = 20


class Unreadable:
    """Of one source; follows from each look at everything."""

    def __init__(self, desk: Desk, row: SourceRow) -> None:
        self._desk = desk
        self._row = row
        self._keys: set[str] = set()

    def take(self, summary: DiscoverySummary, root: str) -> None:
        """A look at everything below ``root`` ended: these places could not be read, the others can."""
        keys = set()
        for item in summary.unreadable[:_MOST_SHOWN]:
            key = f"unreadable:{self._row.id}:{item.path}"
            keys.add(key)
            reason = f"{item.path} in {root} cannot be read: {item.reason}"
            error: EtiketError = PermissionRefused(
                reason, advice="Give the account that runs this program the right to read it. The rest goes on."
            )
            if item.advice:
                error = SourceUnreadable(reason, advice=item.advice)
            self._desk.writer.open_problem("source", key, error, source_id=self._row.id)
            if key not in self._keys:
                self._desk.diary.unreadable(self._row.id, self._row.name, reason)
        over = self._keys - keys
        for key in over:
            self._desk.writer.close_problem(key)
        if over:
            self._desk.diary.note(
                f"{count_text(len(over), 'place')} in {self._row.name} can be read again.", self._row.id
            )
        self._keys = keys
