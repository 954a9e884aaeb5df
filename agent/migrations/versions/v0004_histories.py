"""Events by the experiment that they are about: a history is told without going through the whole journal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, empty: whoever migrates fills it from the events."""
    op.create_table(
        "experiment_events",
        sa.Column("experiment", sa.Text(), primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
    )


def downgrade() -> None:
    """Not offered: an older release cannot read what this one writes.

    Raises:
        NotImplementedError: always; a backup from before the upgrade is the way back.
    """
    raise NotImplementedError("restore a backup from before the upgrade")
