"""Reading the files again: keys count whatever else is wrong, and whoever asked is told how it went."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from desk_bench import LabTime
from lab_bench import NOW

from agent import core
from agent import events as ev
from agent.daemon.config import load_lab
from agent.daemon.office import Office
from agent.daemon.reload import Reload
from agent.daemon.rules_of import lab_rules
from agent.desk import Desk
from agent.identity import IdentityStore, People
from agent.journal import Journal
from agent.registry import Registry
from agent.roles import Role
from envs.errors import JournalError
from instruments.profile.agent_messages import Reference

FILE = """
[lab]
name = "hall-3"
people = "people"
free_disk_mb = {free}
[broker]
url = "mqtt://agent@{broker}"
[limits.furnace-1]
kind = "furnace"
commands.sinter = {{}}
"""
MORE = '[limits.furnace-2]\nkind = "furnace"\ncommands.sinter = {}\n'
ADA = Reference(kind="request", id="0" * 32)


class Hall:
    """A house and an office without a bus; who asked for the reload is ada, over the bus."""

    def __init__(self, directory: Path, journal: Any) -> None:
        self.file = directory / "LAB.toml"
        self.answers: list[tuple[Reference | None, str, str, bool]] = []
        store = IdentityStore(directory / "identities", cost=2**4)
        store.create("ann", Role.APPROVER, "a password")
        self.write()
        config = load_lab(self.file)
        self.registry = Registry(config.people)
        self.registry.add(store.public_path("ann"))
        rules = lab_rules(config, People.from_directory(config.people), {}, mode="live")
        now: Any = SimpleNamespace(now=NOW)
        self.journal = journal
        self.desk = Desk(journal, rules, LabTime(now))
        self.house: Any = SimpleNamespace(
            launch=SimpleNamespace(path=self.file, mode="live", read=load_lab), config=config, facts={}, configs={},
            desk=self.desk, disk=SimpleNamespace(reserve=0), store=SimpleNamespace(reserve=0),
            log=SimpleNamespace(reopen=lambda: None, set_level=lambda _level: None),
        )  # fmt: skip
        self.office: Any = SimpleNamespace(
            ears=SimpleNamespace(asked=[]), mouth=SimpleNamespace(answer=self._answer), admit=lambda _people: []
        )

    async def _answer(self, *answer: Any) -> None:
        self.answers.append(answer)

    def write(self, *, free: float = 500.0, broker: str = "127.0.0.1", more: str = "") -> None:
        self.file.write_text(FILE.format(free=free, broker=broker) + more)

    def revoke(self) -> None:
        self.registry.revoke("ann", datetime.now(UTC))

    def reload(self, *, asked: bool = True) -> None:
        self.office.ears.asked = [("ada", ADA)] if asked else []
        asyncio.run(Reload(self.house, self.office)())

    @property
    def changed(self) -> list[ev.LabChanged]:
        return [s.event for s in self.journal.read() if isinstance(s.event, ev.LabChanged)]


@pytest.fixture
def hall(tmp_path: Path) -> Any:
    with Journal(tmp_path / "state", write=True) as journal:
        yield Hall(tmp_path, journal)


def test_a_key_that_was_revoked_is_lost_even_where_the_file_does_not_fit(hall: Hall) -> None:
    hall.revoke()
    hall.write(broker="127.0.0.2")
    hall.reload()
    people = hall.desk.rules.people
    assert isinstance(people, People)
    assert [bool(person.revoked) for person in people] == [True]
    ((reference, kind, words, good),) = hall.answers
    assert (reference, kind, good) == (ADA, "request.refused", False)
    assert "broker.url" in words
    assert "key of ann revoked" in words
    assert [(e.words, e.by) for e in hall.changed] == [("key of ann revoked", "ada")]


def test_a_file_that_is_no_toml_keeps_no_revocation_back(hall: Hall) -> None:
    hall.revoke()
    hall.file.write_text("[lab")
    hall.reload(asked=False)
    assert hall.changed[0].by == "config-file"
    assert hall.answers[0][:2] == (None, "reload.refused")


def test_a_reload_is_told_and_recorded_and_takes_more_than_the_rules(hall: Hall) -> None:
    before = hall.desk.rules.limits.version
    hall.write(free=5000.0, more=MORE)
    hall.reload()
    ((_, kind, words, good),) = hall.answers
    assert (kind, good) == ("request.accepted", True)
    assert words == "lab.free_disk_mb; limits"
    assert hall.house.disk.reserve == hall.house.store.reserve == 5_000_000_000
    (changed,) = hall.changed
    assert changed.limits_version == hall.desk.rules.limits.version != before
    assert changed.words == "lab.free_disk_mb, limits"


def test_a_reload_that_finds_nothing_new_writes_nothing(hall: Hall) -> None:
    hall.reload()
    assert hall.answers[0][1:] == ("request.accepted", "nothing changed", True)
    assert hall.changed == []


def test_what_could_not_be_recorded_is_found_again(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_message: core.Message) -> None:
        raise JournalError("the disk is full")

    hall.write(more=MORE)
    with monkeypatch.context() as patched:
        patched.setattr(hall.desk, "tell", full)
        hall.reload()
    assert hall.answers[0][3] is False
    hall.reload()
    assert hall.changed[0].words == "limits"


def test_an_instrument_that_a_reload_allows_is_seen(hall: Hall) -> None:
    described = SimpleNamespace(kind="furnace", max_concurrency=1)
    client = SimpleNamespace(instruments={"furnace-2": described}, presence=lambda _iid: "online")
    office: Any = SimpleNamespace(
        _bus=SimpleNamespace(client=client, virtual=None, transport=SimpleNamespace(connected=True)),
        _house=SimpleNamespace(desk=hall.desk, disk=SimpleNamespace(held=lambda: None)),
    )
    assert list(Office.world(office)) == []
    hall.write(more=MORE)
    hall.reload()
    assert list(Office.world(office)) == ["furnace-2"]
