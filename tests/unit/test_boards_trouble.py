"""A board that cannot be told keeps nothing else waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boards_town import Town

from agent.daemon.boards import TRIES
from agent.journal import Journal
from envs.errors import InstrumentError, JournalError
from instruments.messages import Payload


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Journal(tmp_path, write=True) as journal:
        yield Town(journal)


FAULTS = [ValueError("no message can hold this"), KeyError("phase"), TypeError("float"), InstrumentError("malformed")]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("what", ["laboratory", "experiment_state"])
def test_a_board_that_cannot_be_made_keeps_no_other_waiting_and_is_logged_once(
    town: Town, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str, fault: Exception
) -> None:
    first, second = town.lab.approved({}, {"temperature": 1400.0})
    town.boards.everything()
    town.say()

    def broken(*_: object, **__: object) -> Payload:
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(f"agent.daemon.boards.{what}", broken)
        for _ in range(3):
            town.boards.everything()
            town.say()
        logged = [record for record in caplog.records if "cannot be told" in record.getMessage()]
        assert len(logged) == (1 if what == "laboratory" else 2)
        town.lab.ask("ole", "maintenance", "sem-1", on=True, comment="new filament")
        order = town.lab.dispatch(first)
        town.say()
        assert ("sem-1" in town.laboratory().maintenance) == (what == "experiment_state")
        assert town.told(first).phase == ("running" if what == "laboratory" else "queued")
    town.lab.answer(order)
    assert town.told(first).step == "survey"
    assert town.told(second).phase == "queued"


def test_a_record_that_cannot_be_read_for_one_board_is_given_up_in_the_end(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    (eid,) = town.lab.approved()
    town.say()
    read = town.boards._shelf.experiment

    def unreadable(_eid: str) -> Any:
        raise JournalError("entry 5 cannot be read")

    monkeypatch.setattr(town.boards._shelf, "experiment", unreadable)
    town.boards.everything()
    for _ in range(TRIES - 1):
        with pytest.raises(JournalError):
            town.say()
    assert town.say() == 1
    assert town.say() == 0
    monkeypatch.setattr(town.boards._shelf, "experiment", read)
    town.lab.dispatch(eid)
    assert town.told(eid).phase == "running"
