"""An instrument that talks in lines of text, described by a file, as a device of the profile.

Reading order: ``text_template`` (what is sent and read), ``text_reply``, ``text_parameters``, ``text_steps`` and
``text_settings`` (what a file may say), ``text_line`` (who may speak when), ``text_job`` (a command's steps), this one.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from functools import partial, partialmethod
from typing import Any

from typing_extensions import override

from instruments.adapters.text_job import TextCommand, picked
from instruments.adapters.text_line import Conversation, Line, LineFault, Told
from instruments.adapters.text_settings import TextInstrumentSettings
from instruments.adapters.text_template import ReplyError
from instruments.commands import JobResult
from instruments.device import BlockingJob, Device, DeviceFault
from instruments.errors import RetryableFault
from instruments.messages import Description
from instruments.transport import Transport

_log = logging.getLogger(__name__)


class TextInstrument(Device):
    """A device whose commands and channels are made of lines of text; see ``build_text_instrument``.

    A line that is dead when the device starts, or dies later, is told as the presence ``error`` and opened again with
    growing pauses; an instrument that could not be made safe is made safe before it is ``online`` again.

    Args:
        iid: the instrument's id.
        transport: its connection to the bus.
        settings: what the file says.
        line: the connection to the instrument, not open yet.
        base: what every ``Device`` takes.
    """

    def __init__(
        self, iid: str, transport: Transport, *, settings: TextInstrumentSettings, line: Line, **base: Any
    ) -> None:
        super().__init__(iid, transport, **base)
        self.serial = self.serial or settings.serial
        self._settings = settings
        self._firmware = ""
        # Where there is a lease nobody holds it yet: what a former run left on is switched off first.
        self._unsafe = settings.lease_s is not None
        self._started = False
        self._trouble: str | None = None
        self._mending: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._talk = Conversation(
            line,
            timeout_s=settings.timeout_s,
            retries=settings.retries,
            identity=settings.identity,
            faults=tuple(Told(f.pattern, f.code, f.kind, f.message) for f in settings.faults),
        )
        for name, command in settings.commands.items():
            steps = TextCommand(self._talk, settings, command, self.clock.elapsed)
            leave = command.on_failure == "leave" or settings.safe_state is None
            self.register(command.spec(name, settings.alphabet), partial(self._carry_out, steps, leave))

    # Life -------------------------------------------------------------------------------------------------------------

    @override
    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            self._met(await asyncio.to_thread(self._talk.open))
        except LineFault as error:
            self._begin_mending(str(error))

    @override
    async def start(self) -> None:
        await super().start()
        self._started = True
        if self._trouble is not None:
            self._begin_mending(self._trouble)

    @override
    async def shut(self) -> None:
        loop, self._loop = self._loop, None
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.gather(self._mending, return_exceptions=True)
        if loop is not None:
            await asyncio.to_thread(self._talk.close)

    @override
    def describe(self) -> Description:
        driver = ", ".join(part for part in (self._settings.driver, self._firmware) if part)
        return super().describe().model_copy(update={"driver": driver})

    @override
    async def make_safe(self) -> None:
        if self._settings.safe_state is None:
            return
        self._unsafe = True
        if self._trouble is None:  # else none, or another instrument, would be told: ours is made safe when it is back
            await asyncio.to_thread(self._go_safe)

    # In worker threads ------------------------------------------------------------------------------------------------

    def _carry_out(self, steps: TextCommand, leave: bool, job: BlockingJob, /, **given: float | str) -> JobResult:
        """One job; a failure or cancellation ends in the safe state where the file says so."""
        try:
            return steps.run(job, given)
        except Exception as error:
            if not leave:
                self._go_safe()
            if isinstance(error, LineFault) and error.lost:
                self._lost(str(error))
            raise

    def _go_safe(self) -> None:
        """Send every line of the safe state, whatever became of the others, and see whether they helped."""
        if (safe := self._settings.safe_state) is None:
            return
        tries: list[Callable[[], None]] = [
            partial(self._talk.insist, line, expect=self._settings.acknowledge) for line in safe.writes
        ]
        if safe.verify is not None and safe.expect is not None:
            tries.append(partial(self._talk.ask, safe.verify, partial(_matched, safe.expect)))
        faults = []
        for attempt in tries:
            try:
                attempt()
            except DeviceFault as error:
                _log.error("%s: not made safe: %s", self.iid, error)
                faults.append(str(error))
        self._unsafe = bool(faults)
        if faults:
            self._lost(f"not made safe: {'; '.join(faults)}")

    def read_channel(self, name: str) -> float:
        """The present reading of a channel, in its unit.

        Raises:
            RetryableFault: while the line is being mended.
            LineFault: with what was sent and what came back.
        """
        if self._trouble is not None:
            raise RetryableFault("line_lost", self._trouble)
        channel = self._settings.channels[name]
        try:
            return self._talk.ask(channel.query, lambda reply: channel.reading.number(picked(channel.pattern, reply)))
        except LineFault as error:
            if error.lost:
                self._lost(str(error))
            raise

    def _lost(self, why: str) -> None:
        """Have the line mended; called in any thread."""
        if (loop := self._loop) is not None:
            loop.call_soon_threadsafe(self._begin_mending, why)

    # Mending ----------------------------------------------------------------------------------------------------------

    def _begin_mending(self, why: str) -> None:
        self._trouble = why
        if not self._started:  # nothing can be told yet
            self._presence = ("error", why)
        elif self._loop is not None and (self._mending is None or self._mending.done()):
            self._mending = asyncio.create_task(self._mend(), name=f"{self.iid} mending")

    async def _mend(self) -> None:
        while (why := self._trouble) is not None:  # what fails while the end is told begins it again
            await self._open_again(why)
            self._trouble = None
            self._presence = ("online", "")
            await self.announce()

    async def _open_again(self, why: str) -> None:
        """Try with growing pauses until the instrument answers, and is safe where that was wanted."""
        pause, told = self._settings.reconnect_s, ""
        while True:
            if why != told:
                longest = self._settings.reconnect_max_s
                _log.warning("%s: %s; trying again, at most %g s apart", self.iid, why, longest)
            told = why
            await self.set_presence("error", why)
            await self.sleeper(pause)
            try:
                self._met(await asyncio.to_thread(self._talk.open))
                if self._unsafe:
                    await asyncio.to_thread(self._go_safe)
            except LineFault as error:
                why = self._trouble = str(error)
            else:
                if not self._unsafe:
                    return
                why = self._trouble or why  # making safe has told it meanwhile
            pause = min(2.0 * pause, self._settings.reconnect_max_s)

    def _met(self, who: dict[str, str]) -> None:
        """Note who answered, for the description."""
        self.serial = self._settings.serial or who.get("serial", "") or self.serial
        named = [who.get(key, "") for key in ("maker", "model")]
        firmware = who.get("firmware", "")
        self._firmware = " ".join(part for part in [*named, firmware and f"firmware {firmware}"] if part)


def _matched(pattern: str, reply: str) -> None:
    if not re.search(pattern, reply):
        raise ReplyError(f"something like {pattern} was to be expected", reply)


def build_text_instrument(
    settings: TextInstrumentSettings, line: Line, iid: str, transport: Transport, **base: Any
) -> TextInstrument:
    """A device after its settings.

    Args:
        settings: what the file says.
        line: the connection to the instrument, not open yet.
        iid: the instrument's id.
        transport: its connection to the bus.
        base: what every ``Device`` takes.
    """
    # Kind, channels and safe state are a class's: each file makes a class of its own.
    declared: dict[str, Any] = {
        "kind": settings.kind,
        "safe_state": settings.safe_state.summary if settings.safe_state else "",
        "lease_s": settings.lease_s,
        "channels": {name: channel.channel(f"read {name}") for name, channel in settings.channels.items()},
    }
    readers = {f"read {name}": partialmethod(TextInstrument.read_channel, name) for name in settings.channels}
    owner: type[TextInstrument] = type("TextInstrument", (TextInstrument,), declared | readers)
    return owner(iid, transport, settings=settings, line=line, **base)
