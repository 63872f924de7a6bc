"""A destination remembers how large its disk is, beside how much of it is free."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the column; the next probe fills it."""
    op.execute("ALTER TABLE destinations ADD COLUMN total_bytes INTEGER")
