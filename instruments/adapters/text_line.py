"""One line to one instrument: who may speak when, what is asked again, and how both get back in step.

A query may be asked again; a line that acts never, because nobody knows whether the instrument heard the first one.
After any failure a late reply could be taken for the answer to the next question. So the instrument is first asked who
it is until question and answer belong together again, or, where it cannot say, the line has to fall silent.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from envs.errors import InstrumentError
from instruments.adapters.text_settings import IdentitySettings
from instruments.adapters.text_template import ReplyError, shown
from instruments.errors import DeviceFault, FaultKind

T = TypeVar("T")
_STRAY = 5
"""Lines that may come before the identity when both sides get back in step."""


def _pass() -> None:
    """Nothing to do."""


class Line(Protocol):
    """A connection that carries lines of text; all calls block, and come from one thread at a time."""

    def open(self) -> None:
        """Connect.

        Raises:
            LineLostError: when that fails.
        """
        ...

    def close(self) -> None:
        """Let go; may be called at any time, also twice."""
        ...

    def write(self, text: str) -> None:
        """Send one line.

        Raises:
            LineLostError: when the connection is gone.
        """
        ...

    def read(self, timeout_s: float) -> str:
        """The next line that arrives, without its end.

        Raises:
            SilenceError: when none is complete in time.
            ReplyError: when it is garbled.
            LineLostError: when the connection is gone.
        """
        ...

    def read_block(self, timeout_s: float) -> bytes:
        """The content of the next binary block (IEEE 488.2, 8.7.9).

        Raises:
            SilenceError, ReplyError, LineLostError: as ``read``.
        """
        ...

    def flush(self) -> None:
        """Drop what has arrived and not been read.

        Raises:
            LineLostError: when the connection is gone.
        """
        ...


class LineLostError(InstrumentError):
    """The connection is gone or could not be made."""


class SilenceError(InstrumentError):
    """No complete reply came in time."""


class LineFault(DeviceFault):
    """An exchange failed for good.

    Attributes:
        kind: ``retryable`` where nothing has acted.
        lost: whether the line needs opening again.
    """

    def __init__(self, code: str, message: str, *, kind: FaultKind, lost: bool = False) -> None:
        super().__init__(code, message)
        self.kind = kind
        self.lost = lost


@dataclass(frozen=True)
class Told:
    """A reply that means that a job has failed.

    Attributes:
        pattern: regular expression.
        code, kind, message: the failure.
    """

    pattern: str
    code: str
    kind: FaultKind
    message: str


class Conversation:
    """Exchanges with one instrument, one at a time whoever asks: jobs, telemetry, reconnection.

    Args:
        line: the connection.
        timeout_s: how long a reply may take.
        retries: how often a query is asked again.
        identity: how the instrument says who it is.
        faults: replies that mean failure.
    """

    def __init__(
        self,
        line: Line,
        *,
        timeout_s: float,
        retries: int,
        identity: IdentitySettings | None = None,
        faults: tuple[Told, ...] = (),
    ) -> None:
        self.name = ""
        self._line = line
        self._timeout_s = timeout_s
        self._retries = retries
        self._identity = identity
        self._faults = faults
        self._lock = threading.RLock()
        self._in_step = False
        self._closed = False

    def open(self) -> dict[str, str]:
        """Connect, or connect again, and ask who is there.

        Returns:
            The groups of the identity's pattern; empty without an identity.

        Raises:
            LineFault: when the line or the instrument is silent, or it is the wrong instrument.
        """
        with self._lock:
            if self._closed:
                raise LineFault("line_lost", "the adapter is being stopped", kind="retryable")
            try:
                self._line.close()
                self._line.open()
                self._line.flush()
            except LineLostError as error:
                raise LineFault("line_lost", str(error), kind="retryable", lost=True) from error
            self._in_step = True
            if self._identity is None:
                return {}
            return self._who_is_there(self._identity)

    def _who_is_there(self, identity: IdentitySettings) -> dict[str, str]:
        def understood(reply: str) -> re.Match[str]:
            if (match := re.search(identity.pattern, reply)) is None:
                raise ReplyError(f"an identity like {identity.pattern} was to be expected", reply)
            return match

        try:
            match = self.ask(identity.query, understood)
        except LineFault as error:
            if error.code != "bad_reply":
                raise
            self._line.close()  # nothing else is sent to it
            raise LineFault("wrong_instrument", f"the wrong instrument: {error}", kind="other", lost=True) from error
        self.name = match.string
        return {key: (value or "").strip() for key, value in match.groupdict().items()}

    def close(self) -> None:
        """Let go of the line for good, after the exchange that is going on."""
        with self._lock:
            self._closed = True
            self._line.close()

    def query(self, text: str, *, timeout_s: float | None = None, retry: bool = True) -> str:
        """Ask, and ask again where that may help.

        Raises:
            LineFault: with what was sent and what came back.
            DeviceFault: when the reply is one that means failure.
        """
        return self.ask(text, str, timeout_s=timeout_s, retry=retry)

    def ask(
        self,
        text: str,
        understand: Callable[[str], T],
        *,
        timeout_s: float | None = None,
        retry: bool = True,
        between: Callable[[], None] = _pass,
    ) -> T:
        """A query whose reply must make sense: ``understand`` raises ``ReplyError`` where it does not.

        ``between`` is called before it is asked again, and may raise to leave it.

        Raises:
            LineFault: with what was sent and what came back.
            DeviceFault: when the reply is one that means failure.
        """
        limit = timeout_s or self._timeout_s

        def exchange() -> T:
            self._line.write(text)
            reply = self._line.read(limit)
            self._judge(text, reply)
            return understand(reply)

        return self._asked(text, exchange, self._retries if retry else 0, between)

    def block(self, text: str, *, timeout_s: float | None = None, between: Callable[[], None] = _pass) -> bytes:
        """Ask for a binary block.

        Raises:
            LineFault: with what was sent and what came back.
        """
        limit = timeout_s or self._timeout_s

        def exchange() -> bytes:
            self._line.write(text)
            return self._line.read_block(limit)

        return self._asked(text, exchange, self._retries, between)

    def act(self, text: str, *, expect: str | None = None, timeout_s: float | None = None) -> None:
        """Send a line that acts, once, and read what the instrument answers to it where it does.

        Raises:
            LineFault: with what was sent and what came back; never ``retryable`` once it may have been heard.
            DeviceFault: when the reply is one that means failure.
        """
        with self._lock:
            self._get_in_step(text)
            reply = ""
            try:
                self._line.write(text)
                if expect is None:
                    return
                reply = self._line.read(timeout_s or self._timeout_s)
            except (SilenceError, ReplyError, LineLostError) as error:
                self._in_step = False
                message = f"sent {text!r}, and whether it was carried out is not known: {error}"
                lost = not isinstance(error, ReplyError)
                raise LineFault("unconfirmed", message, kind="other", lost=lost) from error
            self._judge(text, reply)
            if not re.search(expect, reply):
                self._in_step = False
                raise LineFault(
                    "refused", f"sent {text!r}, answered by {shown(reply)}, not like {expect}", kind="other"
                )

    def insist(self, text: str, *, expect: str | None = None) -> None:
        """Send a line that makes safe: whatever the line's state, again when it is not confirmed.

        Raises:
            LineFault: when nobody confirmed it.
        """
        with self._lock:
            missing = f"no answer like {expect} came back"
            for left in range(self._retries, -1, -1):
                try:
                    if not self._in_step:
                        self._line.flush()
                    self._line.write(text)
                    if expect is None or self._confirmed(expect):
                        return
                except LineLostError as error:
                    self._open_again(text, error, left)
                except (SilenceError, ReplyError) as error:  # it was not repeated as it was sent
                    self._in_step, missing = False, str(error)
                finally:
                    self._in_step = self._in_step and expect is None
        message = f"sent {text!r}, {self._retries + 1} times, and {missing}"
        raise LineFault("unconfirmed", message, kind="other", lost=True)

    def _confirmed(self, expect: str) -> bool:
        for _ in range(_STRAY):  # late replies to other questions may come first
            try:
                if re.search(expect, self._line.read(self._timeout_s)):
                    return True
            except ReplyError:
                continue
            except SilenceError:
                return False
        return False

    def _open_again(self, text: str, error: LineLostError, left: int) -> None:
        self._in_step = False
        try:
            self._line.close()
            self._line.open()
        except LineLostError:
            left = 0
        if not left:
            raise LineFault("line_lost", f"{text!r} could not be sent: {error}", kind="other", lost=True) from error

    def _asked(self, text: str, exchange: Callable[[], T], retries: int, between: Callable[[], None]) -> T:
        for left in range(retries, -1, -1):
            with self._lock:  # between two tries somebody else may speak
                try:
                    self._get_in_step(text)
                    return exchange()
                except (SilenceError, ReplyError, LineLostError) as error:
                    self._in_step = False
                    if isinstance(error, LineLostError) or not left:
                        raise _given_up(text, error, retries + 1) from error
            between()
        raise AssertionError("unreachable: the last try returns or raises")

    def _judge(self, text: str, reply: str) -> None:
        for told in self._faults:
            if re.search(told.pattern, reply):
                fault = DeviceFault(
                    told.code, f"{told.message or told.code}: sent {text!r}, answered by {shown(reply)}"
                )
                fault.kind = told.kind
                raise fault

    def _get_in_step(self, text: str) -> None:
        """Make sure that the next reply belongs to the next question."""
        if self._in_step:
            return
        try:
            self._line.flush()
            if self._identity is None:
                self._fall_silent(text)
            elif self.name and text != self._identity.query:
                self._find_identity(self._identity)
        except LineLostError as error:
            raise LineFault("line_lost", f"nothing was sent: {error}", kind="retryable", lost=True) from error
        self._in_step = True

    def _fall_silent(self, text: str) -> None:
        for _ in range(_STRAY):
            try:
                self._line.read(self._timeout_s)
            except SilenceError:
                return
            except ReplyError:
                continue
        message = f"{text!r} was not sent: the instrument talks without being asked"
        raise LineFault("out_of_step", message, kind="retryable")

    def _find_identity(self, identity: IdentitySettings) -> None:
        for left in range(self._retries, -1, -1):
            try:
                self._line.write(identity.query)
                for _ in range(_STRAY):
                    if self._line.read(self._timeout_s) == self.name:
                        return
            except (SilenceError, ReplyError) as error:
                if not left:
                    raise _given_up(identity.query, error, self._retries + 1) from error
            self._line.flush()
        message = f"sent {identity.query!r}, and {self.name!r} was not among what came back"
        raise LineFault("out_of_step", message, kind="retryable", lost=True)


def _given_up(text: str, error: InstrumentError, tries: int) -> LineFault:
    code = {SilenceError: "no_answer", ReplyError: "bad_reply"}.get(type(error), "line_lost")
    times = f", {tries} times" if tries > 1 and code != "line_lost" else ""
    return LineFault(code, f"sent {text!r}{times}: {error}", kind="retryable", lost=code != "bad_reply")
