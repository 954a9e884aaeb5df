"""What a laboratory's broker says of it: needs no database, and no access to the agent's machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from agent.deciding.board import QUIET_S, Board, read_board
from agent.deciding.place import Place
from agent.reading.answers import (
    STALE_S,
    AgentAnswer,
    BestAnswer,
    CampaignAnswer,
    InstrumentAnswer,
    LabAnswer,
    StopAnswer,
    WaitingAnswer,
    age_words,
    ago,
    ahead_words,
)
from instruments.bus.waiting import Bell
from instruments.clock import Sleeper
from instruments.messages import Description, JobState, MalformedMessageError, Payload, Quantity, Status
from instruments.profile.agent_messages import AgentEvent
from instruments.profile.campaign_messages import CampaignState
from instruments.profile.laboratory import Laboratory
from instruments.topics import AgentTopic, InstrumentTopic, Lab
from instruments.transport import Message, Transport

_Said = TypeVar("_Said", bound=Payload)


def _now() -> datetime:
    return datetime.now(UTC)


class BusView:
    """A laboratory by what its broker keeps.

    Args:
        place: the broker with the user, and the laboratory.
        transport: connected.
        now: the machine's own time.
        sleeper: waits.
    """

    def __init__(
        self,
        place: Place,
        transport: Transport,
        *,
        now: Callable[[], datetime] = _now,
        sleeper: Sleeper = asyncio.sleep,
    ) -> None:
        self._place, self._transport, self._now, self._sleeper = place, transport, now, sleeper

    async def status(self) -> LabAnswer:
        """Everything that ``labwright status`` says.

        Raises:
            TransportError: the broker refuses.
        """
        board = await read_board(self._transport, self._place.topics, sleeper=self._sleeper)
        kept = await self._kept()
        told = _laboratory(kept, self._place.topics)
        stop = _stop(told)
        return LabAnswer(
            source=self._place.address.url,
            lab=self._place.topics.lab,
            agent=_agent(board, self._now(), told),
            stop=stop,
            campaigns=tuple(_campaign(c, self._now()) for _, c in sorted(board.campaigns.items())),
            instruments=self._instruments(kept, told),
            waiting=(*_held(stop), *_waiting(board, self._now())),
        )

    async def instruments(self) -> tuple[InstrumentAnswer, ...]:
        """The instruments that the broker keeps anything of.

        Raises:
            TransportError: the broker refuses.
        """
        kept = await self._kept()
        return self._instruments(kept, _laboratory(kept, self._place.topics))

    def _instruments(self, kept: _Kept, told: Laboratory | None) -> tuple[InstrumentAnswer, ...]:
        topics, out = self._place.topics, _out_of_service(told)
        iids = {t.iid for t in map(topics.read, kept.payloads) if isinstance(t, InstrumentTopic)}
        heard = {iid: _instrument(iid, kept, topics, self._now()) for iid in iids}
        return tuple(_both(iid, out.get(iid), heard.get(iid)) for iid in sorted(heard | out))

    async def _kept(self) -> _Kept:
        """What is retained of instruments, and of the laboratory as a whole."""
        kept = _Kept()
        topics = self._place.topics
        patterns = [topics.every("status"), topics.every("desc"), topics.every("job"), topics.pattern("agentLab")]
        for pattern in patterns:
            await self._transport.subscribe(pattern, kept.note)
        count = -1
        while kept.n > count:
            count = kept.n
            await self._sleeper(QUIET_S)
        for pattern in patterns:
            await self._transport.unsubscribe(pattern, kept.note)
        return kept

    async def events(self) -> AsyncIterator[AgentEvent]:
        """What happens at the agents from now on, for ever.

        Raises:
            TransportError: the broker refuses.
        """
        waiting: list[AgentEvent] = []
        bell = Bell(self._sleeper)

        async def note(message: Message) -> None:
            try:
                waiting.append(AgentEvent.parse(message.payload))
            except MalformedMessageError:
                return
            bell.ring()

        await self._transport.subscribe(self._place.topics.pattern("agentEvent"), note)
        while True:
            await bell.until(lambda: bool(waiting), 3600.0)
            while waiting:
                yield waiting.pop(0)


class _Kept:
    """Retained messages of instruments and agents, by topic."""

    def __init__(self) -> None:
        self.n = 0
        self.payloads: dict[str, bytes] = {}

    async def note(self, message: Message) -> None:
        self.n += 1
        if message.payload:
            self.payloads[message.topic] = message.payload
        else:
            self.payloads.pop(message.topic, None)

    def read(self, model: type[_Said], topic: str) -> _Said | None:
        """One of them; None where there is none that can be read."""
        try:
            return model.parse(self.payloads[topic])
        except (KeyError, MalformedMessageError):
            return None


def _laboratory(kept: _Kept, topics: Lab) -> Laboratory | None:
    """What the agent that spoke last says of the laboratory as a whole."""
    said = [kept.read(Laboratory, t) for t in kept.payloads if isinstance(topics.read(t), AgentTopic)]
    return max(filter(None, said), key=lambda one: one.wall, default=None)


def _stop(told: Laboratory | None) -> StopAnswer | None:
    if told is None or told.stop is None:
        return None
    return StopAnswer(told.stop.by, told.stop.reason, told.stop.at.isoformat() if told.stop.at else "")


def _held(stop: StopAnswer | None) -> Iterable[WaitingAnswer]:
    if stop is not None:
        text = f"the laboratory is stopped: {stop.reason} ({stop.by})"
        yield WaitingAnswer("stop", "lab", text, "labwright clear", stop.at)


def _out_of_service(told: Laboratory | None) -> dict[str, InstrumentAnswer]:
    """What people said of instruments, as the agent tells it."""
    out: dict[str, InstrumentAnswer] = {}
    for iid, one in told.maintenance.items() if told else ():
        since = f", since {one.since.isoformat()}" if one.since else ""
        out[iid] = InstrumentAnswer(iid, "maintenance", maintenance=f"{one.reason} ({one.by}{since})".lstrip())
    return out


def _both(iid: str, said: InstrumentAnswer | None, heard: InstrumentAnswer | None) -> InstrumentAnswer:
    """People's word on an instrument with its own."""
    if heard is None:
        return said or InstrumentAnswer(iid)
    return heard if said is None else replace(heard, state=said.state, maintenance=said.maintenance)


def _open_jobs(iid: str, kept: _Kept, topics: Lab) -> int:
    states = [kept.read(JobState, t) for t in kept.payloads if t.startswith(topics.job(iid, "x")[:-1])]
    return sum(state is not None and not state.terminal for state in states)


def _instrument(iid: str, kept: _Kept, topics: Lab, now: datetime) -> InstrumentAnswer:
    status, description = kept.read(Status, topics.status(iid)), kept.read(Description, topics.desc(iid))
    open_jobs = _open_jobs(iid, kept, topics)
    kind = description.kind if description else ""
    if status is None:
        return InstrumentAnswer(iid, "unknown", kind, "it has said nothing that can be read", open_jobs)
    age = ago(status.ts, now)
    state, message = str(status.state), status.message
    if state != "offline" and age is not None and age > STALE_S:
        state, message = "stale", f"it said {status.state} {age_words(age)}, and nothing since"
    if state != "offline" and (ahead := ahead_words(status.ts, now)):
        message = f"{message} ({ahead})".lstrip()
    return InstrumentAnswer(iid, state, kind, message, open_jobs, heard=status.ts.isoformat(), age_s=age)


def _agent(board: Board, now: datetime, told: Laboratory | None) -> AgentAnswer:
    answer = _presence(board, now)
    return answer if told is None else replace(answer, mode=told.mode, software=told.software)


def _presence(board: Board, now: datetime) -> AgentAnswer:
    if not board.agents:
        return AgentAnswer(evidence="no agent ever said anything here")
    name, status = max(board.agents.items(), key=lambda one: (one[1].state != "offline", one[1].ts))
    age, heard = ago(status.ts, now), status.ts.isoformat()
    if status.state == "offline":
        return AgentAnswer("not running", f"{name} is offline: {status.message}".rstrip(": "), heard=heard, age_s=age)
    if age is not None and age > STALE_S:
        evidence = f"{name} said {status.state} {age_words(age)}, and nothing since"
        return AgentAnswer("unknown", evidence, heard=heard, age_s=age)
    evidence = f"{name} says {status.state}"
    if ahead := ahead_words(status.ts, now):
        evidence += f"; {ahead}: a virtual laboratory's, or the clocks differ and nobody can tell how old this is"
    return AgentAnswer("running", evidence, heard=heard, age_s=age)


def _campaign(state: CampaignState, now: datetime) -> CampaignAnswer:
    line = state.budget.get("experiments")
    counts = {name: n for name, n in state.counts.model_dump().items() if n}
    return CampaignAnswer(
        id=state.campaign,
        name=state.goal,
        phase=state.phase,
        reason=state.reason,
        used=int(line.used) if line else 0,
        budget=int(line.limit) if line and line.limit is not None else None,
        counts=counts,
        best=_best(state),
        age_s=ago(state.ts, now),
    )


def _best(state: CampaignState) -> BestAnswer | None:
    if state.best is None or not state.best.found:
        return None
    name = "hardness" if "hardness" in state.best.found else next(iter(state.best.found))
    found = state.best.found[name]
    made_of = state.best.design.get("formula") or state.best.design.get("crystal") or ""
    shown = "" if isinstance(made_of, Quantity) else made_of
    return BestAnswer(state.best.experiment, name, found.value, found.std, found.unit, shown)


def _waiting(board: Board, now: datetime) -> Iterable[WaitingAnswer]:
    for cid, state in sorted(board.campaigns.items()):
        if state.phase in {"stopped", "paused"}:
            yield WaitingAnswer("campaign", cid, f"{state.phase}: {state.reason}", f"labwright resume {cid}")
        if state.counts.needs_reconcile:
            text = f"{state.counts.needs_reconcile} experiments of which nobody knows how far they came"
            yield WaitingAnswer("reconcile", cid, text, "labwright reconcile EXPERIMENT again|aborted")
    for pid, proposal in sorted(board.proposals.items(), key=lambda one: (one[1].expires_at, one[0])):
        if proposal.expires_at <= now:  # it is refused now, whether or not an agent is there to clear it
            continue
        votes = board.votes(pid)
        needed = f", {len(votes)} of {proposal.quorum} approved" if proposal.quorum > 1 else ""
        made_of = proposal.design.get("formula") or proposal.design.get("crystal") or ""
        yield WaitingAnswer(
            "proposal",
            pid,
            f"{made_of} in {proposal.campaign}, revision {proposal.revision}{needed}",
            f"labwright approve {pid}",
            proposal.created_at.isoformat(),
            proposal.expires_at.isoformat(),
        )
