"""Jobs that an agent has ordered or adopted: sent until confirmed, followed to their end, each at most once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from envs.errors import UserError
from instruments.bus.waiting import Bell
from instruments.clock import Sleeper
from instruments.errors import NoAnswerError, NotCommittedError
from instruments.messages import Command, JobState, MalformedMessageError
from instruments.session import JobTracker, is_aside, is_unknown

CONFIRM_S = 5.0
"""A device accepts or rejects within this time, else the command is sent again."""
CHECK_S = 60.0
"""A device that tells nothing about a job for so long is asked."""
SENDINGS = 3

OnUpdate = Callable[[JobState], None]
Check = Callable[[], None]
"""Called in the moment before an order goes out; raises where it may not."""


class Ask(Protocol):
    """Sends a query for a job."""

    async def __call__(self, iid: str, job: str) -> None:
        """Publish it."""
        ...


class OpenJob:
    """One job that somebody waits for."""

    def __init__(self, iid: str, job: str, digest: str | None, *, sleeper: Sleeper, on_update: OnUpdate | None) -> None:
        self.iid = iid
        self.job = job
        self.tracker = JobTracker(job, digest)
        self.bell = Bell(sleeper)
        self.sent = False
        self.n_heard = 0
        self.doubtful = False
        self.illegible = ""
        self._on_update = on_update
        self._untold: JobState | None = None

    def offer(self, state: JobState) -> None:
        """Take in a message about it.

        Raises:
            NotCommittedError: from whoever is told, who then is told again when the message comes again.
        """
        self.n_heard += 1
        if self.tracker.offer(state):
            self._untold = state
        if self._untold is not None and self._on_update is not None:
            try:
                self._on_update(self._untold)
            except NotCommittedError:
                raise
            except Exception:
                self._untold = None
                self.bell.ring()  # what somebody else does wrong about an end must not hide the end
                raise
        self._untold = None
        self.bell.ring()

    def doubt(self) -> None:
        """Have the device asked at once: it restarted, left, or came back."""
        self.doubtful = True
        self.bell.ring()

    def misread(self, why: str) -> None:
        """Take note that a message about it could not be understood; for the first one the device is asked at once."""
        first, self.illegible = not self.illegible, why
        if first:
            self.doubt()

    @property
    def confirmed(self) -> bool:
        """Whether the device has told where the job stands."""
        return self.tracker.state is not None

    @property
    def settled(self) -> bool:
        """Whether waiting is over: it ended and whoever is told has been told, or the device does not know it."""
        return (self.tracker.terminal and self._untold is None) or self.tracker.unseen


class Orders:
    """The open jobs and questions of one agent.

    Args:
        send: publishes a command.
        ask: publishes a query.
        presence: how an instrument is present, in a word, for messages.
        sleeper: waits for timeouts.
        patience_s: how long an instrument may leave every question about a running job unanswered.
    """

    def __init__(
        self,
        *,
        send: Callable[[str, Command], Awaitable[None]],
        ask: Ask,
        presence: Callable[[str], str],
        sleeper: Sleeper,
        patience_s: float,
    ) -> None:
        self._send = send
        self._ask = ask
        self._presence = presence
        self._sleeper = sleeper
        self._patience_s = patience_s
        self._open: dict[tuple[str, str], OpenJob] = {}
        self._queries: dict[tuple[str, str], list[list[JobState]]] = {}
        self._misread: dict[tuple[str, str], list[str]] = {}
        self._bell = Bell(sleeper)

    def open(self, iid: str, job: str, digest: str | None, on_update: OnUpdate | None) -> OpenJob:
        """Begin to listen for a job.

        Raises:
            UserError: when somebody waits for it already.
        """
        if (iid, job) in self._open:
            raise UserError(f"job {job} is being executed on {iid} already: await that call")
        opened = OpenJob(iid, job, digest, sleeper=self._sleeper, on_update=on_update)
        self._open[iid, job] = opened
        return opened

    def close(self, opened: OpenJob) -> None:
        """Listen no more."""
        del self._open[opened.iid, opened.job]

    def on_job(self, iid: str, state: JobState, *, live: bool) -> None:
        """Take in a job's state."""
        if (opened := self._open.get((iid, state.job))) is not None:
            opened.offer(state)
        answer = is_unknown(state) or not is_aside(state)
        if live and answer and (iid, state.job) in self._queries:
            for answers in self._queries[iid, state.job]:
                answers.append(state)
            self._bell.ring()

    def on_illegible(self, topic: str, payload: bytes) -> None:
        """Take note that something on a topic could not be read: it may have been about an open job."""
        try:
            JobState.parse(payload)
            why = "from an instrument of no id, or of one too many"
        except MalformedMessageError as error:
            why = str(error)
        for opened in self._open.values():
            if topic.endswith(f"/{opened.iid}/job/{opened.job}"):
                opened.misread(why)
        for (iid, job), reasons in self._misread.items():
            if topic.endswith(f"/{iid}/job/{job}"):
                reasons.append(why)

    def doubt(self, iid: str) -> None:
        """Ask at once after every job of an instrument."""
        for opened in self._open.values():
            if opened.iid == iid:
                opened.doubt()

    async def ask_all(self) -> None:
        """Ask after every job that was sent, as after a reconnection."""
        for opened in list(self._open.values()):
            if opened.sent:
                await self._ask(opened.iid, opened.job)

    async def confirm(self, opened: OpenJob, order: Command, *, check: Check = lambda: None) -> None:
        """Send until the device has answered: resend with backoff, then query.

        Args:
            opened: listens for the job.
            order: what is sent.
            check: called before each sending.

        Raises:
            NoAnswerError: when it never does.
            Exception: what ``check`` raised, where the device has none of the order.
        """
        iid, tracker = opened.iid, opened.tracker
        opened.sent = True
        for attempt in range(1, SENDINGS + 1):
            tracker.illegible = None
            try:
                check()
            except Exception as refusal:
                if attempt > 1 and await self._has(opened, refusal):
                    return
                raise
            await self._send(iid, order if attempt == 1 else order.model_copy(update={"attempt": attempt}))
            pause = CONFIRM_S * 2 ** (attempt - 1)
            # What the device could not read may have been somebody else's: it is sent again, at once.
            answered = await opened.bell.until(lambda: opened.confirmed or tracker.illegible is not None, pause)
            if answered and opened.confirmed:
                return
        tracker.unseen = False
        await self._ask(iid, order.job)
        if await opened.bell.until(lambda: opened.confirmed or tracker.unseen, CONFIRM_S) and opened.confirmed:
            return
        seen = False if tracker.unseen else None
        message = f"{order.command} was not confirmed after {SENDINGS} sendings; {self._state_of(iid)}"
        if tracker.illegible is not None:
            message += f"; it could not read an order: {tracker.illegible}"
        raise NoAnswerError(iid, order.job, message, seen=seen)

    async def _has(self, opened: OpenJob, refusal: Exception) -> bool:
        """Whether the device has an order that was sent, and may not be sent again.

        Raises:
            NoAnswerError: it does not tell.
        """
        tracker = opened.tracker
        tracker.unseen = False
        await self._ask(opened.iid, opened.job)
        await opened.bell.until(lambda: opened.confirmed or tracker.unseen, CONFIRM_S)
        if not opened.confirmed and not tracker.unseen:
            message = f"not sent again ({refusal}), and it does not tell whether it has it"
            raise NoAnswerError(opened.iid, opened.job, f"{message}; {self._state_of(opened.iid)}") from refusal
        return opened.confirmed

    async def finish(self, opened: OpenJob) -> JobState:
        """Wait for the end, asking now and then in case its announcement was lost, and at once in doubt.

        Raises:
            NoAnswerError: when the device has lost the job, or does not answer for too long.
        """
        opened.sent = True
        n_asked, silent_s = 0, 0.0
        while not opened.settled:
            pause = min(CONFIRM_S * 2 ** (n_asked - 1), CHECK_S) if n_asked else CHECK_S
            n_heard = opened.n_heard
            woken = await opened.bell.until(lambda: opened.settled or opened.doubtful, pause)
            if opened.settled:
                break
            if opened.n_heard > n_heard:
                n_asked, silent_s = 0, 0.0
                if not opened.doubtful:
                    continue
            elif not woken:
                silent_s += pause
            if silent_s >= self._patience_s:
                what = "nothing that can be understood" if opened.illegible else "nothing"
                message = f"{what} was heard of it for {silent_s:g} s{_because(opened.illegible)}"
                message += f"; {self._state_of(opened.iid)}; adopt it later"
                raise NoAnswerError(opened.iid, opened.job, message, silent_s=silent_s)
            opened.doubtful = False
            n_asked += 1
            await self._ask(opened.iid, opened.job)
        if not opened.tracker.terminal or opened.tracker.state is None:
            raise NoAnswerError(opened.iid, opened.job, "the device does not know the job any more", seen=False)
        return opened.tracker.state

    async def query(self, iid: str, job: str) -> JobState | None:
        """Ask where a job stands; None when the device has never seen it.

        Raises:
            NoAnswerError: when it does not answer.
        """
        answers: list[JobState] = []
        waiting = self._queries.setdefault((iid, job), [])
        waiting.append(answers)
        misread = self._misread.setdefault((iid, job), [])
        try:
            for attempt in range(SENDINGS):
                await self._ask(iid, job)
                if await self._bell.until(lambda: bool(answers), CONFIRM_S * 2**attempt):
                    return None if is_unknown(answers[0]) else answers[0]
        finally:
            waiting[:] = [other for other in waiting if other is not answers]
            if not waiting:
                self._queries.pop((iid, job), None)
                self._misread.pop((iid, job), None)
        what = "no answer to a query" + (" that can be understood" if misread else "")
        raise NoAnswerError(iid, job, f"{what}{_because(*misread[-1:])}; {self._state_of(iid)}")

    def _state_of(self, iid: str) -> str:
        return f"the instrument is {self._presence(iid)}"


def _because(why: str = "") -> str:
    return f" ({why})" if why else ""
