"""Settings of an instrument that talks in lines of text: all that a file says about it, and whether it agrees."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from envs.errors import ConfigError
from instruments.adapters.text_parameters import Alphabet, AnyParameter, NumberSettings
from instruments.adapters.text_reply import Factor, Reading, Regex, Section, Ucum
from instruments.adapters.text_steps import AnyStep, BlockStep, CheckStep, DelayStep, QueryStep, Seconds, WaitStep
from instruments.adapters.text_template import Template
from instruments.commands import Channel, CommandSpec, Returns
from instruments.errors import FaultKind
from instruments.messages import Name, Quantity, Value
from instruments.units import UnitError, convert

ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
IDN = r"^(?P<maker>[^,]*),(?P<model>[^,]*),(?P<serial>[^,]*),(?P<firmware>.*)$"
"""The four fields of the reply to ``*IDN?`` (IEEE 488.2, 10.14)."""


def _known_encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise ValueError("a name of an encoding, such as ascii, latin-1 or utf-8") from error


Encoding = Annotated[str, AfterValidator(_known_encoding)]


class IdentitySettings(Section):
    """How the instrument says who it is: groups ``serial``, ``firmware``, ``maker`` and ``model`` of ``pattern``.

    An instrument whose reply does not match is the wrong one: nothing is sent to it.
    """

    query: str = "*IDN?"
    pattern: Regex = IDN


class ErrorQueueSettings(Section):
    """The instrument's own queue of errors; ``empty`` is what its reply looks like when nothing is left."""

    query: str = "SYST:ERR?"
    empty: Regex = r"^[+-]?0\b"
    most: Annotated[int, Field(ge=1, le=1000)] = 50


class FaultSettings(Section):
    """A reply, to whatever was asked, that means that the job has failed."""

    pattern: Regex
    code: Name
    kind: FaultKind = "other"
    message: str = ""


class SafeStateSettings(Section):
    """Lines that put the instrument into its safe state; they must do no harm when they are sent twice.

    The reply to ``verify`` must match ``expect`` afterwards; until it does the instrument is not taken for safe.
    """

    summary: Annotated[str, Field(min_length=1)]
    writes: Annotated[list[str], Field(min_length=1)]
    verify: str | None = None
    expect: Regex | None = None


class ChannelSettings(Section):
    """One channel of telemetry: asked every ``period_s``."""

    query: str
    unit: Ucum
    period_s: Seconds
    scale: Factor = 1.0
    offset: float = 0.0
    pattern: Regex | None = None
    summary: str = ""

    @property
    def reading(self) -> Reading:
        """How its reply is read."""
        return Reading(unit=self.unit, scale=self.scale, offset=self.offset)

    def channel(self, method: str) -> Channel:
        """As the device declares it."""
        return Channel(unit=self.unit, summary=self.summary, period_s=self.period_s, read=method)


class CommandSettings(Section):
    """One command: what it takes, and its steps in their order.

    ``on_failure`` says whether a failed or cancelled job leaves the instrument as it is or in its safe state, which
    is the default where there is one. Numbers in ``example`` are in the parameters' units.
    """

    summary: Annotated[str, Field(min_length=1)]
    steps: Annotated[list[AnyStep], Field(min_length=1)]
    parameters: dict[ParameterName, AnyParameter] = Field(default_factory=dict)
    duration_s: Annotated[float, Field(ge=0.0)] | None = None
    cancellable: bool = True
    on_failure: Literal["safe", "leave"] | None = None
    example: dict[str, float | str] | None = None

    def spec(self, name: str, alphabet: Alphabet) -> CommandSpec:
        """As the device declares it.

        Raises:
            ValueError: when a parameter's limits, a default or the example do not agree.
        """
        rules = {key: parameter.rule(alphabet) for key, parameter in self.parameters.items()}
        results: dict[str, Returns] = {}
        for step in self.steps:
            for key, returns in _results(step):
                if key in results:
                    raise ValueError(f"two steps give the result {key}")
                results[key] = returns
        return CommandSpec(name, self.summary, rules, results, self.duration_s, self.cancellable, self._example())

    def _example(self) -> dict[str, Value] | None:
        if self.example is None:
            return None
        units = {k: p.unit for k, p in self.parameters.items() if isinstance(p, NumberSettings)}
        return {
            key: value if isinstance(value, str) else Quantity(value=value, unit=units.get(key, "1"))
            for key, value in self.example.items()
        }


class TextInstrumentSettings(Section):
    """What every instrument with lines of text has; the adapters add how it is reached.

    Attributes:
        acknowledge: what the instrument answers to every line that acts, where it does.
        forbidden: characters that no text from an order may contain: they would end a command or a quotation.
        encoding: of lines in both directions.
        write_termination: end of what is sent.
        read_termination: end of what comes back; empty where the interface itself marks the end.
        timeout_s: how long a reply may take.
        retries: how often a query is asked again; lines that act are never repeated.
        reconnect_s: first pause before a lost line is opened again; doubled each time up to ``reconnect_max_s``.
    """

    kind: Name
    driver: str = ""
    serial: str = ""
    identity: IdentitySettings | None = None
    acknowledge: Regex | None = None
    forbidden: str = ";'\""
    encoding: Encoding = "ascii"
    write_termination: str = "\n"
    read_termination: str = "\n"
    timeout_s: Seconds = 2.0
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    reconnect_s: Seconds = 1.0
    reconnect_max_s: Seconds = 60.0
    error_queue: ErrorQueueSettings | None = None
    faults: list[FaultSettings] = Field(default_factory=list)
    safe_state: SafeStateSettings | None = None
    lease_s: Seconds | None = None
    channels: dict[Name, ChannelSettings] = Field(default_factory=dict)
    commands: Annotated[dict[Name, CommandSettings], Field(min_length=1)]

    @property
    def alphabet(self) -> Alphabet:
        """What may stand in a text from an order."""
        return Alphabet(self.forbidden + self.write_termination, self.encoding)

    def encodes(self, line: str) -> None:
        """Refuse a line of the file that the encoding lacks letters for.

        Raises:
            ValueError: naming them.
        """
        if bad := Alphabet(encoding=self.encoding).bad(line):
            raise ValueError(f"letters of the encoding {self.encoding}, not {' '.join(map(repr, bad))}")

    def _bare_line(self, text: str) -> None:
        if Template(text).fields:
            raise ValueError("no fields here: no order belongs to it")
        self.encodes(text)

    def _bare_lines(self) -> Iterator[tuple[str, str]]:
        """The lines that belong to no order, with their keys."""
        if self.identity is not None:
            yield "identity.query", self.identity.query
        if self.error_queue is not None:
            yield "error_queue.query", self.error_queue.query
        for name, channel in self.channels.items():
            yield f"channels.{name}.query", channel.query
        if self.safe_state is not None:
            yield from ((f"safe_state.writes.{i}", line) for i, line in enumerate(self.safe_state.writes))
            if self.safe_state.verify is not None:
                yield "safe_state.verify", self.safe_state.verify

    @model_validator(mode="after")
    def _everything_agrees(self) -> Self:
        """What needs more than one key to judge.

        Raises:
            ConfigError: names the key; pydantic lets it through.
        """
        if self.lease_s is not None and self.safe_state is None:
            raise ConfigError("lease_s", self.lease_s, "a lease only with a [safe_state] to go to")
        if self.reconnect_s > self.reconnect_max_s:
            allowed = f"at most reconnect_max_s = {self.reconnect_max_s:g}"
            raise ConfigError("reconnect_s", self.reconnect_s, allowed)
        if (safe := self.safe_state) is not None and (safe.verify is None) != (safe.expect is None):
            raise ConfigError("safe_state.expect", safe.expect, "both of verify and expect, or none")
        for key, line in self._bare_lines():
            _judge(key, line, self._bare_line)
        for name, channel in self.channels.items():
            _judge(f"channels.{name}.pattern", channel.pattern, _grouped)
        for name, command in self.commands.items():
            _CommandCheck(self, f"commands.{name}", command).run()
        return self


def _results(step: AnyStep) -> Iterator[tuple[str, Returns]]:
    if isinstance(step, QueryStep):
        for name, reading in step.results.items():
            yield name, Returns(unit=reading.unit, summary=reading.summary)
    elif isinstance(step, WaitStep) and step.result is not None:
        yield step.result, Returns(unit=step.reading.unit, summary=step.reading.summary)
    elif isinstance(step, BlockStep):
        yield step.artefact, Returns(media_type=step.media_type, summary=step.summary)


def _judge(key: str, value: object, check: Callable[..., object]) -> None:
    """Turn a ValueError into one that names the key."""
    try:
        check(value)
    except (ValueError, UnitError) as error:
        raise ConfigError(key, value, str(error)) from error


def _grouped(pattern: str | None) -> None:
    if pattern is not None and re.compile(pattern).groups == 0:
        raise ValueError("a pattern with a group around the reading, such as 'T=([0-9.]+)'")


class _CommandCheck:
    """The checks of one command, for which its parameters and the whole file are needed."""

    def __init__(self, whole: TextInstrumentSettings, key: str, command: CommandSettings) -> None:
        self._whole = whole
        self._key = key
        self._command = command

    def run(self) -> None:
        """Find the first thing that is wrong.

        Raises:
            ConfigError: names it.
        """
        command, key = self._command, self._key
        for name, parameter in command.parameters.items():
            _judge(
                f"{key}.parameters.{name}",
                parameter.model_dump(exclude_defaults=True),
                lambda _, p=parameter: p.rule(self._whole.alphabet),
            )
        if command.on_failure == "safe" and self._whole.safe_state is None:
            raise ConfigError(f"{key}.on_failure", "safe", "'leave', or a [safe_state] to go to")
        for i, step in enumerate(command.steps):
            self._step(f"{key}.steps.{i}", step)
        self._all_used()
        name = key.removeprefix("commands.")
        _judge(f"{key}.example", command.example, lambda _: command.spec(name, self._whole.alphabet))

    def _all_used(self) -> None:
        """A number that an order says and nothing is told of would be a setting that nobody made."""
        used: set[object] = set()
        for step in self._command.steps:
            for kind in ("write", "query", "wait", "block"):
                used |= set(Template(getattr(step, kind)).fields) if hasattr(step, kind) else set()
            used.add(step.delay if isinstance(step, DelayStep) else getattr(step, "goal", None))
        for name, parameter in self._command.parameters.items():
            if isinstance(parameter, NumberSettings) and name not in used:
                raise ConfigError(
                    f"{self._key}.parameters.{name}", name, f"a parameter that a step uses, as {{{name}}}"
                )

    def _step(self, key: str, step: AnyStep) -> None:
        for kind in ("write", "query", "wait", "block"):
            if (line := getattr(step, kind, None)) is not None:
                self._line(f"{key}.{kind}", line)
        if isinstance(step, QueryStep) and (fault := step.fault()) is not None:
            raise ConfigError(f"{key}.{fault[0]}", fault[1], fault[2])
        if isinstance(step, CheckStep) and self._whole.error_queue is None:
            raise ConfigError(f"{key}.check", True, "a check only with an [error_queue] to read")
        if isinstance(step, DelayStep) and isinstance(step.delay, str):
            self._parameter_in(f"{key}.delay", step.delay, "s")
        if isinstance(step, WaitStep):
            self._wait(key, step)

    def _line(self, key: str, line: str) -> None:
        def fits(text: str) -> None:
            template = Template(text)
            known = self._command.parameters
            if unknown := [field for field in template.fields if field not in known]:
                raise ValueError(f"the fields {', '.join(f'{{{n}}}' for n in known) or '(none)'}, not {{{unknown[0]}}}")
            samples = {name: known[name].samples() for name in template.fields}
            for i in range(max(map(len, samples.values()), default=1)):
                sent = {name: known[name].sent(tried[i % len(tried)]) for name, tried in samples.items()}
                self._whole.encodes(template.fill(sent))

        _judge(key, line, fits)

    def _wait(self, key: str, step: WaitStep) -> None:
        if len(step.conditions) != 1:
            allowed = "exactly one of at_least, at_most, near, matches"
            raise ConfigError(key, sorted(step.conditions), allowed)
        _judge(f"{key}.pattern", step.pattern, _grouped)
        if isinstance(step.goal, str):
            self._parameter_in(f"{key}.{next(iter(step.conditions))}", step.goal, step.reading.unit)
        if step.every_s > step.timeout_s:
            raise ConfigError(f"{key}.every_s", step.every_s, f"at most timeout_s = {step.timeout_s:g}")

    def _parameter_in(self, key: str, name: str, unit: str | None) -> None:
        parameter = self._command.parameters.get(name)
        if not isinstance(parameter, NumberSettings):
            numbers = [n for n, p in self._command.parameters.items() if isinstance(p, NumberSettings)]
            raise ConfigError(key, name, f"a number, or one of the parameters {', '.join(numbers) or '(none)'}")
        _judge(key, name, lambda _: convert(parameter.low, parameter.unit, unit or parameter.unit))
