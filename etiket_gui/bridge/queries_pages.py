"""What the overview and the problems show, read by plain sqlite3 as frozen values.

Every function takes a connection of the reader thread and costs about the same for any number of datasets. Times are
ns since 1970 UTC, sizes are bytes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etiket_gui.domain.states import TransferState
from etiket_gui.store.quick import UNREADABLE

#: States in which a dataset is not safe at a destination yet.
UNSAFE = (TransferState.FAILED, TransferState.HELD, TransferState.WAITING, TransferState.SENDING)
_ROOT_FIELDS = ("root_directory", "data_directory", "log_directory", "database_path", "path", "url", "base_url", "host")
_UNTOLD = ("", "")
_OLDEST = """
SELECT t.order_ns, t.dataset_id, d.name, t.state, t.reason
FROM transfers t JOIN datasets d ON d.id = t.dataset_id
WHERE t.id = (
    SELECT id FROM transfers WHERE route_id = ? AND shown = ? AND is_large = ? ORDER BY order_ns LIMIT 1
)
"""


@dataclass(frozen=True, slots=True)
class OldestUnsafe:
    """The dataset that has waited longest for a destination; ``since_ns`` is its newest change."""

    since_ns: int
    dataset_id: int
    name: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """One source as its card shows it. ``counts`` are datasets by the state they show, ``gone`` and ``ignored`` too.

    ``live`` of them are measuring now; they are counted as held, too, for they are not safe yet. ``destinations`` are
    the names of those it goes to. ``unreadable`` places in it could not be looked into: what is there, nobody knows.
    """

    id: int
    name: str
    backend: str
    root: str
    is_enabled: bool
    state: str
    state_reason: str
    last_scan_ns: int | None
    last_scan_duration_s: float
    stray_files: int
    missed_by_watcher: int
    counts: Mapping[str, int]
    live: int
    problems: int
    oldest_unsafe: OldestUnsafe | None
    destinations: tuple[str, ...]
    advice: str = ""
    problem_kind: str = ""
    unreadable: int = 0
    #: When the newest point of what is measuring was seen to be written; None where nothing is.
    newest_live_ns: int | None = None

    @property
    def found(self) -> int:
        """Datasets that are at the source: waiting + live + archived + failed + ignored."""
        return sum(number for shown, number in self.counts.items() if shown != "gone")

    @property
    def archived(self) -> int:
        """Datasets archived and verified at every destination of the source."""
        return self.counts.get(TransferState.ARCHIVED.value, 0)

    @property
    def failed(self) -> int:
        """Datasets that a destination could not be given."""
        return self.counts.get(TransferState.FAILED.value, 0)

    @property
    def ignored(self) -> int:
        """Datasets that are left out."""
        return self.counts.get(TransferState.IGNORED.value, 0)

    @property
    def not_archived(self) -> int:
        """Datasets that are still to be archived, live ones and failed ones too."""
        return sum(self.counts.get(state.value, 0) for state in UNSAFE)

    @property
    def waiting(self) -> int:
        """Datasets that wait for their turn, are being sent, or are not settled; live ones are counted apart."""
        return max(0, self.not_archived - self.failed - self.live)


@dataclass(frozen=True, slots=True)
class DestinationFacts:
    """One destination as its card shows it. ``counts`` are transfers to it by the state they show.

    ``oldest_proof_ns`` is the longest time ago that a copy there was last proven, ``unproven_since_ns`` when the oldest
    copy that was never proven was verified; each is None where there is no such copy.
    """

    id: int
    name: str
    kind: str
    place: str
    is_local: bool
    state: str
    state_reason: str
    last_success_ns: int | None
    free_bytes: int | None
    counts: Mapping[str, int]
    oldest_proof_ns: int | None
    unproven_since_ns: int | None
    sources: tuple[str, ...]
    advice: str = ""
    problem_kind: str = ""
    total_bytes: int | None = None

    @property
    def archived(self) -> int:
        """Copies there that are verified."""
        return self.counts.get(TransferState.ARCHIVED.value, 0)

    @property
    def not_archived(self) -> int:
        """Datasets that are still to go there."""
        return sum(self.counts.get(state.value, 0) for state in UNSAFE)


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the overview shows, read in one moment."""

    sources: tuple[SourceFacts, ...] = ()
    destinations: tuple[DestinationFacts, ...] = ()
    problems: int = 0
    paused_until_ns: int = 0
    held_until_ns: int = 0

    @property
    def enabled(self) -> tuple[SourceFacts, ...]:
        """The sources that are switched on."""
        return tuple(source for source in self.sources if source.is_enabled)

    @property
    def oldest_unsafe(self) -> tuple[SourceFacts, OldestUnsafe] | None:
        """The dataset of all enabled sources that has waited longest, and its source."""
        found = [(source, source.oldest_unsafe) for source in self.enabled if source.oldest_unsafe is not None]
        return min(found, key=lambda pair: pair[1].since_ns, default=None)


def overview(connection: sqlite3.Connection) -> Overview:
    """What the overview shows now; to be asked inside one transaction, so that its figures belong together."""
    of_source, of_destination = _counts(connection)
    routes = connection.execute(
        "SELECT r.id, r.source_id, r.destination_id, s.name, d.name FROM routes r"
        " JOIN sources s ON s.id = r.source_id JOIN destinations d ON d.id = r.destination_id ORDER BY r.id"
    ).fetchall()
    problems, told = _open_problems(connection)
    meta = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('paused_until_ns','held_until_ns')"))
    return Overview(
        sources=_sources(connection, of_source, routes, problems, told),
        destinations=_destinations(connection, of_destination, routes, told),
        problems=sum(problems.values()),
        paused_until_ns=int(json.loads(meta.get("paused_until_ns", "0"))),
        held_until_ns=int(json.loads(meta.get("held_until_ns", "0"))),
    )


def _counts(connection: sqlite3.Connection) -> tuple[dict[int, dict[str, int]], dict[int, dict[str, int]]]:
    of_source: dict[int, dict[str, int]] = {}
    of_destination: dict[int, dict[str, int]] = {}
    rows = connection.execute("SELECT source_id, destination_id, shown, number FROM status_counts")
    for source_id, destination_id, shown, number in rows:
        if destination_id is None:
            of_source.setdefault(source_id, {})[shown] = number
        else:
            counted = of_destination.setdefault(destination_id, {})
            counted[shown] = counted.get(shown, 0) + number
    return of_source, of_destination


def _open_problems(connection: sqlite3.Connection) -> tuple[dict[int | None, int], dict[str, tuple[str, str]]]:
    """How many are open by source (None: of none), and advice and failure by key of those of a source or place."""
    counted = dict(connection.execute("SELECT source_id, count(*) FROM problems WHERE is_open = 1 GROUP BY source_id"))
    rows = connection.execute(
        "SELECT key, advice, problem_kind FROM problems WHERE is_open = 1 AND kind IN ('source', 'destination')"
    )
    return counted, {key: (advice, kind) for key, advice, kind in rows}


def _live_by_state(connection: sqlite3.Connection) -> dict[int, dict[str, int]]:
    """Datasets that are measuring now, by source and by the state they show."""
    found: dict[int, dict[str, int]] = {}
    rows = connection.execute(
        "SELECT source_id, shown, count(*) FROM datasets INDEXED BY ix_datasets_unfinished"
        " WHERE shown <> 'archived' AND shown NOT IN ('gone', 'ignored', 'failed') AND run_state = 'live'"
        " GROUP BY source_id, shown"
    )
    for source_id, shown, number in rows:
        found.setdefault(source_id, {})[shown] = number
    return found


def _newest_live(connection: sqlite3.Connection) -> dict[int, int]:
    """When a point of a running measurement was last written, by source."""
    return dict(
        connection.execute(
            "SELECT source_id, max(newest_change_ns) FROM datasets INDEXED BY ix_datasets_unfinished"
            " WHERE shown <> 'archived' AND shown NOT IN ('gone', 'ignored', 'failed') AND run_state = 'live'"
            " GROUP BY source_id"
        ).fetchall()
    )


@dataclass(frozen=True, slots=True)
class StateCounts:
    """Datasets by the state they show; ``live`` are those of them that are measuring now."""

    by_state: Mapping[str, int]
    live: Mapping[str, int]


def state_counts(connection: sqlite3.Connection, source_id: int | None = None) -> StateCounts:
    """How many datasets are shown in each state, of one source or of all."""
    of_source, _ = _counts(connection)
    live = _live_by_state(connection)
    return StateCounts(_summed(of_source, source_id), _summed(live, source_id))


def _summed(counted: Mapping[int, Mapping[str, int]], source_id: int | None) -> dict[str, int]:
    summed: dict[str, int] = {}
    for number, counts in counted.items():
        if source_id in {None, number}:
            for shown, count in counts.items():
                summed[shown] = summed.get(shown, 0) + count
    return summed


def _oldest(connection: sqlite3.Connection, route_ids: Sequence[int]) -> OldestUnsafe | None:
    oldest: OldestUnsafe | None = None
    for route_id in route_ids:
        for state in UNSAFE:
            for is_large in (0, 1):
                row = connection.execute(_OLDEST, (route_id, state.value, is_large)).fetchone()
                if row is not None and (oldest is None or row[0] < oldest.since_ns):
                    oldest = OldestUnsafe(*row)
    return oldest


def place_of(config: Mapping[str, Any]) -> str:
    """Where a source or destination lies, in the words of its configuration: a folder, a database, an address."""
    for name in _ROOT_FIELDS:
        value = config.get(name)
        if isinstance(value, str) and value:
            database = config.get("dbname")
            return f"{value}/{database}" if name == "host" and isinstance(database, str) else value
    return ""


def _sources(
    connection: sqlite3.Connection,
    counted: Mapping[int, Mapping[str, int]],
    routes: Sequence[tuple[int, int, int, str, str]],
    problems: Mapping[int | None, int],
    told: Mapping[str, tuple[str, str]],
) -> tuple[SourceFacts, ...]:
    live, newest_live = _live_by_state(connection), _newest_live(connection)
    unreadable = dict(connection.execute(UNREADABLE))
    rows = connection.execute(
        "SELECT id, name, backend, config, is_enabled, state, state_reason, last_scan_ns, last_scan_duration_s,"
        " stray_files, missed_by_watcher FROM sources ORDER BY id"
    ).fetchall()
    return tuple(
        SourceFacts(
            id=row[0],
            name=row[1],
            backend=row[2],
            root=place_of(json.loads(row[3])),
            is_enabled=bool(row[4]),
            state=row[5],
            state_reason=row[6],
            last_scan_ns=row[7],
            last_scan_duration_s=row[8],
            stray_files=row[9],
            missed_by_watcher=row[10],
            counts=counted.get(row[0], {}),
            live=sum(live.get(row[0], {}).values()),
            problems=problems.get(row[0], 0),
            oldest_unsafe=_oldest(connection, [route[0] for route in routes if route[1] == row[0]]),
            destinations=tuple(route[4] for route in routes if route[1] == row[0]),
            advice=told.get(f"source:{row[0]}", _UNTOLD)[0],
            problem_kind=told.get(f"source:{row[0]}", _UNTOLD)[1],
            unreadable=unreadable.get(row[0], 0),
            newest_live_ns=newest_live.get(row[0]) or None,
        )
        for row in rows
    )


def _destinations(
    connection: sqlite3.Connection,
    counted: Mapping[int, Mapping[str, int]],
    routes: Sequence[tuple[int, int, int, str, str]],
    told: Mapping[str, tuple[str, str]],
) -> tuple[DestinationFacts, ...]:
    rows = connection.execute(
        "SELECT id, name, kind, config, state, state_reason, last_success_ns, free_bytes, total_bytes"
        " FROM destinations ORDER BY id"
    ).fetchall()
    found = []
    for row in rows:
        config = json.loads(row[3])
        mine = [route for route in routes if route[2] == row[0]]
        proven, unproven = _proofs(connection, [route[0] for route in mine])
        found.append(
            DestinationFacts(
                id=row[0],
                name=row[1],
                kind=row[2],
                place=place_of(config),
                is_local=isinstance(config.get("path"), str),
                state=row[4],
                state_reason=row[5],
                last_success_ns=row[6],
                free_bytes=row[7],
                counts=counted.get(row[0], {}),
                oldest_proof_ns=proven,
                unproven_since_ns=unproven,
                sources=tuple(route[3] for route in mine),
                advice=told.get(f"destination:{row[0]}", _UNTOLD)[0],
                problem_kind=told.get(f"destination:{row[0]}", _UNTOLD)[1],
                total_bytes=row[8],
            )
        )
    return tuple(found)


def _proofs(connection: sqlite3.Connection, route_ids: Sequence[int]) -> tuple[int | None, int | None]:
    """When the copy that was proven longest ago was, and since when a copy waits for its first proof."""
    proven, unproven = [], []
    for route_id in route_ids:
        row = connection.execute(
            "SELECT proven_at_ns FROM transfers WHERE route_id = ? AND state = 'archived' AND proven_at_ns IS NOT NULL"
            " ORDER BY proven_at_ns LIMIT 1",
            (route_id,),
        ).fetchone()
        if row is not None:
            proven.append(row[0])
        row = connection.execute(
            "SELECT verified_at_ns FROM transfers WHERE route_id = ? AND state = 'archived' AND proven_at_ns IS NULL"
            " ORDER BY verified_at_ns LIMIT 1",
            (route_id,),
        ).fetchone()
        if row is not None and row[0] is not None:
            unproven.append(row[0])
    return min(proven, default=None), min(unproven, default=None)


def routes_of_transfers(connection: sqlite3.Connection, transfer_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """(source id, destination id) of each of these transfers."""
    rows = connection.execute(
        "SELECT t.id, r.source_id, r.destination_id FROM transfers t JOIN routes r ON r.id = t.route_id"
        " WHERE t.id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(transfer_ids)),),
    )
    return {transfer_id: (source_id, destination_id) for transfer_id, source_id, destination_id in rows}


def unsent(connection: sqlite3.Connection) -> dict[int, tuple[int, int]]:
    """(bytes, datasets) that can be sent and are not, by source; reads every transfer that waits: not quick."""
    rows = connection.execute(
        "SELECT r.source_id, sum(t.size_bytes), count(*) FROM routes r JOIN transfers t ON t.route_id = r.id"
        " WHERE t.shown IN ('waiting', 'sending') GROUP BY r.source_id"
    )
    return {source_id: (size_bytes, count) for source_id, size_bytes, count in rows}


# -- problems ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """One open problem. ``kind`` is item, source, destination or engine; ``problem_kind`` the failure's class.

    ``source``, ``destination`` and ``dataset`` are names, "" where there is none; ``place`` is the dataset's
    identifier, else where the source or destination lies.
    """

    id: int
    kind: str
    key: str
    title: str
    problem_kind: str
    reason: str
    advice: str
    retry_class: str
    since_ns: int
    due_ns: int | None
    attempts: int
    source_id: int | None = None
    destination_id: int | None = None
    dataset_id: int | None = None
    source: str = ""
    destination: str = ""
    dataset: str = ""
    uuid: str = ""
    place: str = ""
    root: str = ""
    backend: str = ""

    @property
    def is_question(self) -> bool:
        """Whether the engine waits for a person's answer: so much changed at once that it asks."""
        return self.problem_kind == "ManyChanged"

    @property
    def needs_sign_in(self) -> bool:
        """Whether somebody has to sign in."""
        return self.problem_kind == "SignInNeeded"


@dataclass(frozen=True, slots=True)
class ProblemGroup:
    """Problems of one kind, oldest first; the most urgent group comes first."""

    problem_kind: str
    title: str
    problems: tuple[Problem, ...] = field(repr=False)


#: A person is asked, or everything of one place waits: before what concerns one dataset.
_URGENT = {"ManyChanged": 0, "SignInNeeded": 1, "DestinationDamaged": 2, "DestinationFull": 3}


def problem_groups(connection: sqlite3.Connection) -> tuple[ProblemGroup, ...]:
    """The open problems by kind: what asks for an answer first, then whole sources and destinations, then datasets."""
    rows = connection.execute(
        "SELECT p.id, p.kind, p.key, p.title, p.problem_kind, p.reason, p.advice, p.retry_class, p.since_ns,"
        " coalesce(p.due_ns, t.due_ns), p.attempts, coalesce(p.source_id, x.source_id),"
        " coalesce(p.destination_id, r.destination_id), p.dataset_id, s.name, d.name, x.name, x.uuid, x.identifier,"
        " s.config, d.config, coalesce(s.backend, '') FROM problems p"
        " LEFT JOIN datasets x ON x.id = p.dataset_id"
        " LEFT JOIN transfers t ON t.id = p.transfer_id LEFT JOIN routes r ON r.id = t.route_id"
        " LEFT JOIN sources s ON s.id = coalesce(p.source_id, x.source_id)"
        " LEFT JOIN destinations d ON d.id = coalesce(p.destination_id, r.destination_id)"
        " WHERE p.is_open = 1 ORDER BY p.since_ns, p.id"
    )
    grouped: dict[tuple[str, str], list[Problem]] = {}
    places: dict[str | None, str] = {None: ""}
    for row in rows:
        for config in row[19:21]:
            if config not in places:
                places[config] = place_of(json.loads(config))
        problem = _problem(row, source_root=places[row[19]], destination_root=places[row[20]])
        grouped.setdefault((problem.problem_kind, problem.title), []).append(problem)
    groups = [ProblemGroup(kind, title, tuple(problems)) for (kind, title), problems in grouped.items()]
    return tuple(sorted(groups, key=_urgency))


def _problem(row: Sequence[Any], *, source_root: str, destination_root: str) -> Problem:
    root = destination_root if row[1] == "destination" else source_root
    source, destination, name, uuid, identifier = (text or "" for text in row[14:19])
    values: tuple[Any, ...] = (*row[:14], source, destination, name, uuid, identifier or root, root, row[21])
    return Problem(*values)


def _urgency(group: ProblemGroup) -> tuple[int, bool, int]:
    is_about_datasets = all(problem.dataset_id is not None for problem in group.problems)
    return _URGENT.get(group.problem_kind, len(_URGENT)), is_about_datasets, group.problems[0].since_ns


def source_names(connection: sqlite3.Connection) -> tuple[tuple[int, str], ...]:
    """(id, name) of every source, in the order they were added."""
    return tuple(connection.execute("SELECT id, name FROM sources ORDER BY id").fetchall())
