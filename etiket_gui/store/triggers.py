"""What the store keeps by itself beside the datasets: the keys of table order_keys, by triggers on what they are of."""

from __future__ import annotations

# The three numbers of a version as one, for comparing: 1.10.0 is newer than 1.9.0.
_REST = "substr(version, instr(version, '.') + 1)"
_VERSION = (
    "CAST(version AS INTEGER) * 1000000000000"
    f" + CAST({_REST} AS INTEGER) * 1000000"
    f" + CAST(substr({_REST}, instr({_REST}, '.') + 1) AS INTEGER)"
)
_OF_TRANSFERS = f"max(archived_ns), max({_VERSION}) FROM transfers WHERE dataset_id"
_KEEP_TRANSFERS = (
    "INSERT INTO order_keys (dataset_id, archived_ns, version_key)"
    f" SELECT new.dataset_id, {_OF_TRANSFERS} = new.dataset_id ON CONFLICT (dataset_id)"
    " DO UPDATE SET archived_ns = excluded.archived_ns, version_key = excluded.version_key;"
)
_KEEP_KEYWORDS = (
    "INSERT INTO order_keys (dataset_id, keywords) VALUES (new.dataset_id, {value}) ON CONFLICT (dataset_id)"
    " DO UPDATE SET keywords = excluded.keywords;"
)
_KEYWORDS = "json_extract(new.content, '$.keywords')"
_HAS_KEYWORDS = "json_extract(new.content, '$.keywords[0]') IS NOT NULL"

TRIGGERS: tuple[str, ...] = (
    (
        "CREATE TRIGGER tr_transfers_archived AFTER UPDATE OF archived_ns, version ON transfers"
        " WHEN new.archived_ns IS NOT old.archived_ns OR new.version IS NOT old.version"
        f" BEGIN {_KEEP_TRANSFERS} END"
    ),
    (
        "CREATE TRIGGER tr_transfers_added AFTER INSERT ON transfers"
        f" WHEN new.archived_ns IS NOT NULL OR new.version IS NOT NULL BEGIN {_KEEP_TRANSFERS} END"
    ),
    (
        "CREATE TRIGGER tr_transfers_removed AFTER DELETE ON transfers"
        " WHEN old.archived_ns IS NOT NULL OR old.version IS NOT NULL BEGIN UPDATE order_keys"
        f" SET (archived_ns, version_key) = (SELECT {_OF_TRANSFERS} = old.dataset_id)"
        " WHERE dataset_id = old.dataset_id; END"
    ),
    (
        f"CREATE TRIGGER tr_descriptions_added AFTER INSERT ON descriptions WHEN {_HAS_KEYWORDS}"
        f" BEGIN {_KEEP_KEYWORDS.format(value=_KEYWORDS)} END"
    ),
    (
        "CREATE TRIGGER tr_descriptions_changed AFTER UPDATE OF content ON descriptions"
        f" WHEN {_KEYWORDS} IS NOT json_extract(old.content, '$.keywords')"
        f" BEGIN {_KEEP_KEYWORDS.format(value=f'CASE WHEN {_HAS_KEYWORDS} THEN {_KEYWORDS} END')} END"
    ),
)
