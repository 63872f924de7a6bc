"""What tray and header of the window say, read by plain sqlite3: the overview, and which problems are the worst."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from etiket_gui.bridge.queries_pages import Overview, overview
from etiket_gui.domain.states import DestinationState, RetryClass, SourceState

#: These wait for a person, or for a bug to be mended; the others go away by themselves.
_NEEDS_PERSON = (RetryClass.ON_USER.value, RetryClass.NEVER.value)
_MOST_READ = 20


@dataclass(frozen=True, slots=True)
class WorstProblem:
    """One open problem in short. ``kind`` is item, source, destination or engine; ``failure`` the failure's class.

    ``needs_person`` is 1 where it waits for a person or for a bug to be mended.
    """

    kind: str
    failure: str
    title: str
    reason: str
    advice: str
    source: str
    destination: str
    dataset: str
    needs_person: int


@dataclass(frozen=True, slots=True)
class PlaceProblems:
    """The open problems of one source, else of one destination, else of the program (place "").

    ``newest_ns`` is since when the newest is open, with its title and reason.
    """

    place: str
    count: int
    newest_ns: int
    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class ShellFacts:
    """The overview and the open problems.

    ``problem_count`` counts every one, as the page of problems and ``etiket-sync problems`` do. ``pressing_count`` are
    those of them that are not just a place that is away or a source that is switched off; ``worst`` holds the first few
    of these, those for a person first, and ``by_place`` sums them up.
    """

    overview: Overview
    problem_count: int = 0
    pressing_count: int = 0
    worst: tuple[WorstProblem, ...] = ()
    by_place: tuple[PlaceProblems, ...] = ()


_PRESSING = """
FROM problems p
LEFT JOIN sources s ON s.id = p.source_id
LEFT JOIN destinations d ON d.id = p.destination_id
LEFT JOIN datasets x ON x.id = p.dataset_id
WHERE p.is_open = 1
  AND coalesce(s.is_enabled, 1)
  AND NOT (p.kind = 'source' AND s.state IS ?)
  AND NOT (p.kind = 'destination' AND d.state IS ?)
"""


def shell_facts(connection: sqlite3.Connection) -> ShellFacts:
    """What tray and header show; to be asked inside one transaction."""
    away = (SourceState.OFFLINE.value, DestinationState.OFFLINE.value)
    (total,) = connection.execute("SELECT count(*) FROM problems WHERE is_open = 1").fetchone()
    (pressing,) = connection.execute(f"SELECT count(*) {_PRESSING}", away).fetchone()
    rows = connection.execute(
        "SELECT p.kind, p.problem_kind, p.title, p.reason, p.advice, coalesce(s.name, ''), coalesce(d.name, ''),"
        f" coalesce(x.name, ''), p.retry_class IN (?, ?) AS needs {_PRESSING}"
        " ORDER BY needs DESC, p.kind = 'item', p.since_ns, p.id LIMIT ?",
        (*_NEEDS_PERSON, *away, _MOST_READ),
    )
    worst = tuple(WorstProblem(*row) for row in rows)
    # Beside max(), SQLite gives the other columns of that very row.
    of_places = connection.execute(
        "SELECT coalesce(s.name, d.name, '') AS place, count(*), max(p.since_ns), p.title, p.reason"
        f" {_PRESSING} GROUP BY place ORDER BY place",
        away,
    )
    by_place = tuple(PlaceProblems(*row) for row in of_places)
    return ShellFacts(overview(connection), total, pressing, worst, by_place)
