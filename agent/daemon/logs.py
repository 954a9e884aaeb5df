"""The daemon's log: one set-up for its own events and for those of every library, at the entry of the process.

On a terminal people read it; elsewhere it is one JSON object a line, and such lines stand in the state's directory too.
``get("daemon").info("experiment ended", experiment=..., outcome=...)`` writes an event with its fields. Secrets are
taken out, floods are counted instead of written, and a full disk loses lines but never the daemon.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TextIO, cast

import structlog
from typing_extensions import override

from agent.daemon.flood import Flood
from agent.daemon.log_file import LogFile
from agent.daemon.redaction import redacted
from instruments.profile.legibility import printable

ROOT = "labwright"
FILE = "agent.jsonl"
MAX_BYTES = 16 << 20
KEEP = 8
PER_MINUTE = 120

Level = Literal["debug", "info", "warning", "error"]
LabTime = Callable[[], datetime]

_FIELDS, _LAB_AT = "labwright_fields", "labwright_lab_at"
_OWN = ("at", "lab_at", "level", "logger", "event", "exception")
_CHATTY = ("paho", "uvicorn", "alembic", "sqlalchemy", "httpx", "httpcore", "asyncio", "amqtt", "transitions")
"""Libraries whose everyday is nobody's news: their warnings are, and everything at level ``debug``."""


def get(name: str, **bound: Any) -> structlog.stdlib.BoundLogger:
    """The logger of a part of the daemon, with fields that each of its events bears.

    It goes by way of the standard library's logger ``labwright.NAME``, so it may be made before ``configure``.
    """
    logger = structlog.wrap_logger(
        logging.getLogger(f"{ROOT}.{name}"),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _to_record,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        **bound,
    )
    return cast("structlog.stdlib.BoundLogger", logger)


def _to_record(_logger: object, _method: str, fields: structlog.typing.EventDict) -> tuple[tuple[str], dict[str, Any]]:
    event = str(fields.pop("event"))
    keywords = {name: fields.pop(name) for name in ("exc_info", "stack_info") if name in fields}
    return (event,), {"extra": {_FIELDS: dict(fields)}, **keywords}


class Logs:
    """The log as it is set up, until ``close``.

    Args:
        outlets: where lines go.
        flood: which events are too many.
        level: the lowest that is written.
        lab_time: tells lab time, where it is not the machine's.
    """

    def __init__(
        self, outlets: Sequence[logging.Handler], flood: Flood, *, level: Level, lab_time: LabTime | None = None
    ) -> None:
        self._outlets = outlets
        self._spread = _Spread(outlets, flood, lab_time)
        root = logging.getLogger()
        self._before = (root.level, root.handlers[:], {n: logging.getLogger(n).level for n in _CHATTY})
        root.handlers[:] = [self._spread]
        self.set_level(level)
        logging.captureWarnings(True)

    @property
    def dropped(self) -> int:
        """Lines that could not be written, in all."""
        return sum(outlet.dropped for outlet in self._outlets if isinstance(outlet, LogFile | _Stream))

    def set_level(self, level: Level) -> None:
        """Write from this level on."""
        lowest = logging.getLevelNamesMapping()[level.upper()]
        logging.getLogger().setLevel(lowest)
        for name in _CHATTY:
            logging.getLogger(name).setLevel(lowest if level == "debug" else max(lowest, logging.WARNING))

    def reopen(self) -> None:
        """Open the file anew: on SIGHUP, when someone else has moved it away."""
        for outlet in self._outlets:
            if isinstance(outlet, LogFile):
                outlet.reopen()

    def close(self) -> None:
        """Say what was left out so far, close the file, and leave logging as it was found."""
        self._spread.close()
        for outlet in self._outlets:
            outlet.close()
        root = logging.getLogger()
        level, handlers, levels = self._before
        root.setLevel(level)
        root.handlers[:] = handlers
        for name, before in levels.items():
            logging.getLogger(name).setLevel(before)
        logging.captureWarnings(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def configure(
    logs_dir: Path | None,
    *,
    level: Level = "info",
    terminal: bool,
    max_bytes: int = MAX_BYTES,
    keep: int = KEEP,
    per_minute: int = PER_MINUTE,
    lab_time: LabTime | None = None,
    stream: TextIO | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Logs:
    """Set up the log of this process; nothing is printed on standard output, which is for answers.

    Args:
        logs_dir: where ``agent.jsonl`` stands; no file is written when it is None.
        level: the lowest that is written.
        terminal: people read the stream: no JSON there.
        max_bytes: at which the file turns over.
        keep: number of older files.
        per_minute: of the same event of one logger; the rest is counted, and the count written.
        lab_time: tells lab time, where it is not the machine's.
        stream: standard error when it is None.
        monotonic: the machine's monotonic clock, s.
    """
    machine = _Lines()
    shown = _Stream(sys.stderr if stream is None else stream)
    shown.setFormatter(_Shown(colours=shown.colours) if terminal else machine)
    outlets: list[logging.Handler] = [shown]
    if logs_dir is not None:
        file = LogFile(logs_dir / FILE, max_bytes=max_bytes, keep=keep, lost=machine.lost)
        file.setFormatter(machine)
        outlets.append(file)
    return Logs(outlets, Flood(per_minute, monotonic), level=level, lab_time=lab_time)


class _Spread(logging.Handler):
    """The one handler of the process: what it lets through goes to every outlet."""

    def __init__(self, outlets: Sequence[logging.Handler], flood: Flood, lab_time: LabTime | None) -> None:
        super().__init__()
        self._outlets, self._flood, self._lab_time = outlets, flood, lab_time

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._count()
        if self._flood.admits((record.name, record.levelno, str(record.msg))):
            self._out(record)

    @override
    def close(self) -> None:
        self._count(end=True)
        super().close()

    def _count(self, *, end: bool = False) -> None:
        for (name, level, event), n in self._flood.over(end=end):
            record = logging.LogRecord(name, level, "", 0, "the same event came again", (), None)
            setattr(record, _FIELDS, {"again": event, "times": n})
            self._out(record)

    def _out(self, record: logging.LogRecord) -> None:
        if self._lab_time is not None:  # once for all outlets: an hour of it may be a second
            setattr(record, _LAB_AT, _utc(self._lab_time()))
        for outlet in self._outlets:
            outlet.handle(record)


class _Stream(logging.Handler):
    """A stream that may go away: what cannot be written is counted."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream, self.dropped = stream, 0

    @property
    def colours(self) -> bool:
        return self._stream.isatty()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._stream.write(f"{self.format(record)}\n")
            self._stream.flush()
        except Exception:  # noqa: BLE001 - the terminal is gone, or the record cannot be shown
            self.dropped += 1


class _Lines(logging.Formatter):
    """One JSON object a line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.entry(record), ensure_ascii=False)

    def entry(self, record: logging.LogRecord) -> dict[str, Any]:
        """What is said of a record, without secrets."""
        said: dict[str, Any] = {"at": _utc(datetime.fromtimestamp(record.created, UTC))}
        if hasattr(record, _LAB_AT):
            said["lab_at"] = getattr(record, _LAB_AT)
        said |= {"level": record.levelname.lower(), "logger": record.name, "event": record.getMessage()}
        fields: Mapping[str, Any] = getattr(record, _FIELDS, {})
        said |= {f"{name}_" if name in _OWN else name: value for name, value in fields.items()}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            said["stack"] = record.stack_info
        return cast("dict[str, Any]", redacted(said))

    def lost(self, n: int) -> str:
        """The line that says how many were dropped."""
        record = logging.LogRecord(f"{ROOT}.logs", logging.WARNING, "", 0, "log lines were dropped", (), None)
        setattr(record, _FIELDS, {"lines": n})
        return self.format(record)


class _Shown(_Lines):
    """For people."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._render = structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=32)

    @override
    def format(self, record: logging.LogRecord) -> str:
        said = self.entry(record)
        trace = said.pop("exception", None)
        legible = {name: printable(v) if isinstance(v, str) else v for name, v in said.items()}
        legible["timestamp"] = legible.pop("at")
        return self._render(None, "", {**legible, **({"exception": trace} if trace else {})})


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
