"""What an agent sees of instruments that others order from, too."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agent.core.messages import InstrumentView
from agent.world import world_of


def client(presence: str, jobs: list[str], places: int = 1) -> Any:
    return SimpleNamespace(
        instruments={"furnace-1": SimpleNamespace(kind="furnace", max_concurrency=places)},
        presence=lambda _iid: presence,
        open_jobs=lambda _iid: dict.fromkeys(jobs),
    )


@pytest.mark.parametrize(
    ("presence", "jobs", "places", "code"),
    [
        ("online", [], 1, ""),
        ("busy", ["ours"], 1, ""),
        ("busy", ["theirs"], 1, "instrument_busy"),
        ("busy", ["theirs"], 2, ""),
        ("busy", ["theirs", "ours", "theirs too"], 2, "instrument_busy"),
        ("busy", [], 1, ""),  # our job has ended a moment ago
        ("online", ["theirs"], 1, ""),  # what is left on the bus of an instrument that lost its journal
        ("error", ["ours"], 1, "instrument_error"),
        ("stale", [], 1, "instrument_stale"),
    ],
)
def test_an_instrument_that_works_for_somebody_else_is_busy(
    presence: str, jobs: list[str], places: int, code: str
) -> None:
    (view,) = world_of(client(presence, jobs, places), None, ours={"ours"}).values()
    assert (view.code, view.places, view.kind) == (code, places, "furnace")
    assert bool(view.reason) == bool(code)


def test_where_nobody_else_orders_nobody_is_told_apart() -> None:
    assert world_of(client("busy", ["x"]), None) == {"furnace-1": InstrumentView("furnace", 1, "", "")}
    assert world_of(client("busy", ["x"]), frozenset()) == {}
