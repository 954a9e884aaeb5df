"""Messages become the picture: each is read, held against its topic and what is known already, and put in its place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from agent.dashboard.live.lab_time import STALE_S, LabTime
from agent.dashboard.live.of_instruments import InstrumentFold
from agent.dashboard.live.order import is_older
from agent.dashboard.live.picture import CampaignPicture, Change, Kind, LabPicture, Waiting
from agent.dashboard.live.thrift import thrifty
from agent.deciding.board import checked
from envs.errors import LabwrightError, UserError
from instruments.clock import Clock
from instruments.messages import Status
from instruments.profile.agent_messages import AgentEvent, Outcome
from instruments.profile.campaign_messages import CampaignState
from instruments.profile.experiment_messages import ExperimentState
from instruments.profile.laboratory import Laboratory
from instruments.profile.model_messages import CampaignModel, CampaignSpace
from instruments.topics import (
    CHANNELS,
    AgentTopic,
    CampaignTopic,
    ExperimentTopic,
    InstrumentTopic,
    Lab,
    OutcomeTopic,
    ProposalTopic,
    Topic,
)
from instruments.transport import Message

MAX_UNREADABLE = 100
"""Topics of which it is remembered that nobody can read what is there."""
MOST: dict[Kind, int] = {"campaign": 256, "proposal": 5_000, "experiment": 5_000, "outcome": 5_000, "agent": 32}
"""How many are held of what a broker may keep without end."""
_log = logging.getLogger(__name__)
Changes = frozenset[Change]
_NONE: Changes = frozenset()
_V = TypeVar("_V")


class Fold:
    """Keeps a picture up to date.

    Args:
        topics: the laboratory.
        clock: the machine's.
        picture: that is kept.
    """

    def __init__(self, topics: Lab, clock: Clock, picture: LabPicture) -> None:
        self.picture = picture
        self.time = LabTime(clock)
        self._topics = topics
        self._clock = clock
        self._held: dict[str, tuple[int, float]] = {}
        self._instruments = InstrumentFold(picture.instruments, self.time, clock)

    def take(self, message: Message) -> Changes:
        """Put one message in its place.

        Returns:
            What has changed by it. What cannot be read changes the picture, too: nothing old is shown in its place.
        """
        mark = (hash(message.payload), self._clock.elapsed())
        if message.payload and self._held.get(message.topic, (None, 0.0))[0] == mark[0]:
            self._held[message.topic] = mark
            return _NONE  # the broker brings what it keeps again after each loss of the connection
        try:
            topic = self._topics.read(message.topic)
        except LabwrightError as error:
            return self._complain(message.topic, error)
        try:
            changes = self._take(topic, message)
        except Exception as error:  # noqa: BLE001 - a message that is wrong in a new way must not hide all others
            if not isinstance(error, LabwrightError):
                _log.exception("%s: this message cannot be taken", message.topic)
            self._held.pop(message.topic, None)
            gone = self._take(topic, Message(message.topic, b"", retained=True)) if topic.row.retain else _NONE
            return gone | self._complain(message.topic, error)
        if topic.row.retain and message.payload:
            self._held[message.topic] = mark
        else:
            self._held.pop(message.topic, None)
        self.picture.unreadable.pop(message.topic, None)
        return changes

    def forget_before(self, moment_s: float) -> Changes:
        """Take away what the broker has not brought since: it does not keep it any more.

        Args:
            moment_s: monotonic time.
        """
        gone = [topic for topic, (_, heard_s) in self._held.items() if heard_s < moment_s]
        return _NONE.union(*(self.take(Message(topic, b"", retained=True)) for topic in gone))

    def _complain(self, topic: str, error: Exception) -> Changes:
        if topic in self.picture.unreadable or len(self.picture.unreadable) < MAX_UNREADABLE:
            self.picture.unreadable[topic] = str(error) or type(error).__name__
        return frozenset({Change("lab")})

    def _take(self, topic: Topic, message: Message) -> Changes:
        match topic:
            case InstrumentTopic():
                return self._instruments.take(topic, message)
            case ProposalTopic(pid=pid):
                changed = self._proposal(pid, message)
            case OutcomeTopic(pid=pid):
                changed = self._outcome(pid, message)
            case ExperimentTopic(eid=eid):
                changed = self._experiment(eid, message)
            case CampaignTopic():
                changed = self._campaign(topic, message)
            case AgentTopic():
                return self._agent(topic, message)
            case _:
                return _NONE
        if changed and not message.retained:
            self._heard()  # what was thrown away is no sign that what is shown is how things stand
        return changed

    # What agents say of their work ------------------------------------------------------------------------------------

    def _proposal(self, pid: str, message: Message) -> Changes:
        proposals = self.picture.proposals
        if not message.payload:
            return _changed("proposal", pid, proposals.pop(pid, None) is not None)
        read, published = checked(message.payload, pid, self._topics)
        known = proposals.get(pid)
        if known is not None and not message.retained and read.revision < known.published.revision:
            return _NONE
        _keep(proposals, pid, Waiting(thrifty(read), published), "proposal")
        return _changed("proposal", pid)

    def _outcome(self, pid: str, message: Message) -> Changes:
        if not message.payload:
            return _changed("outcome", pid, self.picture.outcomes.pop(pid, None) is not None)
        read = Outcome.parse(message.payload)
        _belongs((read.lab, read.proposal), (self._topics.lab, pid), message.topic)
        _keep(self.picture.outcomes, pid, read, "outcome")
        return _changed("outcome", pid)

    def _experiment(self, eid: str, message: Message) -> Changes:
        experiments = self.picture.experiments
        if not message.payload:
            return _changed("experiment", eid, experiments.pop(eid, None) is not None)
        read = ExperimentState.parse(message.payload)
        _belongs(read.experiment, eid, message.topic)
        if not message.retained and is_older(read, experiments.get(eid)):
            return _NONE
        _keep(experiments, eid, thrifty(read), "experiment")
        return _changed("experiment", eid)

    def _campaign(self, topic: CampaignTopic, message: Message) -> Changes:
        campaigns, cid, part = self.picture.campaigns, topic.cid, topic.channel
        read: Any = None
        known = campaigns.get(cid, CampaignPicture())
        if message.payload:
            read = _PARTS[part](message.payload)
            _belongs(read.campaign, cid, message.topic)
            if not message.retained and is_older(read, getattr(known, part)):
                return _NONE
        setattr(known, part, read)
        if known == CampaignPicture():
            campaigns.pop(cid, None)
        else:
            _keep(campaigns, cid, known, "campaign")
        return _changed("campaign", cid)

    # What they say of themselves --------------------------------------------------------------------------------------

    def _agent(self, topic: AgentTopic, message: Message) -> Changes:
        if topic.channel == "event":
            return self._event(message)
        if topic.channel == "lab":
            return self._lab(topic.aid, message)
        return self._status(topic.aid, message)

    def _status(self, aid: str, message: Message) -> Changes:
        agents = self.picture.agents
        if not message.payload:
            return _changed("agent", aid, agents.pop(aid, None) is not None)
        read, known = Status.parse(message.payload), agents.get(aid)
        gone = read.state == "offline" and known is not None and read.boot_id == known.boot_id
        # A last will was written when the connection began: its number is old, and yet it is news.
        if not message.retained and not gone and is_older(read, known):
            return _NONE
        _keep(agents, aid, read, "agent")
        if message.retained:
            self._vouch()
        elif read.state != "offline":
            self._heard(read.ts)
        # A sign of life alone is no change: pages are not drawn anew for it.
        return _changed("agent", aid, known is None or (read.state, read.message) != (known.state, known.message))

    def _lab(self, aid: str, message: Message) -> Changes:
        labs = self.picture.labs
        if not message.payload:
            return _changed("lab", aid, labs.pop(aid, None) is not None)
        read = Laboratory.parse(message.payload)
        _belongs((read.lab, read.agent), (self._topics.lab, aid), message.topic)
        if not message.retained and is_older(read, labs.get(aid)):
            return _NONE
        _keep(labs, aid, read, "agent")
        self.time.learned(read, kept=message.retained)
        if message.retained:
            self._vouch()
        else:
            self._heard()
        return _changed("lab", aid)

    def _event(self, message: Message) -> Changes:
        if not message.payload or message.retained:
            return _NONE
        read, events = AgentEvent.parse(message.payload), self.picture.events
        if any((one.boot_id, one.seq) == (read.boot_id, read.seq) for one in list(events)[-20:]):
            return _NONE
        events.append(read)
        self._heard(read.ts)
        about = read.reference
        return _changed("event", about.id if about is not None else "")

    # When -------------------------------------------------------------------------------------------------------------

    def _heard(self, at: datetime | None = None) -> None:
        """An agent is there: it has just said something."""
        self.picture.heard_s = self._clock.elapsed()
        if at is not None:
            self.time.heard(at)

    def _vouch(self) -> None:
        """What the broker had kept of an agent's presence counts where it is young; how old it is, lab time tells."""
        for status in self.picture.agents.values():
            age = None if status.state == "offline" else self.time.age(status.ts)
            if age is not None and age <= STALE_S:
                heard_s, known_s = self._clock.elapsed() - age, self.picture.heard_s
                self.picture.heard_s = heard_s if known_s is None else max(heard_s, known_s)
                self.time.heard(status.ts, ago_s=age)
        self._instruments.vouch()


_PARTS: dict[str, Callable[[bytes], CampaignState | CampaignSpace | CampaignModel]] = {
    "state": CampaignState.parse,
    "space": CampaignSpace.parse,
    "model": CampaignModel.parse,
}


def _changed(kind: Kind, id_: str, it_did: bool = True) -> Changes:
    return frozenset({Change(kind, id_)}) if it_did else _NONE


def _belongs(said: object, wanted: object, topic: str) -> None:
    if said != wanted:
        raise UserError(f"on {topic} there is a message of {said}, not of {wanted}")


def _keep(held: dict[str, _V], key: str, value: _V, kind: Kind) -> None:
    if key not in held and len(held) >= MOST[kind]:
        raise UserError(f"more than {MOST[kind]} of what is a {kind}: those beyond are not shown")
    held[key] = value


def patterns(topics: Lab) -> Iterable[str]:
    """Subscriptions to all that people read, but answers to single persons: agents first, so that time is known."""
    rows = [row for row in CHANNELS.values() if "person" in row.readers and not row.private]
    rows.sort(key=lambda row: (not row.key.startswith("agent"), row.retain))
    return [topics.pattern(row.key) for row in rows]
