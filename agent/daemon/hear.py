"""What people say on the bus: decisions and requests go to the desk, and count before they are acknowledged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Literal

from agent import core
from agent import events as ev
from agent.crash_points import reached
from agent.daemon import logs
from agent.daemon.answer_words import in_words
from agent.desk import Desk
from agent.envelopes import Reason
from agent.rules.outlook import Outlook
from envs.design import Design
from envs.errors import JournalError
from instruments.errors import SetAsideError
from instruments.profile.agent_messages import Reference
from instruments.profile.decisions import MAX_TOKEN
from instruments.profile.requests import request_id
from instruments.topics import Lab
from instruments.transport import Message, Transport

_log = logs.get("hear")

Answer = Callable[[Reference, str, str, bool], Awaitable[None]]
"""Tells whoever watches what came of something: what it is about, the kind of event, words, whether it counted."""
Seen = Callable[[str, str], bool]
"""Whether a message counted before, by its source and id."""
BodyOf = Callable[[str], str]
"""The body of a proposal as it was published; empty when there is none of that id."""

Known = Callable[[str], Mapping[Design, Outlook]]
"""What the models said lately of designs of a proposal's campaign, as far as it still holds."""

REMEMBERED = 10_000
"""Marks of what this process has acknowledged."""
UNPROVEN = frozenset({Reason.MALFORMED.value, Reason.UNKNOWN_KEY.value, Reason.BAD_SIGNATURE.value})
"""Refusals of what nobody here has signed."""
_What = Literal["decision", "request"]
_Arrived = core.DecisionArrived | core.RequestArrived
_COUNTED: Mapping[_What, str] = {"decision": "decision.counted", "request": "request.accepted"}


class Ears:
    """Listens for people.

    Args:
        desk: judges.
        topics: of this laboratory.
        body_of: gives the bodies of proposals.
        wall: the machine's own clock: signatures are made with such a one.
        answer: tells people.
        on_reload: called when a person asked for the files to be read again; who did is in ``asked``.
        seen: whether the record holds the mark of a message: what counted is answered again, and not judged again.
        known: what people were shown before they signed: an edit becomes a revision that says the same.

    Attributes:
        asked: who waits for the outcome of a reload, and what they asked it in.
    """

    def __init__(
        self,
        desk: Desk,
        topics: Lab,
        *,
        body_of: BodyOf,
        wall: Callable[[], datetime],
        answer: Answer,
        on_reload: Callable[[], None],
        seen: Seen = lambda _source, _id: False,
        known: Known = lambda _pid: {},
    ) -> None:
        self.asked: list[tuple[str, Reference]] = []
        self._desk = desk
        self._topics = topics
        self._body_of = body_of
        self._wall = wall
        self._answer = answer
        self._on_reload = on_reload
        self._seen = seen
        self._known = known
        self._heard: dict[str, None] = {}

    async def listen(self, transport: Transport) -> None:
        """Subscribe; before the connection is made, so that nothing kept for this session is missed."""
        await transport.subscribe(self._topics.pattern("decision"), self._on_decision)
        await transport.subscribe(self._topics.pattern("request"), self._on_request)

    async def _on_decision(self, message: Message) -> None:
        if message.retained or not message.payload:  # it counts once, when it is made
            return
        topic, token = self._topics.read(message.topic), _text(message)
        user, pid = topic.levels["user"], topic.levels["pid"]

        def arrived() -> core.DecisionArrived:
            return core.DecisionArrived(user, pid, token, self._wall(), self._body_of(pid), self._known(pid))

        # Marked by its own bytes and where they came: on another proposal, or in another's name, it is a replay.
        await self._hear("decision", request_id(token), arrived, mark="/".join((request_id(token), user, pid)))

    async def _on_request(self, message: Message) -> None:
        if message.retained or not message.payload:
            return
        topic, token = self._topics.read(message.topic), _text(message)
        user, rid = topic.levels["user"], topic.levels["rid"]

        def arrived() -> core.RequestArrived:
            return core.RequestArrived(user, rid, token, self._wall())

        decided = await self._hear("request", rid, arrived, mark="/".join((request_id(token), user, rid)))
        if any(isinstance(e, ev.RequestAccepted) and e.action == "reload" for e in decided.events):
            self.asked.append((user, _reference("request", rid)))
            self._on_reload()

    async def _hear(self, what: _What, rid: str, arrived: Callable[[], _Arrived], *, mark: str) -> core.Decided:
        """Have it counted, and answer.

        What a crash kept from being acknowledged comes again, and counted already; what this process has acknowledged
        and comes again is a replay.
        """
        try:
            if mark not in self._heard and self._seen(what, mark):
                self._remember(mark)
                await self._answer(
                    _reference(what, rid), _COUNTED[what], "it counted before: nothing is done twice", True
                )
                return core.Decided()
            decided = self._told(arrived(), (what, mark))
        except JournalError as error:
            _log.error("a person's word could not be recorded: it is asked for again", reason=str(error))
            raise SetAsideError(str(error)) from error
        reached("before-acknowledge")
        if not any(isinstance(e, ev.EnvelopeRefused) for e in decided.events):
            self._remember(mark)  # a refusal leaves no mark: the same bytes may come again, and then are refused again
        await self._say(what, rid, decided)
        return decided

    def _told(self, arrived: _Arrived, mark: tuple[str, str]) -> core.Decided:
        try:
            return self._desk.tell(arrived, inbox=mark)
        except JournalError:
            decided = self._desk.judge(arrived)
            if not all(isinstance(e, ev.EnvelopeRefused) and e.code in UNPROVEN for e in decided.events):
                raise
            # What is not proven to be anybody's must not hold people up until there is room to write it down.
            self._desk.skipped["?"] += 1
            return decided

    def _remember(self, mark: str) -> None:
        self._heard[mark] = None
        while len(self._heard) > REMEMBERED:
            del self._heard[next(iter(self._heard))]

    async def _say(self, what: _What, rid: str, decided: core.Decided) -> None:
        refused = next((e for e in decided.events if isinstance(e, ev.EnvelopeRefused)), None)
        if refused is not None:
            words, good = f"{refused.code}: {refused.message}", False
        elif decided.skipped:
            words, good = "refused; too many of this sender's envelopes were refused to record each", False
        else:
            words, good = in_words(decided), True
        kind = _COUNTED[what] if good else f"{what}.refused"
        if any(isinstance(e, ev.RequestAccepted) and e.action == "reload" for e in decided.events):
            # Whether it worked is not known before the files were read, and is said then.
            kind, words = "request.received", "reload: the files are being read"
        await self._answer(_reference(what, rid), kind, words, good)


def _reference(what: _What, rid: str) -> Reference:
    return Reference.model_validate({"kind": what, "id": rid})


def _text(message: Message) -> str:
    # What is longer is refused as it is; what is no text is no token.
    return message.payload[: MAX_TOKEN + 1].decode("utf-8", "replace")
