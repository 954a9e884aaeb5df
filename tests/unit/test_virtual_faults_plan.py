"""Which order meets which fault, how it is counted, and time that costs none."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from envs.errors import ConfigError, JournalError
from instruments.messages import Command, Quantity, Value
from instruments.own_thread import run as beside
from instruments.units import convert
from simulators.faulting.kinds import KINDS, Kind
from simulators.faulting.ledger import FaultLedger
from simulators.faulting.plan import FaultPlan
from simulators.faulting.virtual_time import StalledError, VirtualTime, run
from simulators.faulting.wrong_units import CONVERTED, in_other_units
from simulators.faults import Faults

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def order(sample: str, command: str = "indent", job: str = "") -> Command:
    parameters: dict[str, Value] = {"sample": sample, "load": Quantity(value=9.8, unit="N")}
    job = job or f"{command}-{sample}"
    return Command(job=job, command=command, parameters=parameters, issued_at=NOW, not_after=NOW + timedelta(hours=1))


def drawn(rate: float, *, seed: int = 1, n: int = 400, kinds: tuple[Kind, ...] = KINDS) -> list[Kind | None]:
    plan = FaultPlan(rate, seed, kinds)
    return [plan.case("indenter-1", order(f"s{k}")).kind for k in range(n)]


def test_the_rate_is_the_share_of_orders_that_meet_a_fault() -> None:
    assert not any(drawn(0.0))
    assert all(drawn(1.0))
    assert sum(k is not None for k in drawn(0.2)) == pytest.approx(80, abs=3 * np.sqrt(400 * 0.2 * 0.8))


def test_every_kind_that_an_order_can_meet_is_as_likely() -> None:
    found = Counter(drawn(1.0, n=900))
    assert set(found) == set(KINDS) - {Kind.BLUR, Kind.FAILED_SYNTHESIS}  # an indenter has neither
    assert min(found.values()) > 60


def test_the_faults_of_a_low_rate_are_among_those_of_a_higher_one() -> None:
    low, high = drawn(0.1), drawn(0.5)
    assert all(h == k for k, h in zip(low, high, strict=True) if k is not None)


def test_the_same_order_meets_the_same_fault_whenever_it_comes() -> None:
    ahead, back = FaultPlan(0.5, 3), FaultPlan(0.5, 3)
    names = [f"s{k}" for k in range(50)]
    first = {n: ahead.case("i", order(n)).kind for n in names}
    second = {n: back.case("i", order(n)).kind for n in reversed(names)}
    assert first == second
    assert first != {n: FaultPlan(0.5, 4).case("i", order(n)).kind for n in names}


def test_an_order_that_is_given_again_is_another_one_and_a_copy_is_not() -> None:
    plan = FaultPlan(0.5, 1)
    same = [plan.case("i", order("s", job=f"j{k}")).kind for k in range(40)]
    assert 8 < sum(k is not None for k in same) < 32
    assert [plan.case("i", order("s", job=f"j{k}")).kind for k in range(40)] == same


@pytest.mark.parametrize(
    ("rate", "kinds"), [(-0.1, KINDS), (1.1, KINDS), (float("nan"), KINDS), (0.5, ("fire",)), (0.5, ())]
)
def test_what_is_no_plan_is_refused(rate: float, kinds: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="faults"):
        FaultPlan(rate, 1, kinds)


def test_the_ledger_goes_on_counting_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "faults.jsonl"
    for _ in range(2):  # the second time nothing is counted twice
        plan = FaultPlan(1.0, 1, ledger=FaultLedger(path))
        for k in range(5):
            plan.case("i", order(f"s{k}")).happened("so")
    again = FaultLedger(path)
    assert len(again) == 5
    assert sum(again.injected.values()) == 5
    assert again.times(f"i {order('s1').digest}") == 1


def test_a_ledger_that_was_cut_off_in_its_last_line_is_whole_without_it(tmp_path: Path) -> None:
    path = tmp_path / "faults.jsonl"
    FaultPlan(1.0, 1, ledger=FaultLedger(path)).case("i", order("s")).happened("so")
    whole = path.read_text()
    assert [json.loads(line)["kind"] for line in whole.splitlines()] == [str(FaultLedger(path).faults[0].kind)]
    path.write_text(whole + '{"ki')
    assert len(FaultLedger(path)) == 1
    assert path.read_text() == whole
    path.write_text("nothing\n" + whole)
    with pytest.raises(JournalError, match="line 1"):
        FaultLedger(path)


def test_faults_tell_their_rate_and_their_number() -> None:
    assert Faults(0.25, 1).to_dict() == {"rate": 0.25, "injected": {}}


@pytest.mark.parametrize("unit", CONVERTED)
def test_other_units_are_those_that_ucum_converts_to(unit: str) -> None:
    other, factor, added = CONVERTED[unit]
    assert convert(3.0, unit, other) == pytest.approx(3.0 * factor + added)


def test_a_wrong_unit_changes_one_value_and_nothing_else() -> None:
    told = {"result": {"values": {"a": {"value": 2.0, "unit": "GPa", "std": 0.1}, "word": "SE"}, "artefacts": {}}}
    ways = set()
    for seed in range(20):
        payload, words = in_other_units(json.dumps(told).encode(), np.random.default_rng(seed))
        found = json.loads(payload)["result"]["values"]
        assert found["word"] == "SE"
        ways.add((found["a"].get("unit"), found["a"]["value"]))
        assert words
    assert {unit for unit, _ in ways} == {"MPa", None, "cd", "A"}
    assert {value for unit, value in ways if unit == "MPa"} == {2000.0}
    assert in_other_units(b'{"result": {"values": {"word": "SE"}}}', np.random.default_rng(1))[1] == ""


def test_waiting_costs_no_time_and_comes_in_its_order() -> None:
    time = VirtualTime(NOW, 60.0)

    async def work() -> list[str]:
        found: list[str] = []

        async def wait(seconds: float, name: str) -> None:
            await asyncio.sleep(seconds)
            found.append(name)

        await asyncio.gather(wait(7200.0, "late"), wait(5.0, "soon"), wait(86_400.0, "last"))
        return found

    assert run(work(), time) == ["soon", "late", "last"]
    assert time.elapsed() == pytest.approx(86_400.0)
    assert time.now() - NOW == pytest.approx(timedelta(days=60), abs=timedelta(seconds=1))


def test_time_stands_still_while_something_is_computed() -> None:
    time = VirtualTime(NOW)

    async def work() -> tuple[bool, bool]:
        gate = threading.Event()
        timer = asyncio.create_task(asyncio.sleep(1.0))
        computed = asyncio.create_task(beside(lambda: gate.wait(5.0), name="computing"))
        asyncio.get_running_loop().call_soon(gate.set)
        executed = await asyncio.to_thread(lambda: time.elapsed() == 0.0)
        done = await computed
        still = not timer.done()
        await timer
        return bool(done) and still, executed

    assert run(work(), time) == (True, True)


def test_what_can_never_happen_is_not_waited_for() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StalledError):
        run(work(), VirtualTime(NOW))


def test_virtual_time_has_a_zone_and_runs_forwards() -> None:
    with pytest.raises(ValueError, match="timezone"):
        VirtualTime(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="speed"):
        VirtualTime(NOW, 0.0)
