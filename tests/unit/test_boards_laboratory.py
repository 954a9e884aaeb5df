"""What the boards tell of the laboratory: the stop, people, limits, rules, the record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from boards_town import Town
from lab_bench import HARD, NOW, TRUSTED, lab_rules, limits, person, registry

from agent import events as ev
from agent.identity import People
from agent.journal import Journal
from agent.rules.policy import ApprovalPolicy
from instruments.profile.questions import Verification


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Journal(tmp_path, write=True) as journal:
        yield Town(journal)


def test_the_stop_and_what_is_out_of_service_are_told_at_once(town: Town) -> None:
    town.lab.ask("ole", "stop-lab", comment="smoke")
    town.lab.ask("ole", "maintenance", "sem-1", on=True, comment="new filament")
    told = town.laboratory()
    assert told.stop is not None
    assert (told.stop.by, told.stop.reason, told.stop.at) == ("ole", "smoke", town.lab.now)
    assert (told.maintenance["sem-1"].by, told.maintenance["sem-1"].reason) == ("ole", "new filament")
    town.lab.ask("clara", "clear-lab")
    town.lab.ask("ole", "maintenance", "sem-1", on=False)
    told = town.laboratory()
    assert (told.stop, told.maintenance) == (None, {})


def test_people_are_told_with_keys_that_were_given_up(town: Town) -> None:
    gone = person("ben", revoked=NOW)
    others = [one for one in registry() if one.name != "ben"]
    town.lab.at.rules = replace(town.lab.rules, people=People([*others, gone]))
    town.lab.at.tell(ev.LabChanged(limits_version="x", words="key of ben revoked", by="config-file"))
    told = {one.name: one for one in town.laboratory().people}
    assert set(told) == {one.name for one in registry()}
    assert told["ben"].revoked == NOW
    assert (told["anna"].role, told["anna"].kid, told["anna"].revoked) == ("approver", person("anna").key.kid, None)


def test_limits_are_told_as_people_read_them(town: Town) -> None:
    town.boards.everything()
    told = town.laboratory()
    assert told.limits_version == limits().version
    furnace = told.limits["furnace-1"]
    assert furnace.commands == ("sinter",)
    hot = next(line for line in furnace.limits if line.parameter == "temperature")
    assert (hot.low, hot.high, hot.unit, hot.text) == (20.0, 1700.0, "Cel", "temperature 20 to 1700 °C")
    assert set(told.limits) == set(limits().instruments)
    assert (told.mode, told.wall, told.decided_by) == ("live", NOW + timedelta(days=9), ())


def test_rules_that_decide_alone_are_named(town: Town) -> None:
    own = replace(town.lab.rules.campaigns[HARD], policy=ApprovalPolicy(auto=TRUSTED))
    town.lab.at.rules = lab_rules({HARD: own})
    town.boards.everything()
    assert town.laboratory().decided_by == ("policy:mild",)


def test_the_record_is_told_with_how_far_it_was_followed(town: Town) -> None:
    begun = town.journal.seq
    town.lab.approved()
    town.boards.everything()
    record = town.laboratory().record
    assert (record.entries, record.tip) == (town.journal.seq, town.journal.hash)
    assert (record.verified_to, record.verified_at, record.whole) == (begun, NOW, True)
    assert begun < record.entries
    town.boards.look()
    assert town.say() == 0, "nothing was written since"
    town.lab.ask("vera", "stop-lab")
    town.boards.look()
    assert town.laboratory().record.entries == town.journal.seq
    town.boards.verified(Verification(whole=True, entries=town.journal.seq, signatures=2))
    record = town.laboratory().record
    assert (record.verified_to, record.whole) == (town.journal.seq, True)
    assert "2 signatures were judged again" in record.text
    town.boards.verified(Verification(whole=False, entries=9, faults=("event 3 was changed",)))
    record = town.laboratory().record
    assert (record.verified_to, record.whole, record.text) == (town.journal.seq, False, "event 3 was changed")
