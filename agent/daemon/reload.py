"""Reading people's keys and the laboratory's file again while it runs.

Keys come first and by themselves: that one was revoked counts even where the file does not fit. Of the file what may
change does, and what may not is refused as a whole. Whoever asked is told how it went.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from agent import events as ev
from agent.crash_points import reached
from agent.daemon import logs
from agent.daemon.house import MEGABYTE, House
from agent.daemon.office import Office
from agent.daemon.rules_of import Changes, changes, lab_rules
from agent.identity import People, Person
from envs.errors import JournalError, LabwrightError

_log = logs.get("reload")
BY = "config-file"


class Reload:
    """Reads limits, budgets, policies and people's keys again.

    Args:
        house: holds what was read before.
        office: takes new campaigns up, and tells people.
    """

    def __init__(self, house: House, office: Office) -> None:
        self._house = house
        self._office = office

    async def __call__(self) -> None:
        """Do it; a file that is wrong changes nothing of what it says, and the log says what is wrong."""
        self._house.log.reopen()
        asked, self._office.ears.asked = self._office.ears.asked, []
        by = ", ".join(dict.fromkeys(user for user, _ in asked)) or BY
        good, words = True, ""
        try:
            words = self._read_people(self._house.config.people, by)
            words = "; ".join(filter(None, (words, await self._read_file(by)))) or "nothing changed"
            _log.info("reloaded", changes=words)
        except LabwrightError as error:
            good = False
            _log.error("not reloaded: the file's part stays as it was", reason=str(error), counts=words)
            words = f"reload: {error}; " + (f"all the same: {words}" if words else "everything stays as it was")
        verdict = "accepted" if good else "refused"
        for _, reference in asked:
            await self._office.mouth.answer(reference, f"request.{verdict}", words, good)
        if not asked:
            await self._office.mouth.answer(None, f"reload.{verdict}", words, good)

    def _read_people(self, directory: Path, by: str) -> str:
        """Take people's keys as they are now; returns what changed of them."""
        desk = self._house.desk
        people = People.from_directory(directory)
        words = _different(desk.rules.people if isinstance(desk.rules.people, People) else (), people)
        new = [f"{name} may connect to the broker" for name in self._office.admit(people)]
        words = "; ".join(filter(None, (words, *new)))
        if words:
            # Whatever becomes of the record: a key that was revoked must not sign from now on.
            desk.rules = replace(desk.rules, people=people)
            desk.tell(ev.LabChanged(limits_version=desk.rules.limits.version, words=words[:2000], by=by))
        return words

    async def _read_file(self, by: str) -> str:
        house = self._house
        if house.launch.path is None:
            return ""
        old, new = house.config, house.launch.read(house.launch.path)
        found = changes(old, new)
        facts = dict(house.facts)
        for entry in new.campaign:
            if entry.id in found.added:
                facts[entry.id] = await house.spaces.of(entry, source=new.source)
        # Their directory may be another one now.
        people = People.from_directory(new.people)
        rules = lab_rules(new, people, facts, mode=house.launch.mode)
        house.config, house.facts, house.desk.rules = new, facts, rules
        house.configs.update({e.id: e.offline.model_dump(mode="json") for e in new.campaign})
        house.log.set_level(new.lab.log_level)
        house.disk.reserve = house.store.reserve = int(new.lab.free_disk_mb * MEGABYTE)
        reached("in-reload")
        try:
            self._record(found, by)
        except JournalError:
            house.config = old  # the next reload finds the same changes, and records them
            raise
        return found.words if found != Changes() else ""

    def _record(self, found: Changes, by: str) -> None:
        house = self._house
        if found.lab:
            version = house.desk.rules.limits.version
            house.desk.tell(ev.LabChanged(limits_version=version, words=", ".join(found.lab), by=by))
        for cid in found.campaigns:
            config = house.config.entry(cid).model_dump(mode="json")
            house.desk.tell(ev.CampaignChanged(campaign=cid, config=config, by=BY, reason=found.words[:500]))
        for cid in found.added:
            self._office.add(cid)


def _different(before: Iterable[Person], after: Iterable[Person]) -> str:
    """What differs between two readings of people's keys, in words."""
    old, new = ({person.key.kid: person for person in people} for people in (before, after))
    words = [f"key of {p.name} added, {p.role}" for kid, p in new.items() if kid not in old]
    words += [f"key of {p.name} removed" for kid, p in old.items() if kid not in new]
    for kid in old.keys() & new.keys():
        was, now = old[kid], new[kid]
        if now.revoked != was.revoked:
            words.append(f"key of {now.name} {'revoked' if now.revoked else 'no longer revoked'}")
        elif now != was:
            words.append(f"key of {now.name} changed, {now.role}")
    return "; ".join(sorted(words))
