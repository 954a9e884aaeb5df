"""What is stored: the events, what has still to be told, what was handled, and the tables that people query.

All times are RFC 3339 in UTC, as text; everything composite is JSON, as text: the same bytes in either database.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key)


def _int(name: str, *, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=key, autoincrement=False)


def _float(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Float)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean)


events = sa.Table(
    "events", metadata,
    _int("seq", key=True), _text("stream"), _int("version"), _text("kind"), _text("at"), _text("payload"),
    _text("hash"),
)  # fmt: skip
tip = sa.Table("tip", metadata, _int("one", key=True), _int("seq"), _text("hash"))
"""One row: the last event, so that its loss is seen too."""
outbox = sa.Table(
    "outbox", metadata, _text("kind", key=True), _text("key", key=True), _int("place"), _int("seq"), _text("at")
)
"""``place`` is the order of insertion, ``seq`` the last event when it was last put."""
inbox = sa.Table("inbox", metadata, _text("source", key=True), _text("id", key=True), _text("at"))

# ---- Rebuilt from the events alone

lab = sa.Table(
    "lab", metadata,
    _text("lab", key=True), _flag("stopped"), _text("stopped_by"), _text("stop_reason"), _text("stopped_at"),
    _text("mode"), _text("software"), _text("boot"), _text("limits_version"), _text("started_at"), _text("left_at"),
)  # fmt: skip
instruments = sa.Table(
    "instruments", metadata,
    _text("instrument", key=True), _flag("maintenance"), _text("by"), _text("reason"), _text("since"),
)  # fmt: skip
campaigns = sa.Table(
    "campaigns", metadata,
    _text("campaign", key=True), _text("name"), _text("phase"), _text("reason"), _text("by"), _text("config"),
    _text("space_version"), _text("software"), _int("round"), _text("checkpoint"), _text("notes"),
    _text("plan_error"), _text("created_at"), _text("changed_at"), _text("ended_at"),
)  # fmt: skip
proposals = sa.Table(
    "proposals", metadata,
    _text("proposal", key=True), _text("campaign"), _text("phase"), _int("round"), _text("formula"), _text("crystal"),
    _text("process"), _text("pool"), _float("acquisition"), _float("expected"), _int("revision"), _text("digest"),
    _text("body"), _text("created_at"), _text("expires_at"), _int("quorum"), _text("recipe_hash"),
    _text("limits_version"), _text("cost"), _text("votes"), _text("verdict"), _text("decided_by"),
    _text("decided_at"), _text("reason"), _text("audit"), _text("experiment"),
)  # fmt: skip
experiments = sa.Table(
    "experiments", metadata,
    _text("experiment", key=True), _text("campaign"), _text("proposal"), _text("phase"), _text("step"), _text("job"),
    _text("sample"), _text("queued_at"), _text("outcome"), _text("reason"), _text("found"), _flag("amended"),
    _flag("retracted"), _text("held_code"), _text("held_reason"), _float("hardness"), _float("hardness_std"),
    _float("porosity"), _float("porosity_std"), _float("grain_size"), _float("grain_size_std"), _text("ended_at"),
)  # fmt: skip
jobs = sa.Table(
    "jobs", metadata,
    _text("job", key=True), _text("experiment"), _text("step"), _int("attempt"), _int("tries"), _text("instrument"),
    _text("command"), _text("state"), _text("dispatched_at"), _text("ended_at"), _float("elapsed_s"), _text("error"),
)  # fmt: skip
samples = sa.Table(
    "samples", metadata,
    _text("sample", key=True), _text("experiment"), _text("campaign"), _text("place"), _text("state"), _text("since"),
)  # fmt: skip
sample_history = sa.Table(
    "sample_history", metadata,
    _text("sample", key=True), _int("seq", key=True), _text("at"), _text("place"), _text("state"), _text("by"),
    _text("reason"),
)  # fmt: skip
experiment_events = sa.Table("experiment_events", metadata, _text("experiment", key=True), _int("seq", key=True))
"""Which events are about an experiment: its whole history in one query."""
decisions = sa.Table(
    "decisions", metadata,
    _int("seq", key=True), _text("at"), _text("user"), _text("subject"), _text("what"), _flag("accepted"),
    _text("code"), _text("message"), _text("envelope"),
)  # fmt: skip
TABLES = (
    lab,
    instruments,
    campaigns,
    proposals,
    experiments,
    jobs,
    samples,
    sample_history,
    experiment_events,
    decisions,
)
"""The projections."""
