"""A laboratory with several campaigns: outbox, inbox and the chain's tip; projections that say more.

What is projected is dropped and made anew: whoever migrates fills it from the events.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TEXT: dict[str, str] = {
    "campaigns": "name phase reason by config space_version software checkpoint notes plan_error created_at "
    "changed_at ended_at",
    "proposals": "campaign phase formula crystal process pool digest body created_at expires_at recipe_hash "
    "limits_version cost votes verdict decided_by decided_at reason audit experiment",
    "experiments": "campaign proposal phase step job sample queued_at outcome reason found held_code held_reason "
    "ended_at",
    "jobs": "experiment step instrument command state dispatched_at ended_at error",
    "samples": "experiment campaign place state since",
    "sample_history": "at place state by reason",
    "decisions": "at user subject what code message envelope",
    "lab": "stopped_by stop_reason stopped_at mode software boot limits_version started_at left_at",
    "instruments": "by reason since",
}
_INT = {"campaigns": "round", "proposals": "round revision quorum", "jobs": "attempt tries"}
_FLOAT = {
    "proposals": "acquisition expected",
    "experiments": "hardness hardness_std porosity porosity_std grain_size grain_size_std",
    "jobs": "elapsed_s",
}
_FLAG = {
    "experiments": "amended retracted",
    "decisions": "accepted",
    "lab": "stopped",
    "instruments": "maintenance",
}
_KEYS = {
    "campaigns": ("campaign",),
    "proposals": ("proposal",),
    "experiments": ("experiment",),
    "jobs": ("job",),
    "samples": ("sample",),
    "sample_history": ("sample", "seq"),
    "decisions": ("seq",),
    "lab": ("lab",),
    "instruments": ("instrument",),
}
_INDEXED = (
    ("proposals", "campaign"), ("proposals", "phase"), ("experiments", "campaign"), ("experiments", "phase"),
    ("jobs", "experiment"), ("jobs", "state"), ("decisions", "subject"),
)  # fmt: skip


def upgrade() -> None:
    """Make the new tables, and the projections in their new form, empty."""
    op.create_table(
        "tip",
        sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_table(
        "inbox",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
    )
    for table in ("jobs", "experiments", "proposals"):
        op.drop_table(table)
    for table, keys in _KEYS.items():
        op.create_table(table, *_columns(table, keys))
    for table, column in _INDEXED:
        op.create_index(f"ix_{table}_{column}", table, [column])


def _columns(table: str, keys: tuple[str, ...]) -> list[sa.Column[Any]]:
    found: list[sa.Column[Any]] = []
    for key in keys:
        kind: type[sa.types.TypeEngine[Any]] = sa.Integer if key == "seq" else sa.Text
        found.append(sa.Column(key, kind(), primary_key=True, autoincrement=False))
    for names, kind in ((_TEXT, sa.Text), (_INT, sa.Integer), (_FLOAT, sa.Float), (_FLAG, sa.Boolean)):
        found += [sa.Column(name, kind()) for name in names.get(table, "").split()]
    return found


def downgrade() -> None:
    """Not offered: an older release cannot read what this one writes.

    Raises:
        NotImplementedError: always; a backup from before the upgrade is the way back.
    """
    raise NotImplementedError("restore a backup from before the upgrade")
