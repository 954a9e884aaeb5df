"""Instruments on a serial line, by pyserial: a port, ``socket://host:port`` of a terminal server, or ``loop://``."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from typing_extensions import override

from envs.errors import ConfigError, MissingExtraError
from instruments.adapters.serial_checksum import Checksum, suffix
from instruments.adapters.text_line import Line, LineLostError, SilenceError
from instruments.adapters.text_protocol import TextInstrument, build_text_instrument
from instruments.adapters.text_settings import TextInstrumentSettings
from instruments.adapters.text_steps import BlockStep
from instruments.adapters.text_template import ReplyError, block_extent
from instruments.transport import Transport

LINE_LIMIT = 64 * 1024
"""Most bytes of a reply: what is longer is noise."""


def _one_of_three(bits: float) -> float:
    if bits not in {1.0, 1.5, 2.0}:
        raise ValueError("1, 1.5 or 2")
    return bits


class Settings(TextInstrumentSettings):
    """An instrument on a serial line.

    Attributes:
        port: device name or URL of pyserial.
        baud, bytesize, parity, stop_bits, flow: as the instrument is set.
        echo: whether the instrument first repeats what it was sent.
        checksum: what stands behind every line, both ways, as hexadecimal digits.
        checksum_mark: what stands between a line and its checksum, such as ``*``.
        checksum_skip: characters at the start of a line that the checksum leaves out, such as NMEA's ``$``.
        gap_s: pause before each line, for instruments that need one.
    """

    port: Annotated[str, Field(min_length=1)]
    baud: Annotated[int, Field(ge=50, le=4_000_000)] = 9600
    bytesize: Literal[5, 6, 7, 8] = 8
    parity: Literal["none", "even", "odd", "mark", "space"] = "none"
    stop_bits: Annotated[float, AfterValidator(_one_of_three)] = 1.0
    flow: Literal["none", "xonxoff", "rtscts", "dsrdtr"] = "none"
    write_termination: Annotated[str, Field(min_length=1)] = "\r\n"
    read_termination: Annotated[str, Field(min_length=1)] = "\r\n"
    echo: bool = False
    checksum: Checksum = "none"
    checksum_mark: str = ""
    checksum_skip: Annotated[int, Field(ge=0, le=8)] = 0
    gap_s: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0


def build(settings: Settings, iid: str, transport: Transport, **base: Any) -> TextInstrument:
    """A device after its settings.

    Args:
        settings: what the file says.
        iid: the instrument's id.
        transport: its connection to the bus.
        base: what every ``Device`` takes.

    Raises:
        MissingExtraError: when pyserial is not installed.
        ConfigError: when a command asks for a binary block on a line with checksums.
    """
    if importlib.util.find_spec("serial") is None:
        raise MissingExtraError("adapter serial", "serial", "pyserial")
    for name, command in settings.commands.items():
        for i, step in enumerate(command.steps):
            if isinstance(step, BlockStep) and settings.checksum != "none":
                raise ConfigError(f"commands.{name}.steps.{i}.block", step.block, "blocks only without a checksum")
    return build_text_instrument(settings, SerialLine(settings), iid, transport, **base)


class SerialLine(Line):
    """A serial port; all calls block.

    Args:
        settings: which port, and how it frames its lines.
        pause: waits between lines.
    """

    def __init__(self, settings: Settings, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._pause = pause
        self._port: Any = None
        self._buffer = bytearray()

    @override
    def open(self) -> None:
        import serial

        wanted = self._settings
        flow = {} if wanted.flow == "none" else {wanted.flow: True}
        # Two programs on one line would steal each other's replies.
        alone = {"exclusive": True} if "://" not in wanted.port and os.name == "posix" else {}
        try:
            self._port = serial.serial_for_url(
                wanted.port,
                baudrate=wanted.baud,
                bytesize=wanted.bytesize,
                parity=wanted.parity[0].upper(),
                stopbits=wanted.stop_bits,
                **flow,
                **alone,
            )
        except Exception as error:  # OSError, ValueError, and termios.error, which is neither
            raise LineLostError(f"{wanted.port} cannot be opened: {error}") from error
        self._buffer.clear()

    @override
    def close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            with suppress(Exception):  # the port may be unplugged, and nothing is lost with it
                port.close()

    @override
    def write(self, text: str) -> None:
        wanted = self._settings
        body = text.encode(wanted.encoding)
        line = body + self._sum(body) + wanted.write_termination.encode(wanted.encoding)
        if wanted.gap_s:
            self._pause(wanted.gap_s)
        with self._spoken():
            # Ten bits a byte take their time; no draining, which a line held by its partner would never end.
            self._port.write_timeout = wanted.timeout_s + 10.0 * len(line) / wanted.baud
            self._port.write(line)
            if wanted.echo:
                self._swallow(line)

    @override
    def read(self, timeout_s: float) -> str:
        end = self._settings.read_termination.encode(self._settings.encoding)
        with self._spoken():
            self._fill(timeout_s, lambda: end in self._buffer)
        line, _, rest = bytes(self._buffer).partition(end)
        self._buffer[:] = rest
        return self._checked(line.strip(b"\r\n"))  # the rest of an end of line longer than the file says

    @override
    def read_block(self, timeout_s: float) -> bytes:
        end = self._settings.read_termination.encode(self._settings.encoding)
        with self._spoken():
            self._fill(timeout_s, lambda: len(self._buffer) >= 2)
            digits = int(self._buffer[1:2]) if self._buffer[1:2].isdigit() else 0
            self._fill(timeout_s, lambda: len(self._buffer) >= 2 + digits)
            start, size = block_extent(bytes(self._buffer[: 2 + digits]))
            whole = start + size + len(end)
            self._fill(timeout_s, lambda: len(self._buffer) >= whole, limit=whole + LINE_LIMIT)
        data, tail = bytes(self._buffer[start : start + size]), bytes(self._buffer[start + size : whole])
        del self._buffer[:whole]
        if tail != end:
            raise ReplyError(f"more than the announced {size} bytes came", tail.decode("latin-1"))
        return data

    @override
    def flush(self) -> None:
        with self._spoken():
            self._port.reset_input_buffer()
        self._buffer.clear()

    def _fill(self, timeout_s: float, enough: Callable[[], bool], *, limit: int = LINE_LIMIT) -> None:
        """Read until there is enough."""
        from serial.serialutil import Timeout

        timer = Timeout(timeout_s)
        while not enough():
            if len(self._buffer) > limit:
                raise ReplyError("a line without an end was sent", bytes(self._buffer[:40]).decode("latin-1"))
            if timer.expired():
                begun = f", only {bytes(self._buffer[-80:])!r} without the end of a line" if self._buffer else ""
                raise SilenceError(f"nothing came back within {timeout_s:g} s{begun}")
            self._port.timeout = max(0.0, timer.time_left())
            self._buffer += self._port.read(max(1, self._port.in_waiting))

    def _swallow(self, line: bytes) -> None:
        """Read the instrument's repetition of a line; where it differs the instrument has heard something else."""
        self._fill(self._settings.timeout_s, lambda: len(self._buffer) >= len(line))
        heard = bytes(self._buffer[: len(line)])
        if heard != line:
            raise ReplyError(f"{line!r} was to be repeated", heard.decode("latin-1"))
        del self._buffer[: len(line)]

    def _sum(self, body: bytes) -> bytes:
        wanted = self._settings
        if wanted.checksum == "none":
            return b""
        return wanted.checksum_mark.encode(wanted.encoding) + suffix(wanted.checksum, body[wanted.checksum_skip :])

    def _checked(self, line: bytes) -> str:
        """A line without its checksum."""
        wanted, shown = self._settings, line.decode("latin-1")
        if wanted.checksum != "none":
            length = len(self._sum(b""))
            body = line[:-length]
            if len(line) < length or line[-length:].upper() != self._sum(body).upper():
                raise ReplyError(f"the {wanted.checksum} checksum is wrong", shown)
            line = body
        try:
            return line.decode(wanted.encoding)
        except UnicodeDecodeError as error:
            raise ReplyError(f"no {wanted.encoding}: noise on the line?", shown) from error

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """Turn what pyserial raises into the line's own errors."""
        if self._port is None:
            raise LineLostError(f"{self._settings.port} is not open")
        try:
            yield
        except (ReplyError, SilenceError):
            raise
        except Exception as error:  # OSError, termios.error, and what a port gives that was closed meanwhile
            raise LineLostError(f"{self._settings.port} failed: {error}") from error
