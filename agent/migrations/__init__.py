"""Schema of the journal, step by step (Alembic)."""
