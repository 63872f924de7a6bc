"""Alembic migrations of the store, packed into the wheel."""
