"""Hostile messages from a seeded grammar: what the profile forbids, in every way that came to mind.

What whoever holds every right can do by obeying the profile is not in here: a well-formed new order is an order, a
cancellation is one, and a newer state with the right digest is the device's word. Only a broker's access list tells
those apart, and ours does (tests/integration/test_broker_access.py).
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from instruments.messages import Command, Control, JobError, JobState, Presence, Quantity, Result, Status
from instruments.topics import Lab

PAST = datetime(2020, 1, 1, tzinfo=UTC)
OLD_BOOT = "01700000-0000-7000-8000-000000000000"
"""A boot id of 2020, as a device gives that has not run since."""
_ODD: tuple[Any, ...] = (None, True, -1, 1.5e300, "", "x", [], {}, [[]], {"a": {}}, 10**400, "\x00", "\ud800")
_ODD_NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", '"NaN"')


@dataclass(frozen=True)
class Hostile:
    """One message that nobody should have sent."""

    kind: str
    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True)
class Real:
    """A job that is really being done: instrument and id."""

    iid: str
    job: str


class Grammar:
    """Makes hostile messages.

    Args:
        rng: chooses.
        topics: the lab.
        iids: the instruments that are there.
        recorded: what was on the bus before, of jobs that have ended.

    Attributes:
        real: jobs that are being done now, or just about to be ordered; kept up to date by the caller.
        begun: those of which a device has begun: before, an order under their id by somebody else is the first one.
        strangers: ids of well-formed orders that must never be carried out.
    """

    def __init__(
        self, rng: random.Random, topics: Lab, iids: Sequence[str], recorded: Sequence[tuple[str, bytes]]
    ) -> None:
        self._rng = rng
        self._topics = topics
        self._iids = list(iids)
        self._by_channel: dict[str, list[tuple[str, bytes]]] = {}
        for topic, payload in recorded:
            self._by_channel.setdefault(topic.split("/")[5], []).append((topic, payload))
        self._orders = [(topic, payload) for topic, payload in recorded if "/cmd/" in topic]
        self.real: list[Real] = []
        self.begun: list[Real] = []
        self.strangers: set[str] = set()
        self._kinds: list[tuple[Callable[[], Hostile], int]] = [
            (self._no_json, 10),
            (self._truncated, 10),
            (self._odd_number, 10),
            (self._deep, 3),
            (self._huge, 2),
            (self._wrong_version, 6),
            (self._wrong_type, 12),
            (self._unknown_fields, 5),
            (self._other_job, 6),
            (self._replayed, 10),
            (self._retained_order, 4),
            (self._empty, 5),
            (self._foreign_topic, 10),
            (self._foreign_boot, 6),
            (self._foreign_status, 4),
            (self._forged_result, 6),
            (self._control, 8),
            (self._conflict, 4),
            (self._refused, 2),
        ]

    def message(self) -> Hostile:
        """The next one."""
        makers = [maker for maker, _ in self._kinds]
        return self._rng.choices(makers, [weight for _, weight in self._kinds])[0]()

    def ghost(self) -> Hostile:
        """A well-formed order that somebody left on the bus: retained, so it must never be carried out."""
        job = self._id()
        self.strangers.add(job)
        now = datetime.now(UTC)
        payload = self._order(job, issued_at=now, not_after=now + timedelta(hours=1)).to_bytes()
        return Hostile("retained order", self._topics.command(self._rng.choice(self._iids), job), payload, retain=True)

    # Its words --------------------------------------------------------------------------------------------------------

    def _id(self) -> str:
        return f"{self._rng.getrandbits(48) | 1 << 40:012x}-forged-{self._rng.getrandbits(32):08x}"

    def _digest(self) -> str:
        return f"{self._rng.getrandbits(256):064x}"

    def _order(self, job: str, **more: Any) -> Command:
        force = Quantity(value=self._rng.uniform(1, 99), unit="kN")
        fields: dict[str, Any] = {"command": "press", "parameters": {"force": force}}
        return Command(job=job, **fields | {"issued_at": PAST, "not_after": PAST} | more)

    def _some_topic(self, *, channels: str = "cmd job status desc ctl") -> str:
        """A topic that somebody reads, most often with a made-up job, sometimes with a real one."""
        iid, channel = self._rng.choice(self._iids), self._rng.choice(channels.split())
        if channel in {"cmd", "job"}:
            if self.real and self._rng.random() < 0.3:
                real = self._rng.choice(self.real)
                return f"{self._topics.prefix}/instrument/{real.iid}/{channel}/{real.job}"
            return f"{self._topics.prefix}/instrument/{iid}/{channel}/{self._id()}"
        return f"{self._topics.prefix}/instrument/{iid}/{channel}"

    def _real(self) -> tuple[str, bytes]:
        """A recorded message, of each channel as often as of any other."""
        return self._rng.choice(self._by_channel[self._rng.choice(sorted(self._by_channel))])

    def _fields(self) -> tuple[str, dict[str, Any]]:
        """A recorded message, to be spoilt, and where it was."""
        topic, payload = self._real()
        return topic, dict(json.loads(payload))

    # Its sentences ----------------------------------------------------------------------------------------------------

    def _no_json(self) -> Hostile:
        texts = [
            self._rng.randbytes(self._rng.randrange(1, 200)),
            "".join(self._rng.choices(string.printable, k=50)).encode(),
            b"\xef\xbb\xbf{}",
            b"{'job': 'x'}",
            b"null",
            b"[]",
            b'"online"',
            b"\xff\xfe{\x00}\x00",
            b'{"job": "a", "job": "b"}',
        ]
        return Hostile("not the JSON of a message", self._some_topic(), self._rng.choice(texts))

    def _truncated(self) -> Hostile:
        topic, payload = self._real()
        return Hostile("truncated", topic, payload[: self._rng.randrange(1, len(payload))])

    def _odd_number(self) -> Hostile:
        topic, fields = self._fields()
        name = self._rng.choice(["seq", "progress", "elapsed_s", "attempt", "lease_s", "ts"])
        text = json.dumps({**fields, name: "ODD", "parameters": {"force": {"value": "ODD", "unit": "kN"}}})
        odd = text.replace('"ODD"', self._rng.choice(_ODD_NUMBERS))
        return Hostile("NaN or infinity", topic, odd.encode())

    def _deep(self) -> Hostile:
        depth = self._rng.choice([100, 1_000, 20_000])
        brackets = self._rng.choice([("[", "]"), ('{"parameters":', "}")])
        return Hostile("nested deeply", self._some_topic(), f"{brackets[0] * depth}1{brackets[1] * depth}".encode())

    def _huge(self) -> Hostile:
        size, topic = self._rng.randrange(64_000, 900_000), self._some_topic()
        job = topic.rsplit("/", 1)[-1]
        payloads: list[Callable[[], bytes]] = [
            lambda: self._rng.randbytes(size),
            lambda: b" " * size,
            lambda: json.dumps({"job": job, "message": "m" * size}).encode(),
            lambda: json.dumps({"job": job, "parameters": {f"p{n}": {} for n in range(size // 16)}}).encode(),
            lambda: json.dumps({"k" * size: 1, "parameters": {"k" * (size // 2): 1}}).encode()[:900_000],
            lambda: json.dumps({"commands": {f"c{n} ": [] for n in range(size // 16)}}).encode(),
            lambda: self._order(self._id()).to_bytes()[:-1] + b',"approval":"' + b"a" * size + b'"}',
        ]
        return Hostile("huge (64-900 KB)", topic, self._rng.choice(payloads)())

    def _wrong_version(self) -> Hostile:
        topic, fields = self._fields()
        versions = ["2.0", "0.9", "1", "1.", "one", "", "1.99999999", 1.0, None, "１.0"]
        if self._rng.random() < 0.3:
            topic = topic.replace("/v1/", self._rng.choice(["/v2/", "/v0/", "/", "/v1/v1/"]))
        return Hostile("wrong version", topic, json.dumps({**fields, "proto": self._rng.choice(versions)}).encode())

    def _wrong_type(self) -> Hostile:
        topic, fields = self._fields()
        name = self._rng.choice(sorted(fields.keys() - {"approval", "message", "driver", "serial"}))
        fields[name] = self._rng.choice([odd for odd in _ODD if type(odd) is not type(fields[name])])
        if name == "job":
            fields[name] = "another job / with blanks"
        return Hostile("wrong type", topic, json.dumps(fields).encode())

    def _unknown_fields(self) -> Hostile:
        topic, fields = self._fields()
        more = {self._id(): self._rng.choice([1, "x", [], {"y": None}]) for _ in range(5)}
        return Hostile("unknown fields", topic, json.dumps({**fields, **more}).encode())

    def _other_job(self) -> Hostile:
        topic, payload = self._rng.choice(self._orders)
        return Hostile("job of another topic", topic.rsplit("/", 1)[0] + "/" + self._id(), payload)

    def _replayed(self) -> Hostile:
        topic, payload = self._real()
        return Hostile("replayed", topic, payload)

    def _retained_order(self) -> Hostile:
        topic, payload = self._rng.choice(self._orders)
        return Hostile("retained order", topic, payload, retain=True)

    def _empty(self) -> Hostile:
        return Hostile("empty", self._some_topic(channels="cmd job status ctl"), b"", self._rng.random() < 0.3)

    def _foreign_topic(self) -> Hostile:
        topic, payload = self._real()
        prefix, rest = self._topics.prefix, topic.removeprefix(self._topics.prefix)
        job = f"{prefix}/instrument/{self._iids[0]}"
        topics = [
            f"labwright/v1/another{rest}",
            f"elsewhere/v1/faults{rest}",
            f"$labwright{rest}",
            f"{prefix}/instrument/stranger-{self._id()}/job/{self._id()}",
            f"{prefix}/instrument/größe/job/{self._id()}",
            f"{prefix}/instrument/ /status",
            f"{job}/job/ünïcödé-{self._rng.randrange(1000)}",
            f"{job}/cmd/with blanks {self._rng.randrange(1000)}",
            f"{job}/cmd/..",
            f"{job}/cmd/{'j' * self._rng.choice([65, 1_000, 30_000])}",
            f"{job}/cmd/",
            f"{prefix}/instrument//desc",
            f"{prefix}/instrument/{'i' * 300}/desc",
            f"{job}/cmd/a/b/c",
            f"{prefix}{rest}/",
            f"/{prefix}{rest}",
            "x",
        ]
        return Hostile("foreign topic", self._rng.choice(topics), payload)

    def _foreign_boot(self) -> Hostile:
        """A state of a job by a device of long ago; of a real job now and then."""
        real = self._rng.choice(self.real) if self.real and self._rng.random() < 0.5 else None
        iid, job = (real.iid, real.job) if real else (self._rng.choice(self._iids), self._id())
        state = JobState(
            job=job, boot_id=OLD_BOOT, seq=self._rng.getrandbits(40), state="running", ts=PAST, digest=self._digest()
        )
        return Hostile("state of a foreign boot", str(self._topics.job(iid, job)), state.to_bytes())

    def _foreign_status(self) -> Hostile:
        own = self._rng.random() < 0.5
        iid = self._rng.choice(self._iids) if own else f"stranger-{self._rng.getrandbits(32)}"
        states: list[Presence] = ["online", "offline", "error"]
        state = self._rng.choice(states)
        status = Status(state=state, boot_id=OLD_BOOT, seq=self._rng.getrandbits(40), ts=PAST)
        return Hostile("forged status", str(self._topics.status(iid)), status.to_bytes(), self._rng.random() < 0.1)

    def _forged_result(self) -> Hostile:
        """An end: of a job that was never ordered, or of a real one with the digest of something else."""
        real = self._rng.choice(self.real) if self.real and self._rng.random() < 0.5 else None
        iid, job = (real.iid, real.job) if real else (self._rng.choice(self._iids), self._id())
        ends: list[dict[str, Any]] = [
            {"state": "succeeded", "result": Result(values={"force": Quantity(value=1e9, unit="kN")})},
            {"state": "failed", "error": JobError(code="forged", message="not true")},
            {"state": "cancelled"},
            {"state": "rejected", "error": JobError(code="conflict", message="not true")},
        ]
        boot, digest = f"ffff{self._rng.getrandbits(32):08x}", self._digest()
        state = JobState(
            job=job, boot_id=boot, seq=2**40, ts=datetime.now(UTC), digest=digest, **self._rng.choice(ends)
        )
        return Hostile("forged result", str(self._topics.job(iid, job)), state.to_bytes())

    def _control(self) -> Hostile:
        payloads = [
            b'{"op": "explode"}',
            b'{"op": "cancel"}',
            b'{"op": "lease", "lease_s": -1}',
            b'{"op": "lease"}',
            b'{"op": ["cancel"], "job": {}}',
            b'{"job": "x"}',
            Control(op="cancel", job=self._id()).to_bytes(),
            Control(op="query", job=self._id()).to_bytes(),
            self._rng.randbytes(30),
        ]
        if self._rng.random() < 0.02:
            payloads = [Control(op="republish").to_bytes()]
        return Hostile("control", self._topics.control(self._rng.choice(self._iids)), self._rng.choice(payloads))

    def _conflict(self) -> Hostile:
        """Other parameters under the id of a job that was done or is being done."""
        if self.begun and self._rng.random() < 0.7:
            real = self._rng.choice(self.begun)
            topic, job = self._topics.command(real.iid, real.job), real.job
        else:
            topic, _ = self._rng.choice(self._orders)
            job = topic.rsplit("/", 1)[-1]
        now = datetime.now(UTC)
        payload = self._order(job, issued_at=now, not_after=now + timedelta(hours=1)).to_bytes()
        return Hostile("used id, other order", topic, payload)

    def _refused(self) -> Hostile:
        """A well-formed order that no device may carry out: too late, too strong, or of no command."""
        job, now = self._id(), datetime.now(UTC)
        self.strangers.add(job)
        live: dict[str, Any] = {"issued_at": now, "not_after": now + timedelta(hours=1)}
        orders = [
            self._order(job),
            self._order(job, **live, parameters={"force": Quantity(value=1e6, unit="kN")}),
            self._order(job, **live, parameters={"force": Quantity(value=5, unit="Cel")}),
            self._order(job, **live, parameters={}),
            self._order(job, **live, command="explode"),
        ]
        topic = self._topics.command(self._rng.choice(self._iids), job)
        return Hostile("order to be refused", topic, self._rng.choice(orders).to_bytes())
