"""What cannot be told, or not yet, keeps nothing else waiting; what was told is not told again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from desk_bench import FullDisk
from lab_bench import HARD
from test_publish import Town

from agent import core
from agent.core.messages import Effect
from agent.daemon.standing import campaign_state
from agent.journal import Journal
from envs.errors import JournalError
from instruments.errors import TransportError


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Journal(tmp_path, write=True) as journal:
        yield Town(FullDisk(journal))


def test_what_no_message_can_hold_stays_and_everything_else_is_told(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = town.lab.plan({}, {"temperature": 1500.0})
    row = town.mouth._row

    def odd(pid: str) -> Any:
        if pid == bad:
            raise ValueError("a name of 70 characters")
        return row(pid)

    monkeypatch.setattr(town.mouth, "_row", odd)
    town.mouth.everything()
    town.run()
    assert set(town.kept("proposal")) == {good}
    assert town.lab.told == {Effect("proposal", bad)}
    assert town.mouth.waiting == 0


def test_what_was_told_before_the_line_broke_is_settled(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = town.lab.plan({}, {"temperature": 1500.0})
    real = town.transport.publish

    async def breaks(topic: str, payload: bytes, **more: Any) -> None:
        if topic.endswith(second):
            raise TransportError("too many messages wait for the broker")
        await real(topic, payload, **more)

    monkeypatch.setattr(town.transport, "publish", breaks)
    with pytest.raises(TransportError):
        town.drain()
    assert town.lab.told == {Effect("proposal", second)}
    monkeypatch.setattr(town.transport, "publish", real)
    town.drain()
    assert town.lab.told == set()
    assert set(town.kept("proposal")) == {first, second}


def test_what_could_not_be_settled_is_settled_later(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.lab.plan({})
    settle = town.journal._journal.settle

    def full(*_: Any, **__: Any) -> None:
        raise JournalError("the disk is full")

    monkeypatch.setattr(town.journal._journal, "settle", full)
    with pytest.raises(JournalError):
        town.drain()
    monkeypatch.setattr(town.journal._journal, "settle", settle)
    town.drain()
    assert town.lab.told == set()


def test_a_kind_with_a_long_name_has_a_budget_too(town: Town) -> None:
    town.lab.plan({})
    state = town.lab.state
    campaign = state.campaigns[HARD]
    campaign.spent = replace(campaign.spent, hours={64 * "x": 1.5})
    told = campaign_state(state, town.lab.rules, HARD, boot="b", seq=1, now=town.lab.now)
    assert told.budget[58 * "x" + "_hours"].used == 1.5
    assert isinstance(state, core.LabState)
