"""The first store: every table, index and view of revision 0001, as it was then."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE activity (
        id INTEGER NOT NULL,
        at_ns INTEGER DEFAULT 0 NOT NULL,
        sentence TEXT NOT NULL,
        source_id INTEGER,
        dataset_id INTEGER,
        PRIMARY KEY (id)
    )
    """,
    """
    CREATE TABLE checkpoints (
        uuid TEXT NOT NULL,
        name TEXT NOT NULL,
        state TEXT DEFAULT '{}' NOT NULL,
        PRIMARY KEY (uuid, name)
    )
     WITHOUT ROWID
    """,
    """
    CREATE TABLE counts (
        source_id INTEGER NOT NULL,
        route_id INTEGER NOT NULL,
        shown TEXT NOT NULL,
        number INTEGER DEFAULT 0 NOT NULL,
        PRIMARY KEY (source_id, route_id, shown)
    )
     WITHOUT ROWID
    """,
    """
    CREATE TABLE destinations (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        uuid TEXT NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        config TEXT DEFAULT '{}' NOT NULL,
        state TEXT DEFAULT 'new' NOT NULL,
        state_reason TEXT DEFAULT '' NOT NULL,
        last_success_ns INTEGER,
        free_bytes INTEGER,
        identity TEXT,
        is_moved INTEGER DEFAULT 0 NOT NULL,
        UNIQUE (uuid),
        UNIQUE (name)
    )
    """,
    """
    CREATE TABLE meta (
        "key" TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY ("key")
    )
    """,
    """
    CREATE TABLE problems (
        id INTEGER NOT NULL,
        kind TEXT NOT NULL,
        "key" TEXT NOT NULL,
        source_id INTEGER,
        destination_id INTEGER,
        dataset_id INTEGER,
        transfer_id INTEGER,
        title TEXT DEFAULT '' NOT NULL,
        problem_kind TEXT DEFAULT '' NOT NULL,
        reason TEXT DEFAULT '' NOT NULL,
        advice TEXT DEFAULT '' NOT NULL,
        retry_class TEXT DEFAULT '' NOT NULL,
        since_ns INTEGER DEFAULT 0 NOT NULL,
        due_ns INTEGER,
        attempts INTEGER DEFAULT 0 NOT NULL,
        is_open INTEGER DEFAULT 1 NOT NULL,
        PRIMARY KEY (id),
        UNIQUE ("key")
    )
    """,
    """
    CREATE INDEX ix_problems_dataset ON problems (dataset_id)
    """,
    """
    CREATE INDEX ix_problems_open ON problems (since_ns) WHERE is_open = 1
    """,
    """
    CREATE TABLE sources (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        uuid TEXT NOT NULL,
        name TEXT NOT NULL,
        backend TEXT NOT NULL,
        config TEXT DEFAULT '{}' NOT NULL,
        is_enabled INTEGER DEFAULT 1 NOT NULL,
        state TEXT DEFAULT 'new' NOT NULL,
        state_reason TEXT DEFAULT '' NOT NULL,
        root_place TEXT DEFAULT '' NOT NULL,
        cursor TEXT DEFAULT '{}' NOT NULL,
        last_scan_ns INTEGER,
        last_scan_duration_s FLOAT DEFAULT 0 NOT NULL,
        seen_count INTEGER DEFAULT 0 NOT NULL,
        stray_files INTEGER DEFAULT 0 NOT NULL,
        missed_by_watcher INTEGER DEFAULT 0 NOT NULL,
        held_reason TEXT DEFAULT '' NOT NULL,
        UNIQUE (uuid),
        UNIQUE (name)
    )
    """,
    """
    CREATE TABLE datasets (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        uuid TEXT NOT NULL,
        source_id INTEGER NOT NULL,
        identifier TEXT NOT NULL,
        birth_ordinal INTEGER DEFAULT 1 NOT NULL,
        previous_identifiers TEXT DEFAULT '[]' NOT NULL,
        name TEXT DEFAULT '' NOT NULL,
        collected_ns INTEGER,
        run_state TEXT DEFAULT 'complete' NOT NULL,
        is_gone INTEGER DEFAULT 0 NOT NULL,
        is_ignored INTEGER DEFAULT 0 NOT NULL,
        shown TEXT,
        fingerprint INTEGER DEFAULT 0 NOT NULL,
        settled_fingerprint INTEGER,
        manifest_fingerprint INTEGER,
        place TEXT DEFAULT '' NOT NULL,
        size_bytes INTEGER DEFAULT 0 NOT NULL,
        file_count INTEGER DEFAULT 0 NOT NULL,
        newest_change_ns INTEGER DEFAULT 0 NOT NULL,
        looked_at_ns INTEGER DEFAULT 0 NOT NULL,
        found_ns INTEGER DEFAULT 0 NOT NULL,
        is_described INTEGER DEFAULT 0 NOT NULL,
        UNIQUE (source_id, identifier),
        UNIQUE (uuid),
        FOREIGN KEY(source_id) REFERENCES sources (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX ix_datasets_name ON datasets (name)
    """,
    """
    CREATE INDEX ix_datasets_newest ON datasets (source_id, newest_change_ns)
    """,
    """
    CREATE INDEX ix_datasets_place ON datasets (source_id, place)
    """,
    """
    CREATE INDEX ix_datasets_unfinished ON datasets (newest_change_ns) WHERE shown <> 'archived'
    """,
    """
    CREATE INDEX ix_datasets_unsettled ON datasets (source_id)
        WHERE settled_fingerprint IS NOT fingerprint AND is_gone = 0
    """,
    """
    CREATE TABLE routes (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        source_id INTEGER NOT NULL,
        destination_id INTEGER NOT NULL,
        scope TEXT DEFAULT '' NOT NULL,
        UNIQUE (source_id, destination_id),
        FOREIGN KEY(source_id) REFERENCES sources (id) ON DELETE CASCADE,
        FOREIGN KEY(destination_id) REFERENCES destinations (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX ix_routes_destination ON routes (destination_id)
    """,
    """
    CREATE TABLE descriptions (
        dataset_id INTEGER NOT NULL,
        content TEXT DEFAULT '{}' NOT NULL,
        search_text TEXT DEFAULT '' NOT NULL,
        PRIMARY KEY (dataset_id),
        FOREIGN KEY(dataset_id) REFERENCES datasets (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE files (
        dataset_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        kind TEXT DEFAULT 'file' NOT NULL,
        size_bytes INTEGER DEFAULT 0 NOT NULL,
        mtime_ns INTEGER DEFAULT 0 NOT NULL,
        ctime_ns INTEGER DEFAULT 0 NOT NULL,
        inode INTEGER DEFAULT 0 NOT NULL,
        is_executable INTEGER DEFAULT 0 NOT NULL,
        sha256 BLOB,
        link_target TEXT,
        PRIMARY KEY (dataset_id, name),
        FOREIGN KEY(dataset_id) REFERENCES datasets (id) ON DELETE CASCADE
    )
     WITHOUT ROWID
    """,
    """
    CREATE TABLE transfers (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        dataset_id INTEGER NOT NULL,
        route_id INTEGER NOT NULL,
        state TEXT NOT NULL,
        shown TEXT,
        reason TEXT DEFAULT '' NOT NULL,
        problem_kind TEXT,
        retry_class TEXT,
        due_ns INTEGER,
        attempts INTEGER DEFAULT 0 NOT NULL,
        order_ns INTEGER DEFAULT 0 NOT NULL,
        size_bytes INTEGER DEFAULT 0 NOT NULL,
        is_large INTEGER DEFAULT 0 NOT NULL,
        claimed_ns INTEGER,
        claim_fingerprint INTEGER,
        sent_fingerprint INTEGER,
        digest TEXT,
        remote TEXT,
        version TEXT,
        level TEXT,
        derived_version TEXT,
        archived_ns INTEGER,
        verified_at_ns INTEGER,
        proven_at_ns INTEGER,
        UNIQUE (dataset_id, route_id),
        FOREIGN KEY(dataset_id) REFERENCES datasets (id) ON DELETE CASCADE,
        FOREIGN KEY(route_id) REFERENCES routes (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX ix_transfers_claimed ON transfers (route_id) WHERE claimed_ns IS NOT NULL
    """,
    """
    CREATE INDEX ix_transfers_due ON transfers (due_ns) WHERE due_ns IS NOT NULL
    """,
    """
    CREATE INDEX ix_transfers_proven ON transfers (route_id, proven_at_ns)
        WHERE state = 'archived' AND proven_at_ns IS NOT NULL
    """,
    """
    CREATE INDEX ix_transfers_queue ON transfers (route_id, shown, is_large, order_ns)
    """,
    """
    CREATE INDEX ix_transfers_underived ON transfers (route_id)
        WHERE state = 'archived' AND derived_version IS NOT version
    """,
    """
    CREATE INDEX ix_transfers_unproven ON transfers (route_id, verified_at_ns)
        WHERE state = 'archived' AND proven_at_ns IS NULL
    """,
    """
    CREATE TABLE receipts (
        id INTEGER NOT NULL,
        transfer_id INTEGER NOT NULL,
        dataset_id INTEGER NOT NULL,
        destination_id INTEGER DEFAULT 0 NOT NULL,
        version TEXT NOT NULL,
        digest TEXT NOT NULL,
        level TEXT NOT NULL,
        received_ns INTEGER DEFAULT 0 NOT NULL,
        file_count INTEGER DEFAULT 0 NOT NULL,
        size_bytes INTEGER DEFAULT 0 NOT NULL,
        new_bytes INTEGER DEFAULT 0 NOT NULL,
        is_provisional INTEGER DEFAULT 0 NOT NULL,
        files BLOB NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (transfer_id, version),
        FOREIGN KEY(transfer_id) REFERENCES transfers (id) ON DELETE CASCADE,
        FOREIGN KEY(dataset_id) REFERENCES datasets (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX ix_receipts_dataset ON receipts (dataset_id)
    """,
    """
    CREATE VIEW status_counts AS
        SELECT c.source_id, s.name AS source, c.route_id, r.destination_id, d.name AS destination, c.shown, c.number
        FROM counts c
        JOIN sources s ON s.id = c.source_id
        LEFT JOIN routes r ON r.id = c.route_id
        LEFT JOIN destinations d ON d.id = r.destination_id
        WHERE c.number <> 0
    """,
    """
    CREATE VIEW open_problems AS
        SELECT p.id, p.kind, p.title, p.problem_kind, p.reason, p.advice, p.retry_class, p.since_ns, p.due_ns,
            p.attempts, p.source_id, p.destination_id, p.dataset_id, s.name AS source, d.name AS destination,
            x.uuid, x.identifier, x.name AS dataset
        FROM problems p
        LEFT JOIN sources s ON s.id = p.source_id
        LEFT JOIN destinations d ON d.id = p.destination_id
        LEFT JOIN datasets x ON x.id = p.dataset_id
        WHERE p.is_open = 1
    """,
)


def upgrade() -> None:
    """Make the tables, indices and views."""
    for statement in STATEMENTS:
        op.execute(statement)
