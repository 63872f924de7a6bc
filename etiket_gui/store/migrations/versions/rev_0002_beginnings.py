"""A source may begin with a date: what is older is ignored."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of beginnings."""
    op.execute(
        """
        CREATE TABLE beginnings (
            source_id INTEGER NOT NULL,
            since_ns INTEGER DEFAULT 0 NOT NULL,
            PRIMARY KEY (source_id),
            FOREIGN KEY(source_id) REFERENCES sources (id) ON DELETE CASCADE
        )
        """
    )
