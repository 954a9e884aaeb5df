"""A device that others could have written: the profile in plain JSON on a transport, nothing of our device's side.

It keeps every rule; each flaw that it is given breaks one.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
from datetime import datetime, timedelta
from typing import Any

from raw_description import IID, LAB, WEIGH, description

from instruments.clock import Clock
from instruments.transport import Message, Transport

_BASE = f"labwright/v1/{LAB}/instrument/{IID}"
_TO_NEWTON = {"N": 1.0, "kN": 1000.0, "mN": 0.001, "newtons": 1.0}
_ENDS = {"rejected", "succeeded", "failed", "cancelled"}


# The device ---------------------------------------------------------------------------------------------------------


class RawDevice:
    """One instrument; its journal, given to the next boot, holds the last message of every job."""

    def __init__(
        self,
        transport: Transport,
        journal: dict[str, Any],
        boot: str,
        clock: Clock,
        flaws: frozenset[str] = frozenset(),
    ) -> None:
        self.transport, self.journal, self.boot, self.clock, self.flaws = transport, journal, boot, clock, flaws
        if self.has("boot id no UUID"):
            self.boot = "boot-1"
        self.seq = 0
        self.acts: list[str] = []
        self.dead = False
        self.live: dict[str, asyncio.Task[None]] = {}
        self.background: list[asyncio.Task[None]] = []
        self.lease_until = math.inf

    def has(self, flaw: str) -> bool:
        return flaw in self.flaws

    async def start(self) -> None:
        if not self.has("no will"):
            self.transport.set_will(f"{_BASE}/status", json.dumps(self.status("offline")).encode())
        await self.transport.connect()
        for job, state in list(self.journal.items()):
            if state["state"] not in _ENDS and not self.has("forgets the interrupted") and not self.has("resumes"):
                error = {"code": "interrupted", "message": "power", "kind": "retryable"}
                await self.tell(job, {"state": "failed", "digest": state["digest"], "error": error})
        whose = _BASE.replace(IID, "+") if self.has("answers everybody") else _BASE
        await self.transport.subscribe(f"{whose}/cmd/+", self.on_command)
        await self.transport.subscribe(f"{_BASE}/ctl", self.on_control)
        await self.announce()
        self.background = [asyncio.create_task(self.beat()), asyncio.create_task(self.read())]
        self.background.append(asyncio.create_task(self.watch_lease()))
        if self.has("resumes"):
            for job, state in list(self.journal.items()):
                if state["state"] not in _ENDS:
                    self.work(job, state["digest"], "cook", {})

    async def kill(self) -> None:
        """As a power cut."""
        tasks = [*self.background, *self.live.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.transport.drop()  # type: ignore[attr-defined]

    async def stop(self) -> None:
        await self.kill()
        await self.transport.close()

    # Presence

    async def announce(self) -> None:
        desc = json.dumps(description(self.boot, self.flaws)).encode()
        if not self.has("no desc again") or self.seq <= 1:
            await self.transport.publish(f"{_BASE}/desc", desc, retain=not self.has("desc not retained"))
        await self.say_status()

    def status(self, state: str) -> dict[str, Any]:
        self.seq += 1
        skew = timedelta(seconds=60.0 if self.has("clock wrong") else 0.0)
        boot = "0198c5a0-0000-7000-8000-000000000000" if self.has("status of another boot") else self.boot
        ts = (self.clock.now() + skew).isoformat()
        return {"proto": "1.7", "state": state, "boot_id": boot, "seq": self.seq, "ts": ts}

    async def say_status(self) -> None:
        status = self.status("busy" if self.live else "online")
        if self.has("in error"):
            status |= {"state": "error", "message": "the pan is off"}
        if self.has("status seq stands"):
            status["seq"] = 7
        if self.has("status invalid"):
            status["state"] = "fine"
        await self.transport.publish(
            f"{_BASE}/status", json.dumps(status).encode(), retain=not self.has("status not retained")
        )

    async def beat(self) -> None:
        while not self.has("no heartbeat"):
            await asyncio.sleep(25.0 if self.has("slow heartbeat") else 10.0)
            await self.say_status()

    async def watch_lease(self) -> None:
        while not self.has("ignores the lease"):
            await asyncio.sleep(0.25)
            if self.clock.elapsed() > self.lease_until:
                for job in list(self.live):
                    self.live.pop(job).cancel()
                    error = {"code": "lease_lost", "message": "nobody there"}
                    await self.tell(job, {"state": "failed", "digest": self.journal[job]["digest"], "error": error})

    async def read(self) -> None:
        seq = 0
        while not self.has("no readings"):
            await asyncio.sleep(1.0)
            seq += 0 if self.has("readings stand") else 1
            unit = "kg" if self.has("readings in another unit") else "g"
            reading = {"ts": self.clock.now().isoformat(), "value": 1.5, "unit": unit, "seq": seq}
            payload = json.dumps(reading).encode()
            await self.transport.publish(
                f"{_BASE}/telemetry/mass", payload, qos=0, retain=self.has("readings retained")
            )

    # Orders

    async def on_command(self, message: Message) -> None:
        if (message.retained and not self.has("obeys ghosts")) or self.dead:
            return
        job, digest = message.topic.rsplit("/", 1)[1], ""
        self.dead = self.has("dies of length") and len(message.payload) > 200_000
        try:
            order = json.loads(message.payload)
            digest = self.digest(order)
            fault = self.malformed(job, order)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            deadly = ("dies on garbage", ValueError), ("dies on bytes", UnicodeError), ("dies of depth", RecursionError)
            self.dead = any(self.has(flaw) and isinstance(error, kind) for flaw, kind in deadly)
            if not self.dead:
                await self.refuse(job, "malformed", repr(error), "")
            return
        if fault:
            await self.refuse(job, "malformed", fault, "")
        else:
            await self.consider(order["job"], digest, order)

    async def consider(self, job: str, digest: str, order: dict[str, Any]) -> None:
        known = self.journal.get(job)
        if known is not None and not self.has("runs duplicates"):
            if known["digest"] == digest:
                await (self.renumbered(known) if self.has("echo is news") else self.send(known))
            elif not self.has("no conflict"):
                wrong = known["digest"] if self.has("conflict with the first digest") else digest
                retain = self.has("conflict retained")
                await self.refuse(job, "conflict", "another order", wrong, retain=retain)
            return
        why = ("error", "the pan is off") if self.has("in error") else self.objection(order)
        if why is not None:
            state = {"state": "rejected", "digest": digest, "error": {"code": why[0], "message": why[1]}}
            await (self.refuse(job, *why, digest) if self.has("forgets rejections") else self.tell(job, state))
            if self.has("starts the expired later") and why[0] == "expired":
                asyncio.get_running_loop().call_later(26.0, self.work, job, digest, "weigh", order["parameters"])
            return
        if self.has("accepts late"):
            await asyncio.sleep(6.0)
        if not self.has("never accepts"):
            await self.tell(job, {"state": "accepted", "digest": digest})
        self.work(job, digest, order["command"], order["parameters"])

    def malformed(self, job: str, order: dict[str, Any]) -> str:
        if not order["proto"].startswith("1.") and not self.has("any version"):
            return "another version"
        if order["job"] != job and not self.has("believes the payload"):
            return "two jobs"
        if "not_after" not in order and not self.has("needs no times"):
            return "no not_after"
        for name, value in order["parameters"].items():
            if isinstance(value, dict) and not math.isfinite(value["value"]) and not self.has("NaN accepted"):
                return f"{name} is not finite"
            if isinstance(value, list):
                return f"{name} is a list"
        return ""

    def digest(self, order: dict[str, Any]) -> str:
        plain = {
            name: {key: float(x) if key != "unit" else x for key, x in v.items()} if isinstance(v, dict) else v
            for name, v in order["parameters"].items()
        }
        what = {"command": order["command"], "parameters": plain}
        if self.has("wrong digest"):
            what["job"] = order["job"]
        text = json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def objection(self, order: dict[str, Any]) -> tuple[str, str] | None:
        late = datetime.fromisoformat(order.get("not_after", "2100-01-01T00:00:00+00:00")) < self.clock.now()
        if late and not self.has("starts expired orders"):
            return "expired", "too late"
        wanted = {"weigh": WEIGH, "cook": {}}.get(order["command"])
        if wanted is None:
            return "what" if self.has("another code for an unknown command") else "unknown_command", order["command"]
        given = order["parameters"]
        if (wanted.keys() - given.keys() and not self.has("missing accepted")) or (
            given.keys() - wanted.keys() and not self.has("unknown accepted")
        ):
            return "parameters", "missing or unknown"
        for name, value in given.items():
            if name in wanted and (fault := self.wrong(name, wanted[name], value)):
                return fault
        if self.live and not self.has("more at a time"):
            return ("full" if self.has("busy by another name") else "busy"), "one job at a time"
        return None

    def wrong(self, name: str, part: dict[str, Any], value: Any) -> tuple[str, str] | None:
        if isinstance(value, str) != (part["type"] == "string"):
            return None if self.has("any kind") else ("parameters", f"{name} of the wrong kind")
        if isinstance(value, str):
            good = value in part.get("enum", [value]) and len(value) <= part.get("maxLength", 999)
            return None if good or self.has("any word") else ("limits", name)
        return self.wrong_number(value)

    def wrong_number(self, value: dict[str, Any]) -> tuple[str, str] | None:
        if value["unit"] not in _TO_NEWTON and not self.has("any unit"):
            return "unit", value["unit"]
        factor = 1.0 if self.has("units as they stand") else _TO_NEWTON.get(value["unit"], 1.0)
        number = value["value"] * factor
        if number > 100 and not self.has("ignores upper limits"):
            return "limits", "too much"
        if number < 1 and not self.has("ignores lower limits"):
            return "limits", "too little"
        return None

    def work(self, job: str, digest: str, command: str, parameters: dict[str, Any]) -> None:
        self.acts.append(job)
        self.lease_until = self.clock.elapsed() + 2.0
        self.live[job] = asyncio.create_task(self.carry_out(job, digest, command, parameters))

    async def carry_out(self, job: str, digest: str, command: str, parameters: dict[str, Any]) -> None:
        begin, steps = self.clock.elapsed(), 4
        same = {"digest": digest}
        await self.say_status()
        for step in range(steps):
            share = 1 - step / steps if self.has("progress backwards") else step / steps
            elapsed = (50.0 - step) if self.has("time backwards") else self.clock.elapsed() - begin
            if not self.has("succeeds without running"):
                await self.tell(job, {"state": "running", "progress": share, "elapsed_s": elapsed, **same})
            await asyncio.sleep((8.0 if command == "cook" else 1.0) / steps)
        self.live.pop(job, None)
        end: dict[str, Any] = {"state": "succeeded", "progress": 1.0, "elapsed_s": 60.0, "result": self.result(command)}
        if self.has("fails its example") and command == "weigh":
            end = {"state": "failed", "elapsed_s": 60.0, "error": {"code": "jammed", "message": "jammed"}}
        if not self.has("never ends"):
            await self.tell(job, {**end, **same})
        if self.has("retains rubbish"):
            await self.transport.publish(f"{_BASE}/job/{job}", b"{", retain=True)
        if self.has("two ends"):
            await self.tell(job, {"state": "failed", "error": {"code": "late", "message": "no"}, **same})
        await self.say_status()

    def result(self, command: str) -> dict[str, Any]:
        if command == "cook":
            return {"values": {}}
        data = b"x" * (70_000 if self.has("too much inline") else 100)
        values: dict[str, Any] = {
            "weight": {"value": 3.0, "unit": "kg" if self.has("result in another unit") else "g"},
            "verdict": "good",
            "mood": "calm",
        }
        if self.has("result undeclared"):
            values["taste"] = "salty"
        if self.has("result missing"):
            del values["verdict"]
        if self.has("optional result missing"):
            del values["mood"]
        where = f"data:text/plain;base64,{base64.b64encode(data).decode()}"
        if self.has("artefact in no place"):
            where = "file:///" + "x" * 300
        trace = {
            "uri": "http://[" if self.has("artefact at no server") else where,
            "sha256": hashlib.sha256(data + b"!" * self.has("artefact hash wrong")).hexdigest(),
            "bytes": len(data),
            "media_type": "text/csv" if self.has("another media type") else "text/plain",
        }
        return {"values": values, "artefacts": {"trace": trace}}

    # Control

    async def on_control(self, message: Message) -> None:
        if message.retained or self.dead:
            return
        try:
            control = json.loads(message.payload)
            op, job = control["op"], control.get("job", "")
            known_fields = {"proto", "op", "job", "lease_s"}
            if self.has("refuses newer fields") and set(control) - known_fields:
                return
        except (ValueError, KeyError, TypeError):
            self.dead = self.has("dies on ctl garbage")
            return
        if op == "lease":
            self.dead = self.has("dies of a lease") and len(self.acts) > 4
            self.lease_until = self.clock.elapsed() + control["lease_s"]
        if op == "republish":
            await self.announce()
        elif op == "cancel" and job in self.live and not self.has("ignores cancellations"):
            self.live.pop(job).cancel()
            await self.tell(job, {"state": "cancelled", "digest": self.journal[job]["digest"]})
        elif op == "cancel" and job in self.journal and self.has("cancels the finished"):
            await self.tell(job, {"state": "cancelled", "digest": self.journal[job]["digest"]})
        elif op in {"cancel", "query"} and job and not (op == "query" and self.has("answers no query")):
            known = self.journal.get(job)
            if known is None:
                code = "what" if self.has("another code for unknown") else "unknown_job"
                await self.refuse(job, code, "never seen", "", retain=self.has("unknown retained"))
            else:
                await (self.renumbered(known) if self.has("query is news") else self.send(known))

    # Messages

    async def tell(self, job: str, fields: dict[str, Any]) -> None:
        self.seq += 0 if self.has("seq stands") else 1
        state = {
            "proto": "1.7", "job": job, "boot_id": self.boot, "seq": self.seq, "ts": self.clock.now().isoformat(),
            "mood": "good", **fields,
        }  # fmt: skip
        if self.has("invalid state") and state["state"] == "running":
            state["progress"] = "half"
        self.journal[job] = state
        await self.send(state)

    async def renumbered(self, state: dict[str, Any]) -> None:
        self.seq += 1
        await self.send({**state, "seq": self.seq})

    async def send(self, state: dict[str, Any]) -> None:
        retain = not (self.has("forgets the retained flag") or (self.has("retains no end") and state["state"] in _ENDS))
        await self.transport.publish(f"{_BASE}/job/{state['job']}", json.dumps(state).encode(), retain=retain)

    async def refuse(self, job: str, code: str, message: str, digest: str, *, retain: bool = False) -> None:
        self.seq += 1
        state = {
            "proto": "1.7", "job": job, "boot_id": self.boot, "seq": self.seq, "state": "rejected", "digest": digest,
            "ts": self.clock.now().isoformat(), "error": {"code": code, "message": message[:200]},
        }  # fmt: skip
        await self.transport.publish(f"{_BASE}/job/{job}", json.dumps(state).encode(), retain=retain)
