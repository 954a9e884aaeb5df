"""Who writes to a journal on a PostgreSQL server."""

from __future__ import annotations

from typing import Any, cast

import sqlalchemy as sa

from agent.journal import Journal
from agent.ledger.postgres import HOLDER


def server_holder(journal: Journal) -> str | None:
    """The session that holds the lease; ``""`` when none does, None where the server does not say."""
    rows = journal.table(cast("sa.Select[Any]", sa.text(HOLDER)))
    return str(rows[0]["application_name"] or "an unnamed session") if rows else ""
