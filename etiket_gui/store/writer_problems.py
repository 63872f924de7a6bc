"""The part of the writer that keeps the list of problems, the activity and the steering."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import bindparam, case, delete, func, literal_column, select, update
from sqlalchemy.dialects.sqlite import insert

from etiket_gui.domain.errors import EtiketError, RemoteError
from etiket_gui.store.connection import as_ids, asked
from etiket_gui.store.models import activity, problems
from etiket_gui.store.rows import Steering
from etiket_gui.store.writer_configuration import ConfigurationWriter

#: How many sentences of the activity are kept.
ACTIVITY_LENGTH = 10_000

_p = problems.c
_new_problem = insert(problems)
_OPEN = _new_problem.on_conflict_do_update(
    index_elements=["key"],
    set_={
        # A problem that was over and comes again is a new one.
        "since_ns": case((_p.is_open == 1, _p.since_ns), else_=_new_problem.excluded.since_ns),
        "is_open": 1,
        **{
            name: func.coalesce(_new_problem.excluded[name], _p[name])
            for name in ("source_id", "destination_id", "dataset_id", "transfer_id")
        },
        **{
            name: _new_problem.excluded[name]
            for name in (
                "kind", "title", "problem_kind", "reason",
                "advice", "retry_class", "due_ns", "attempts",
            )
        },
    },
)  # fmt: skip
_CLOSE = update(problems).where(_p.key.in_(asked("keys")), _p.is_open == 1).values(is_open=0)
_TRIM = delete(activity).where(activity.c.id <= bindparam("last"))
_OPEN_COUNT = select(func.count()).select_from(problems).where(_p.is_open == literal_column("1"))


def transfer_key(transfer_id: int) -> str:
    """The key of the problem of one transfer that did not succeed."""
    return f"transfer:{transfer_id}"


def damage_key(transfer_id: int) -> str:
    """The key of the problem of one stored copy that is not what was put there."""
    return f"damaged:{transfer_id}"


def flaw_key(dataset_id: int) -> str:
    """The key of the problem of a dataset that was sent all the same, without a part that could not be made."""
    return f"flaw:{dataset_id}"


class ProblemWriter(ConfigurationWriter):
    """Opens and closes problems, writes sentences about what happened, and remembers pause and hold."""

    def open_problem(
        self,
        kind: str,
        key: str,
        error: EtiketError,
        *,
        source_id: int | None = None,
        destination_id: int | None = None,
        dataset_id: int | None = None,
        transfer_id: int | None = None,
        due_ns: int | None = None,
        attempts: int = 0,
    ) -> None:
        """Open the problem ``key`` or bring it up to date; ``kind`` is item, source, destination or engine."""
        row = self._problem_columns(kind, key, error)
        row |= {"source_id": source_id, "destination_id": destination_id, "dataset_id": dataset_id}
        row |= {"transfer_id": transfer_id, "due_ns": due_ns, "attempts": attempts}
        with self._transaction():
            self._open_problems([row])

    def _problem_columns(self, kind: str, key: str, error: EtiketError) -> dict[str, Any]:
        return {
            "kind": kind,
            "key": key,
            "title": error.remote_title if isinstance(error, RemoteError) else error.title,
            "problem_kind": error.kind,
            "reason": error.reason,
            "advice": error.advice,
            "retry_class": error.retry_class.value,
            "since_ns": self.now_ns(),
        }

    def _open_problems(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._connection.execute(_OPEN, rows)

    def close_problem(self, key: str) -> bool:
        """The problem ``key`` is over; returns whether it was open."""
        with self._transaction():
            return self._close_keys([key]) > 0

    def close_problems(self, keys: Iterable[str]) -> int:
        """These problems are over; returns how many of them were open."""
        with self._transaction():
            return self._close_keys(list(keys))

    def _close_keys(self, keys: list[str]) -> int:
        return self._connection.execute(_CLOSE, {"keys": as_ids(keys)}).rowcount if keys else 0

    def _close_item_problems(self, transfer_ids: Iterable[int]) -> int:
        return self._close_keys([transfer_key(transfer_id) for transfer_id in transfer_ids])

    def _close_flaws(self, dataset_ids: Iterable[int]) -> int:
        return self._close_keys([flaw_key(dataset_id) for dataset_id in dataset_ids])

    def open_problem_count(self) -> int:
        """How many problems are open."""
        with self._reading() as connection:
            return int(connection.execute(_OPEN_COUNT).scalar_one())

    def add_activity(
        self, sentence: str, *, source_id: int | None = None, dataset_id: int | None = None, at_ns: int | None = None
    ) -> None:
        """Write down what happened, in words for a person; only the newest 10 000 are kept. ``at_ns`` None: now."""
        with self._transaction() as connection:
            added = connection.execute(
                insert(activity),
                {
                    "at_ns": self.now_ns() if at_ns is None else at_ns,
                    "sentence": sentence,
                    "source_id": source_id,
                    "dataset_id": dataset_id,
                },
            )
            connection.execute(_TRIM, {"last": int(added.lastrowid) - ACTIVITY_LENGTH})

    def set_steering(self, paused_until_ns: int | None = None, held_until_ns: int | None = None) -> Steering:
        """Remember until when nothing is sent or touched (0: not, -1: without end); None leaves one as it is."""
        with self._transaction():
            present = self.steering()
            wanted = Steering(
                paused_until_ns=present.paused_until_ns if paused_until_ns is None else paused_until_ns,
                held_until_ns=present.held_until_ns if held_until_ns is None else held_until_ns,
            )
            if wanted != present:
                self._set_meta("paused_until_ns", wanted.paused_until_ns)
                self._set_meta("held_until_ns", wanted.held_until_ns)
            return wanted

    def steering(self) -> Steering:
        """Until when nothing is sent or touched."""
        with self._reading():
            return Steering(self._get_meta("paused_until_ns") or 0, self._get_meta("held_until_ns") or 0)
