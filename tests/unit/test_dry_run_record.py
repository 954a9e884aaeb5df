"""A dry run begins with the record as it stands, and leaves it so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lab_bench import Bench
from quick_time import START
from recorded_lab import write

from agent import events as ev
from agent.daemon.dry_run import Pretence
from agent.daemon.lab_clock import LabClock
from agent.desk import Desk
from agent.journal import Journal, has_begun


def pretence(directory: Path) -> Pretence:
    config: Any = SimpleNamespace(journal=lambda: directory)
    return Pretence(config)


def test_it_knows_the_record_and_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    with Journal(tmp_path, write=False) as real:
        before = list(real.scan())
        known = Desk(real, Bench().rules, LabClock.system()).state
    record = pretence(tmp_path)
    desk = Desk(record, Bench().rules, LabClock.system())
    assert desk.state == known
    assert record.seq == before[-1].seq
    desk.tell(ev.CampaignCreated(campaign="new", name="", config={}, space_version="", software="dry run"))
    assert "new" in desk.state.campaigns
    assert record.seq == before[-1].seq + 1
    with Journal(tmp_path, write=False) as real:
        assert list(real.scan()) == before


def test_it_begins_with_nothing_where_there_is_no_record(tmp_path: Path) -> None:
    record = pretence(tmp_path / "state")
    assert list(record.scan()) == []
    record.append([ev.LabCleared(by="anna", reason="")], START)
    assert (record.seq, list(record.outbox())) == (1, [])
    assert not has_begun(tmp_path / "state")
