"""Who writes to a journal on a PostgreSQL server."""

from __future__ import annotations

from typing import Any, cast

import sqlalchemy as sa

from agent.journal import Journal
from agent.ledger.postgres import LEASE


def server_holder(journal: Journal) -> str | None:
    """The session that holds the lease; ``""`` when none does, None where the server does not say."""
    query = sa.text(
        "SELECT a.application_name AS name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
        "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid::bigint = :lease "
        "AND l.objid::bigint = (hashtext(current_schema())::bigint & 4294967295) "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ).bindparams(lease=LEASE)
    rows = journal.table(cast("sa.Select[Any]", query))
    return str(rows[0]["name"] or "an unnamed session") if rows else ""
