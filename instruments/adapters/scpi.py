"""Instruments with SCPI over VISA: GPIB, USB, Ethernet, serial; ``visa_library`` chooses the backend.

``@py`` is PyVISA-py, which needs no vendor's software; a path or an empty text is a vendor's library; and
``file.yaml@sim`` is PyVISA-sim, with which a file can be tried without an instrument.
"""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from envs.errors import ConfigError, MissingExtraError
from instruments.adapters.text_line import Line, LineLostError, SilenceError
from instruments.adapters.text_protocol import TextInstrument, build_text_instrument
from instruments.adapters.text_settings import TextInstrumentSettings
from instruments.adapters.text_template import ReplyError, block_extent
from instruments.transport import Transport

_QUIET_S = 0.05
_STRAY = 100


class Settings(TextInstrumentSettings):
    """An instrument behind VISA.

    Attributes:
        resource: its VISA address, such as ``TCPIP::192.0.2.10::INSTR`` or ``GPIB0::12::INSTR``.
        visa_library: the backend; a relative path to a ``.yaml@sim`` is taken from the file's own directory.
        chunk: bytes that are read at a time.
        baud_rate: of a serial resource (``ASRL``).
    """

    resource: Annotated[str, Field(pattern=r"^[A-Za-z]+[!-~]*::[!-~]+$")]
    visa_library: str = "@py"
    chunk: Annotated[int, Field(ge=64, le=2**24)] = 20 * 1024
    baud_rate: Annotated[int, Field(gt=0)] | None = None

    @field_validator("visa_library")
    @classmethod
    def _beside_the_file(cls, library: str, info: ValidationInfo) -> str:
        directory = (info.context or {}).get("directory")
        path, at, backend = library.rpartition("@")
        if backend != "sim" or not path or directory is None:
            return library
        return f"{Path(directory) / path}{at}{backend}"


def build(settings: Settings, iid: str, transport: Transport, **base: Any) -> TextInstrument:
    """A device after its settings.

    Args:
        settings: what the file says.
        iid: the instrument's id.
        transport: its connection to the bus.
        base: what every ``Device`` takes.

    Raises:
        MissingExtraError: when PyVISA or the chosen backend is not installed.
        ConfigError: when the file of a simulated instrument is not there.
    """
    backend = {"py": "pyvisa_py", "sim": "pyvisa_sim"}.get(settings.visa_library.rpartition("@")[2], "pyvisa")
    for module in ("pyvisa", backend):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("adapter scpi", "test" if module == "pyvisa_sim" else "visa", module)
    simulated, at, kind = settings.visa_library.rpartition("@")
    if at and kind == "sim" and simulated and not Path(simulated).is_file():
        raise ConfigError("visa_library", settings.visa_library, f"a file that is there: {simulated} is not")
    # The backend's tracebacks at each try of an instrument that is away say what the adapter says in a line.
    logging.getLogger("pyvisa").setLevel(logging.CRITICAL)
    return build_text_instrument(settings, VisaLine(settings), iid, transport, **base)


class VisaLine(Line):
    """A VISA session; all calls block.

    Args:
        settings: where the instrument is and how it ends its lines.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: Any = None

    @override
    def open(self) -> None:
        import pyvisa

        wanted = self._settings
        try:
            # The manager belongs to the whole process: closing it would close other instruments' sessions.
            manager = pyvisa.ResourceManager(wanted.visa_library)
            # Kept at once: what fails below is closed before the next try.
            session = self._session = manager.open_resource(wanted.resource)
            session.write_termination = ""
            session.read_termination = wanted.read_termination or None
            session.chunk_size = wanted.chunk
            if wanted.baud_rate is not None:
                session.baud_rate = wanted.baud_rate
        except Exception as error:  # backends raise whatever they like, bare Exception included
            raise LineLostError(f"{wanted.resource} cannot be opened: {_said(error)}") from error

    @override
    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(Exception):  # the connection may be gone, and nothing is lost with it
                session.close()

    @override
    def write(self, text: str) -> None:
        line = (text + self._settings.write_termination).encode(self._settings.encoding)
        with self._spoken(text):
            self._session.write_raw(line)

    @override
    def read(self, timeout_s: float) -> str:
        with self._spoken("a reply"):
            self._session.timeout = timeout_s * 1000.0
            data = bytes(self._session.read_raw())
        if not data:  # the last byte carries the end: a message without one is a session without an instrument
            raise LineLostError(f"{self._settings.resource} gives nothing: is its address right?")
        return self._text(data)

    @override
    def read_block(self, timeout_s: float) -> bytes:
        with self._spoken("a block"):
            self._session.timeout = timeout_s * 1000.0
            data = bytearray(self._session.read_raw())
            while len(data) < 11 and len(data) < 2 + int(data[1:2] or b"9" if data[1:2].isdigit() else b"0"):
                data += self._session.read_raw()
            start, size = block_extent(bytes(data[:11]))
            # An end of line within the data ends a reading on interfaces that have no other mark.
            end = start + size + (len(self._settings.read_termination) if self._bare else 0)
            while len(data) < end:
                data += self._session.read_raw()
        if data[start + size :].strip(b"\r\n"):
            raise ReplyError(f"more than the announced {size} bytes came", data[start + size :][:40].decode("latin-1"))
        return bytes(data[start : start + size])

    @override
    def flush(self) -> None:
        with self._spoken("a flush"):
            if not self._bare:
                # Not every interface has a device clear; reading until silence follows.
                with suppress(NotImplementedError, self._visa_error):
                    self._session.clear()
            self._session.timeout = _QUIET_S * 1000.0
            for _ in range(_STRAY):
                try:
                    self._session.read_raw()
                except self._visa_error as error:
                    if _timed_out(error):
                        return
                    raise

    @property
    def _bare(self) -> bool:
        """Whether the interface carries bytes alone, without a mark for the end of a message."""
        return self._settings.resource.upper().endswith("::SOCKET") or self._settings.resource.upper().startswith(
            "ASRL"
        )

    @property
    def _visa_error(self) -> type[Exception]:
        from pyvisa.errors import VisaIOError

        return VisaIOError  # type: ignore[no-any-return]

    def _text(self, data: bytes) -> str:
        end = self._settings.read_termination.encode(self._settings.encoding)
        try:
            return data.removesuffix(end).decode(self._settings.encoding).strip("\r\n")
        except UnicodeDecodeError as error:
            raise ReplyError(f"no {self._settings.encoding}: noise on the line?", data.decode("latin-1")) from error

    @contextmanager
    def _spoken(self, what: str) -> Iterator[None]:
        """Turn what backends raise into the line's own errors."""
        if self._session is None:
            raise LineLostError(f"{self._settings.resource} is not open")
        try:
            yield
        except ReplyError:
            raise
        except self._visa_error as error:
            if _timed_out(error):
                raise SilenceError(f"nothing came back within {self._session.timeout / 1000.0:g} s") from error
            raise LineLostError(f"{self._settings.resource} failed at {what!r}: {_said(error)}") from error
        except Exception as error:
            raise LineLostError(f"{self._settings.resource} failed at {what!r}: {_said(error)}") from error


def _timed_out(error: Exception) -> bool:
    from pyvisa.constants import StatusCode

    return bool(getattr(error, "error_code", None) == StatusCode.error_timeout)


def _said(error: Exception) -> str:
    """An error in one line; PyVISA-sim puts a whole traceback into its own, escaped, whose last line says why."""
    lines = [line for line in map(str.strip, re.split(r"\n|\\n", str(error))) if line.strip("'\"")]
    if not lines:
        return type(error).__name__
    return lines[-1] if any("Traceback" in line for line in lines) else " ".join(lines)
