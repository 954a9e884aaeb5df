"""Reading the laboratory's file again while it runs: what may change does, what may not is refused as a whole."""

from __future__ import annotations

from agent import events as ev
from agent.daemon import logs
from agent.daemon.config import load_lab
from agent.crash_points import reached
from agent.daemon.house import House
from agent.daemon.office import Office
from agent.daemon.rules_of import Changes, changes, lab_rules
from agent.identity import People
from envs.errors import LabwrightError

_log = logs.get("reload")
BY = "config-file"


class Reload:
    """Reads limits, budgets, policies and people's keys again.

    Args:
        house: holds what was read before.
        office: takes new campaigns up.
    """

    def __init__(self, house: House, office: Office) -> None:
        self._house = house
        self._office = office

    async def __call__(self) -> None:
        """Do it; a file that is wrong changes nothing, and the log says what is wrong."""
        self._house.log.reopen()
        try:
            words = await self._read()
        except LabwrightError as error:
            _log.error("not reloaded: everything stays as it was", reason=str(error))
            return
        _log.info("reloaded", changes=words)

    async def _read(self) -> str:
        house = self._house
        new = load_lab(house.launch.path) if house.launch.path else house.config
        found = changes(house.config, new)
        facts = dict(house.facts)
        for entry in new.campaign:
            if entry.id in found.added:
                facts[entry.id] = await house.spaces.of(entry, source=new.source)
        rules = lab_rules(new, People.from_directory(new.people), facts, mode=house.launch.mode)
        house.config, house.facts, house.desk.rules = new, facts, rules
        house.configs.update({e.id: e.offline.model_dump(mode="json") for e in new.campaign})
        house.log.set_level(new.lab.log_level)
        reached("in-reload")
        self._record(found)
        return found.words

    def _record(self, found: Changes) -> None:
        house = self._house
        for cid in found.campaigns:
            config = house.config.entry(cid).model_dump(mode="json")
            house.desk.tell(ev.CampaignChanged(campaign=cid, config=config, by=BY, reason=found.words[:500]))
        for cid in found.added:
            self._office.add(cid)
