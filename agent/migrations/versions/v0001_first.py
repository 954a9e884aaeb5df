"""The first schema: events, and the projections that people query."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "events",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("stream", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.UniqueConstraint("stream", "version"),
    )
    op.create_table(
        "proposals",
        sa.Column("proposal", sa.String(64), primary_key=True),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("formula", sa.String(64), nullable=False),
        sa.Column("crystal", sa.String(64), nullable=False),
        sa.Column("process", sa.Text, nullable=False),
        sa.Column("pool", sa.String(32), nullable=False),
        sa.Column("acquisition", sa.Float),
        sa.Column("expected", sa.Float),
        sa.Column("verdict", sa.String(16)),
        sa.Column("decided_by", sa.String(64)),
    )
    op.create_table(
        "experiments",
        sa.Column("experiment", sa.String(64), primary_key=True),
        sa.Column("proposal", sa.String(64), sa.ForeignKey("proposals.proposal"), nullable=False),
        sa.Column("outcome", sa.String(32)),
        sa.Column("reason", sa.Text),
        sa.Column("hardness", sa.Float),
        sa.Column("hardness_std", sa.Float),
        sa.Column("porosity", sa.Float),
        sa.Column("porosity_std", sa.Float),
        sa.Column("grain_size", sa.Float),
        sa.Column("grain_size_std", sa.Float),
        sa.Column("ended_at", sa.String(40)),
    )
    op.create_table(
        "jobs",
        sa.Column("job", sa.String(64), primary_key=True),
        sa.Column("experiment", sa.String(64), nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("instrument", sa.String(64), nullable=False),
        sa.Column("command", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
    )


def downgrade() -> None:
    """Drop all tables."""
    for table in ("jobs", "experiments", "proposals", "events"):
        op.drop_table(table)
