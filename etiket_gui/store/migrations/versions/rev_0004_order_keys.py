"""What datasets are put in order by is kept beside them, so that a million are in order within a moment."""

from alembic import op

revision = "0004"
down_revision = "0003"

_VERSION = (
    "CAST({v} AS INTEGER) * 1000000000000"
    " + CAST(substr({v}, instr({v}, '.') + 1) AS INTEGER) * 1000000"
    " + CAST(substr(substr({v}, instr({v}, '.') + 1), instr(substr({v}, instr({v}, '.') + 1), '.') + 1) AS INTEGER)"
).format(v="version")

STATEMENTS = (
    """
    CREATE TABLE order_keys (
        dataset_id INTEGER NOT NULL,
        archived_ns INTEGER,
        version_key INTEGER,
        keywords TEXT,
        PRIMARY KEY (dataset_id),
        FOREIGN KEY(dataset_id) REFERENCES datasets (id) ON DELETE CASCADE
    )
    """,
    f"""
    CREATE TRIGGER tr_transfers_archived AFTER UPDATE OF archived_ns, version ON transfers
    WHEN new.archived_ns IS NOT old.archived_ns OR new.version IS NOT old.version
    BEGIN
        INSERT INTO order_keys (dataset_id, archived_ns, version_key)
        SELECT new.dataset_id, max(archived_ns), max({_VERSION}) FROM transfers WHERE dataset_id = new.dataset_id
        ON CONFLICT (dataset_id) DO UPDATE SET archived_ns = excluded.archived_ns, version_key = excluded.version_key;
    END
    """,
    f"""
    CREATE TRIGGER tr_transfers_added AFTER INSERT ON transfers
    WHEN new.archived_ns IS NOT NULL OR new.version IS NOT NULL
    BEGIN
        INSERT INTO order_keys (dataset_id, archived_ns, version_key)
        SELECT new.dataset_id, max(archived_ns), max({_VERSION}) FROM transfers WHERE dataset_id = new.dataset_id
        ON CONFLICT (dataset_id) DO UPDATE SET archived_ns = excluded.archived_ns, version_key = excluded.version_key;
    END
    """,
    f"""
    CREATE TRIGGER tr_transfers_removed AFTER DELETE ON transfers
    WHEN old.archived_ns IS NOT NULL OR old.version IS NOT NULL
    BEGIN
        UPDATE order_keys SET (archived_ns, version_key) = (
            SELECT max(archived_ns), max({_VERSION}) FROM transfers WHERE dataset_id = old.dataset_id
        ) WHERE dataset_id = old.dataset_id;
    END
    """,
    """
    CREATE TRIGGER tr_descriptions_added AFTER INSERT ON descriptions
    WHEN json_extract(new.content, '$.keywords[0]') IS NOT NULL
    BEGIN
        INSERT INTO order_keys (dataset_id, keywords)
        VALUES (new.dataset_id, json_extract(new.content, '$.keywords'))
        ON CONFLICT (dataset_id) DO UPDATE SET keywords = excluded.keywords;
    END
    """,
    """
    CREATE TRIGGER tr_descriptions_changed AFTER UPDATE OF content ON descriptions
    WHEN json_extract(new.content, '$.keywords') IS NOT json_extract(old.content, '$.keywords')
    BEGIN
        INSERT INTO order_keys (dataset_id, keywords)
        VALUES (
            new.dataset_id,
            CASE WHEN json_extract(new.content, '$.keywords[0]') IS NOT NULL
                THEN json_extract(new.content, '$.keywords') END
        )
        ON CONFLICT (dataset_id) DO UPDATE SET keywords = excluded.keywords;
    END
    """,
    f"""
    INSERT INTO order_keys (dataset_id, archived_ns, version_key, keywords)
    SELECT d.id, t.archived_ns, t.version_key,
        CASE WHEN json_extract(x.content, '$.keywords[0]') IS NOT NULL
            THEN json_extract(x.content, '$.keywords') END
    FROM datasets d
    LEFT JOIN (
        SELECT dataset_id, max(archived_ns) AS archived_ns, max({_VERSION}) AS version_key
        FROM transfers GROUP BY dataset_id
    ) t ON t.dataset_id = d.id
    LEFT JOIN descriptions x ON x.dataset_id = d.id
    WHERE t.archived_ns IS NOT NULL OR t.version_key IS NOT NULL
        OR json_extract(x.content, '$.keywords[0]') IS NOT NULL
    """,
    """
    CREATE INDEX ix_order_keys_keywords ON order_keys (keywords COLLATE "NOCASE") WHERE keywords IS NOT NULL
    """,
    """
    DROP INDEX ix_datasets_name
    """,
    """
    CREATE INDEX ix_datasets_name ON datasets (name COLLATE "NOCASE")
    """,
)


def upgrade() -> None:
    """Make the table, fill it, and have the store keep it by itself."""
    for statement in STATEMENTS:
        op.execute(statement)
