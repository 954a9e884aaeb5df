"""A line and a job that follow a script, for what talks over lines of text."""

from collections import deque
from collections.abc import Callable

from instruments.adapters.text_job import TextCommand
from instruments.adapters.text_line import Conversation, SilenceError
from instruments.adapters.text_settings import IdentitySettings, TextInstrumentSettings
from instruments.device import JobCancelledError
from instruments.messages import ArtefactRef


class FakeLine:
    """Answers from a script: a text, or an error to raise; questions that act are counted."""

    def __init__(self, *script: str | Exception, respond: Callable[[str], str | Exception] | None = None) -> None:
        self.script = deque(script)
        self.sent: list[str] = []
        self.respond = respond
        self.opened = 0
        self.pending: str | Exception | None = None

    def open(self) -> None:
        self.opened += 1

    def close(self) -> None:
        pass

    def flush(self) -> None:
        self.pending = None

    def write(self, text: str) -> None:
        self.sent.append(text)
        if self.respond is not None:
            self.pending = self.respond(text)

    def read(self, timeout_s: float) -> str:
        if self.respond is not None:
            reply, self.pending = self.pending, None
            reply = SilenceError(f"nothing within {timeout_s} s") if reply is None else reply
        else:
            reply = self.script.popleft() if self.script else SilenceError(f"nothing within {timeout_s} s")
        if isinstance(reply, Exception):
            raise reply
        return reply

    def read_block(self, timeout_s: float) -> bytes:
        return self.read(timeout_s).encode()


class FakeJob:
    def __init__(self, cancel_after: int | None = None) -> None:
        self.told: list[float] = []
        self.slept: list[float] = []
        self.etas: list[float | None] = []
        self.cancel_after = cancel_after

    def check(self) -> None:
        if self.cancel_after is not None and len(self.slept) >= self.cancel_after:
            raise JobCancelledError("cancelled")

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.check()

    def progress(self, fraction: float, *, remaining_s: float | None = None) -> None:
        self.told.append(fraction)
        self.etas.append(remaining_s)

    def keep(self, data: bytes, media_type: str) -> ArtefactRef:
        return ArtefactRef(uri=f"kept:{len(data)}", sha256="0" * 64, bytes=len(data), media_type=media_type)


def talk(line: FakeLine, *, retries: int = 2, identity: IdentitySettings | None = None) -> Conversation:
    conversation = Conversation(line, timeout_s=0.1, retries=retries, identity=identity)
    conversation.open()
    return conversation


def settings(**command: object) -> TextInstrumentSettings:
    """An instrument with one command ``go``."""
    whole = {key: command.pop(key) for key in ("error_queue", "safe_state", "acknowledge") if key in command}
    return TextInstrumentSettings.model_validate(
        {"kind": "test", "commands": {"go": {"summary": "Go", **command}}, **whole}
    )


def carry_out(line: FakeLine, whole: TextInstrumentSettings, job: FakeJob, **given: float | str) -> dict[str, object]:
    result = TextCommand(talk(line), whole, whole.commands["go"], lambda: 0.0).run(job, given)
    return {**result.values, **result.artefacts}
