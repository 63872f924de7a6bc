"""${message}."""

from alembic import op

revision = "${up_revision}"
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Bring the store from the revision before to this one."""
    ${upgrades if upgrades else "op.execute('SELECT 1')"}
