"""Rows of the journal's projections that the daemon publishes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from agent.journal import Journal
from agent.ledger.tables import campaigns, proposals


class JournalShelf:
    """Reads the projections of an open journal.

    Args:
        journal: it.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def proposal(self, pid: str) -> dict[str, Any] | None:
        """A proposal's row; None when there is none."""
        rows = self._journal.table(sa.select(proposals).where(proposals.c.proposal == pid))
        return rows[0] if rows else None

    def proposals(self, pids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Rows of several proposals by their ids; without those that there are not."""
        rows = self._journal.table(sa.select(proposals).where(proposals.c.proposal.in_(pids)))
        return {str(row["proposal"]): row for row in rows}

    def body(self, pid: str) -> str:
        """A proposal's body as it was published; empty when there is none of that id."""
        row = self.proposal(pid)
        return str(row["body"] or "") if row else ""

    def config(self, campaign: str) -> dict[str, Any] | None:
        """What a campaign was last recorded to be; None where nothing is known."""
        rows = self._journal.table(sa.select(campaigns.c.config).where(campaigns.c.campaign == campaign))
        known = json.loads(str(rows[0]["config"] or "{}")) if rows else {}
        return known or None

    def decided(self, newest: int) -> Sequence[str]:
        """Ids of the published proposals that were decided last, newest first."""
        query = (
            sa.select(proposals.c.proposal)
            .where(proposals.c.decided_at.is_not(None) & proposals.c.digest.is_not(None))
            .order_by(proposals.c.decided_at.desc(), proposals.c.proposal.desc())
            .limit(newest)
        )
        return [str(row["proposal"]) for row in self._journal.table(query)]
