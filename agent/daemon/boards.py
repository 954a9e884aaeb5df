"""The boards: what stands on the bus beside proposals and outcomes, for whoever looks on.

Experiments with their histories, the laboratory as a whole, what campaigns choose from and what their models learned.
All of it is made of the record when it is said, and all of it is said again after a start: it needs no outbox. What
people wait for comes before it (``agent.daemon.publish``), and no board of which something cannot be made or said keeps
anything else waiting: it is given up until it changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from agent import core
from agent import events as ev
from agent.daemon import logs
from agent.daemon.board_size import fitting
from agent.daemon.campaign_told import RoundTold, campaign_model, campaign_space
from agent.daemon.experiment_told import Told, experiment_state
from agent.daemon.laboratory_told import About, Record, Verified, laboratory
from agent.daemon.roll import Roll
from agent.daemon.space_facts import SpaceFacts
from agent.daemon.steps_told import Happened
from agent.desk import Desk
from envs.errors import InstrumentError, JournalError
from envs.objective import Objective
from instruments.clock import Clock
from instruments.profile.questions import Verification
from instruments.topics import Lab
from instruments.transport import Transport

_log = logs.get("boards")
Kind = Literal["lab", "space", "model", "experiment", "clear"]
Due = tuple[Kind, str]
"""What is to be said, and of what; ``clear`` takes an experiment's board down."""
_OF_THE_LAB = (
    ev.AgentStarted, ev.AgentStopped, ev.LabStopped, ev.LabCleared, ev.LabChanged, ev.MaintenanceSet,
    ev.CampaignCreated, ev.CampaignChanged,
)  # fmt: skip
Row = Mapping[str, Any]
Later = Callable[[float, Callable[[], None]], object]
"""Has a function called after some seconds."""
REST_S = 0.1
"""What changed is said when nothing more has changed for so long: once, and after the orders that follow from it."""
MOST_RESTS = 5
"""While there is no end of changes, it is said after so many rests all the same."""
TRIES = 60
"""A board for which the record cannot be read is tried so often, about once a second."""
Said = tuple[str, bytes]
"""A topic and what is to stand there; nothing takes down what does."""


def _at_once(_seconds: float, call: Callable[[], None]) -> None:
    call()


class Shelf(Protocol):
    """What the boards are made of."""

    @property
    def tip(self) -> tuple[int, str]:
        """Number and hash of the journal's last entry."""
        ...

    def experiment(self, eid: str) -> tuple[Row, Row, list[Happened]] | None:
        """An experiment's row, its proposal's, and all that happened to it; None where there is none."""
        ...

    def ended(self, newest: int) -> Sequence[str]:
        """Ids of the experiments that ended last, newest first."""
        ...

    def lab(self) -> Row:
        """The laboratory's row; empty where nothing was recorded yet."""
        ...

    def out_of_service(self) -> Iterable[Row]:
        """Instruments that somebody took out of service."""
        ...

    def planned(self, cid: str) -> RoundTold | None:
        """The round of a campaign that was planned last; None before the first."""
        ...


class Boards:
    """Says what is due, one thing at a time, when it is asked to.

    Args:
        desk: knows the state and the rules.
        shelf: of the journal.
        transport: to the bus.
        topics: of this laboratory.
        about: who tells.
        clock: the laboratory's time.
        wall: the machine's own time.
        campaign: objective and design space of a campaign of the laboratory's file; None for any other.
        later: has what changed become due a little later; at once by default.
    """

    def __init__(
        self,
        desk: Desk,
        shelf: Shelf,
        transport: Transport,
        topics: Lab,
        *,
        about: About,
        clock: Clock,
        wall: Callable[[], datetime],
        campaign: Callable[[str], tuple[Objective, SpaceFacts] | None],
        later: Later = _at_once,
    ) -> None:
        self._desk = desk
        self._shelf = shelf
        self._transport = transport
        self._topics = topics
        self._about = about
        self._clock = clock
        self._wall = wall
        self._campaign = campaign
        self._later = later
        self._roll = Roll()
        self._coming: dict[Due, None] = {}
        self._fresh: dict[Due, None] = {}
        self._again: dict[Due, None] = {}
        self._rests, self._stirred = 0, False
        self._seq = 0
        self._told_tip = -1
        self._verified = Verified(shelf.tip[0], clock.now())
        self._ring: Callable[[], None] = lambda: None
        self._unread: dict[Due, int] = {}
        self._given_up: dict[Due, str] = {}
        self._makers: Mapping[Kind, Callable[[str], Said | None]] = {
            "lab": self._lab, "space": self._space, "model": self._model, "experiment": self._experiment,
            "clear": self._cleared,
        }  # fmt: skip

    # ---- What becomes due

    @property
    def fresh(self) -> bool:
        """Whether something has changed that is not said yet."""
        return bool(self._fresh)

    def on_due(self, ring: Callable[[], None]) -> None:
        """Have a function called when something becomes due."""
        self._ring = ring

    def note(self, event: ev.Event, state: core.LabState, *, replayed: bool) -> None:
        """Observes the desk."""
        if replayed:
            return
        if isinstance(event, _OF_THE_LAB):
            self._due(("lab", ""))
        if isinstance(event, ev.CampaignCreated | ev.CampaignChanged):
            self._due(("space", event.campaign))
        elif isinstance(event, ev.RoundPlanned):
            self._due(("model", event.campaign))
        shown, gone = self._roll.note(event, state)
        self._due(*(("experiment", eid) for eid in shown), *(("clear", eid) for eid in gone))

    def look(self) -> None:
        """Say the laboratory's board again where the record has grown since; called now and then."""
        if self._shelf.tip[0] != self._told_tip:
            self._due(("lab", ""))

    def verified(self, found: Verification) -> None:
        """Tell what a later look at the whole record found."""
        self._verified = self._verified.then(found, self._clock.now())
        self._due(("lab", ""))

    def everything(self) -> None:
        """Say all of it again, after whatever is new: a broker may have lost what it kept."""
        state = self._desk.state
        shown, gone = self._roll.read(state, self._shelf.ended(2 * self._roll.ended_at_most))
        campaigns: list[Due] = [(kind, cid) for cid in state.campaigns for kind in ("space", "model")]
        experiments: list[Due] = [("experiment", eid) for eid in shown]
        self._again = dict.fromkeys([("lab", ""), *campaigns, *experiments, *(("clear", eid) for eid in gone)])
        self._ring()

    def _due(self, *due: Due) -> None:
        first = not self._coming
        for one in due:
            # A board goes up or comes down, whichever was said last.
            other: Due = ("clear" if one[0] == "experiment" else "experiment", one[1])
            for waiting in (self._coming, self._fresh, self._again):
                waiting.pop(other, None)
            self._coming[one] = None
        self._stirred = True
        if first and due:
            self._rest(0)

    def _rest(self, number: int) -> None:
        self._rests, self._stirred = number, False
        self._later(REST_S, self._rested)

    def _rested(self) -> None:
        if self._stirred and self._rests < MOST_RESTS:
            self._rest(self._rests + 1)
        else:
            self.ripen()

    def ripen(self) -> None:
        """Have everything that changed due now."""
        for one in self._coming:
            self._again.pop(one, None)
            self._fresh[one] = None
        self._coming.clear()
        self._ring()

    # ---- Saying

    async def say_next(self, *, again: bool = True) -> bool:
        """Say one thing: what is new first; returns whether there was any.

        Args:
            again: whether what is merely said again may be it.

        Raises:
            InstrumentError: the bus does not take it; it stays due.
            JournalError: the record cannot be read now; it stays due.
        """
        source = self._fresh or (self._again if again else {})
        if not source:
            return False
        due = next(iter(source))
        # Taken out first: what changes while it is being said is said again.
        del source[due]
        try:
            said = self._made(due)
            if said is not None:
                await self._transport.publish(*said, retain=True)
        except (InstrumentError, JournalError, asyncio.CancelledError):
            self._fresh[due] = None
            raise
        except Exception as error:  # noqa: BLE001 - of whatever kind: boards are for those who look on
            self._give_up(due, error)
        else:
            self._given_up.pop(due, None)
        return True

    def _made(self, due: Due) -> Said | None:
        try:
            said = self._makers[due[0]](due[1])
        except JournalError as error:
            self._unread[due] = self._unread.get(due, 0) + 1
            if self._unread[due] < TRIES:
                raise
            self._give_up(due, error)
            said = None
        except InstrumentError as error:
            # Whatever it is, the bus has not said it: what was recorded cannot be read as a message.
            raise ValueError(str(error)) from error
        self._unread.pop(due, None)
        return said

    def _give_up(self, due: Due, error: Exception) -> None:
        """Leave it as it stands until it changes; the log says so once for as long as the reason is the same."""
        words = f"{type(error).__name__}: {error}"
        if self._given_up.get(due) != words:
            _log.error("this cannot be told", what=due[0], key=due[1], reason=words, exc_info=error)
        self._given_up[due] = words

    def _stamp(self) -> dict[str, Any]:
        self._seq += 1
        return {"seq": self._seq, "now": self._clock.now()}

    def _lab(self, _key: str) -> Said:
        entries, tip = self._shelf.tip
        self._told_tip = entries
        message = laboratory(
            self._about, self._desk.rules, self._shelf.lab(), self._shelf.out_of_service(),
            Record(entries, tip, self._verified), wall=self._wall(), **self._stamp(),
        )  # fmt: skip
        return self._topics.agent_lab(self._about.agent), fitting(message)

    def _space(self, cid: str) -> Said | None:
        known = self._campaign(cid)
        if known is None:
            return None
        message = campaign_space(cid, *known, boot=self._about.boot, **self._stamp())
        return self._topics.campaign_space(cid), fitting(message)

    def _model(self, cid: str) -> Said | None:
        planned = self._shelf.planned(cid)
        if planned is None:
            return None
        message = campaign_model(cid, planned, boot=self._about.boot, **self._stamp())
        return self._topics.campaign_model(cid), fitting(message)

    def _experiment(self, eid: str) -> Said | None:
        known = self._told(eid)
        if known is None:
            return None
        message = experiment_state(known, boot=self._about.boot, **self._stamp())
        return self._topics.experiment(eid), fitting(message)

    def _cleared(self, eid: str) -> Said:
        return self._topics.experiment(eid), b""

    def _told(self, eid: str) -> Told | None:
        read = self._shelf.experiment(eid)
        if read is None:
            return None
        row, proposal, history = read
        cid, state = str(row["campaign"]), self._desk.state
        campaign = self._campaign(cid)
        units = {campaign[0].name: campaign[0].unit} if campaign else {}
        return Told(
            row, proposal, history, state.experiments.get(eid), self._desk.rules.campaigns.get(cid),
            state.places.get(eid, ""), units,
        )  # fmt: skip
