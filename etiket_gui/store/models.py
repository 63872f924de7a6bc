"""The tables of the store: one definition for the writer, the readers and the check of the migrations.

Times are integers, ns since 1970 UTC; booleans are 0 or 1; maps and lists are JSON text. ``shown`` is the state that is
counted: the worst of a dataset's transfers, or ``gone`` or ``ignored``; the writer keeps it and the table ``counts``.
Ids of what is configured, found and sent are never given twice: a late answer must not reach what came after.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

#: What ``shown`` is for a dataset that is no longer at its source; beside the transfer states.
GONE = "gone"

#: What ``is_ignored`` is for a dataset that a person left out, for one from before its source's beginning, and for one
#: that another source has too.
LEFT_OUT, TOO_OLD, ELSEWHERE = 1, 2, 3

metadata = MetaData()


def _text(name: str, *, default: str | None = "") -> Column[str]:
    if default is None:
        return Column(name, Text)
    return Column(name, Text, nullable=False, server_default=text(f"'{default}'"))


def _number(name: str, *, default: int | None = 0) -> Column[int]:
    if default is None:
        return Column(name, Integer)
    return Column(name, Integer, nullable=False, server_default=text(str(default)))


def _belongs_to(name: str, target: str) -> Column[int]:
    return Column(name, Integer, ForeignKey(f"{target}.id", ondelete="CASCADE"), nullable=False)


meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

sources = Table(
    "sources",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    Column("backend", Text, nullable=False),
    _text("config", default="{}"),
    _number("is_enabled", default=1),
    _text("state", default="new"),
    _text("state_reason"),
    _text("root_place"),
    _text("cursor", default="{}"),
    _number("last_scan_ns", default=None),
    Column("last_scan_duration_s", Float, nullable=False, server_default=text("0")),
    _number("seen_count"),
    _number("stray_files"),
    _number("missed_by_watcher"),
    _text("held_reason"),
    sqlite_autoincrement=True,
)

#: From when on the datasets of a source count; older ones are ignored. A source without a row begins with its first.
beginnings = Table(
    "beginnings",
    metadata,
    Column("source_id", Integer, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    _number("since_ns"),
)

destinations = Table(
    "destinations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    _text("config", default="{}"),
    _text("state", default="new"),
    _text("state_reason"),
    _number("last_success_ns", default=None),
    _number("free_bytes", default=None),
    _text("identity", default=None),
    _number("is_moved"),
    _number("total_bytes", default=None),
    sqlite_autoincrement=True,
)

routes = Table(
    "routes",
    metadata,
    Column("id", Integer, primary_key=True),
    _belongs_to("source_id", "sources"),
    _belongs_to("destination_id", "destinations"),
    _text("scope"),
    UniqueConstraint("source_id", "destination_id"),
    Index("ix_routes_destination", "destination_id"),
    sqlite_autoincrement=True,
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", Text, nullable=False, unique=True),
    _belongs_to("source_id", "sources"),
    Column("identifier", Text, nullable=False),
    _number("birth_ordinal", default=1),
    _text("previous_identifiers", default="[]"),
    _text("name"),
    _number("collected_ns", default=None),
    _text("run_state", default="complete"),
    _number("is_gone"),
    _number("is_ignored"),
    _text("shown", default=None),
    _number("fingerprint"),
    _number("settled_fingerprint", default=None),
    _number("manifest_fingerprint", default=None),
    _text("place"),
    _number("size_bytes"),
    _number("file_count"),
    _number("newest_change_ns"),
    _number("looked_at_ns"),
    _number("found_ns"),
    _number("is_described"),
    UniqueConstraint("source_id", "identifier"),
    Index("ix_datasets_place", "source_id", "place"),
    Index("ix_datasets_newest", "source_id", "newest_change_ns"),
    sqlite_autoincrement=True,
)
Index("ix_datasets_name", datasets.c.name.collate("NOCASE"))
Index("ix_datasets_unfinished", datasets.c.newest_change_ns, sqlite_where=text("shown <> 'archived'"))
Index(
    "ix_datasets_unsettled",
    datasets.c.source_id,
    sqlite_where=text("settled_fingerprint IS NOT fingerprint AND is_gone = 0"),
)

#: Apart from the datasets, so that going through all of those reads little.
descriptions = Table(
    "descriptions",
    metadata,
    Column("dataset_id", Integer, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    _text("content", default="{}"),
    _text("search_text"),
)

#: What datasets are put in order by and that lies elsewhere; kept by the store itself, see store/triggers.py.
#: ``keywords`` is their JSON list, NULL for none; ``version_key`` the newest version as one number.
order_keys = Table(
    "order_keys",
    metadata,
    Column("dataset_id", Integer, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    _number("archived_ns", default=None),
    _number("version_key", default=None),
    _text("keywords", default=None),
)
Index(
    "ix_order_keys_keywords",
    order_keys.c.keywords.collate("NOCASE"),
    sqlite_where=text("keywords IS NOT NULL"),
)

files = Table(
    "files",
    metadata,
    Column("dataset_id", Integer, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    _text("kind", default="file"),
    _number("size_bytes"),
    _number("mtime_ns"),
    _number("ctime_ns"),
    _number("inode"),
    _number("is_executable"),
    Column("sha256", LargeBinary),
    _text("link_target", default=None),
    sqlite_with_rowid=False,
)

transfers = Table(
    "transfers",
    metadata,
    Column("id", Integer, primary_key=True),
    _belongs_to("dataset_id", "datasets"),
    _belongs_to("route_id", "routes"),
    Column("state", Text, nullable=False),
    _text("shown", default=None),
    _text("reason"),
    _text("problem_kind", default=None),
    _text("retry_class", default=None),
    _number("due_ns", default=None),
    _number("attempts"),
    _number("order_ns"),
    _number("size_bytes"),
    _number("is_large"),
    _number("claimed_ns", default=None),
    _number("claim_fingerprint", default=None),
    _number("sent_fingerprint", default=None),
    _text("digest", default=None),
    _text("remote", default=None),
    _text("version", default=None),
    _text("level", default=None),
    _text("derived_version", default=None),
    _number("archived_ns", default=None),
    _number("verified_at_ns", default=None),
    _number("proven_at_ns", default=None),
    UniqueConstraint("dataset_id", "route_id"),
    Index("ix_transfers_queue", "route_id", "shown", "is_large", "order_ns"),
    sqlite_autoincrement=True,
)
Index("ix_transfers_due", transfers.c.due_ns, sqlite_where=text("due_ns IS NOT NULL"))
Index(
    "ix_transfers_underived",
    transfers.c.route_id,
    sqlite_where=text("state = 'archived' AND derived_version IS NOT version"),
)
Index("ix_transfers_claimed", transfers.c.route_id, sqlite_where=text("claimed_ns IS NOT NULL"))
Index(
    "ix_transfers_unproven",
    transfers.c.route_id,
    transfers.c.verified_at_ns,
    sqlite_where=text("state = 'archived' AND proven_at_ns IS NULL"),
)
Index(
    "ix_transfers_proven",
    transfers.c.route_id,
    transfers.c.proven_at_ns,
    sqlite_where=text("state = 'archived' AND proven_at_ns IS NOT NULL"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("id", Integer, primary_key=True),
    _belongs_to("transfer_id", "transfers"),
    _belongs_to("dataset_id", "datasets"),
    _number("destination_id"),
    Column("version", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("level", Text, nullable=False),
    _number("received_ns"),
    _number("file_count"),
    _number("size_bytes"),
    _number("new_bytes"),
    _number("is_provisional"),
    Column("files", LargeBinary, nullable=False),
    UniqueConstraint("transfer_id", "version"),
    Index("ix_receipts_dataset", "dataset_id"),
)

problems = Table(
    "problems",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    _number("source_id", default=None),
    _number("destination_id", default=None),
    _number("dataset_id", default=None),
    _number("transfer_id", default=None),
    _text("title"),
    _text("problem_kind"),
    _text("reason"),
    _text("advice"),
    _text("retry_class"),
    _number("since_ns"),
    _number("due_ns", default=None),
    _number("attempts"),
    _number("is_open", default=1),
    Index("ix_problems_dataset", "dataset_id"),
)
Index("ix_problems_open", problems.c.since_ns, sqlite_where=text("is_open = 1"))

activity = Table(
    "activity",
    metadata,
    Column("id", Integer, primary_key=True),
    _number("at_ns"),
    Column("sentence", Text, nullable=False),
    _number("source_id", default=None),
    _number("dataset_id", default=None),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("uuid", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    _text("state", default="{}"),
    sqlite_with_rowid=False,
)

#: How many datasets (route_id 0) and transfers of a source are shown in each state.
counts = Table(
    "counts",
    metadata,
    Column("source_id", Integer, primary_key=True),
    Column("route_id", Integer, primary_key=True),
    Column("shown", Text, primary_key=True),
    _number("number"),
    sqlite_with_rowid=False,
)

#: Views that ``status`` and ``problems`` read with plain sqlite3.
VIEWS: tuple[str, ...] = (
    (
        "CREATE VIEW status_counts AS SELECT c.source_id, s.name AS source, c.route_id, r.destination_id,"
        " d.name AS destination, c.shown, c.number FROM counts c JOIN sources s ON s.id = c.source_id"
        " LEFT JOIN routes r ON r.id = c.route_id LEFT JOIN destinations d ON d.id = r.destination_id"
        " WHERE c.number <> 0"
    ),
    (
        "CREATE VIEW open_problems AS SELECT p.id, p.kind, p.title, p.problem_kind, p.reason, p.advice, p.retry_class,"
        " p.since_ns, p.due_ns, p.attempts, p.source_id, p.destination_id, p.dataset_id, s.name AS source,"
        " d.name AS destination, x.uuid, x.identifier, x.name AS dataset FROM problems p"
        " LEFT JOIN sources s ON s.id = p.source_id LEFT JOIN destinations d ON d.id = p.destination_id"
        " LEFT JOIN datasets x ON x.id = p.dataset_id WHERE p.is_open = 1"
    ),
)
