"""The furnace of starters/serial.toml on a real terminal device, with a controller in software behind it."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from furnace_bench import FIRE, Controller, shop
from patience import until

from instruments.journal import MemoryJournal
from instruments.messages import Quantity, Telemetry
from instruments.topics import Lab
from instruments.transport import Message

pytest.importorskip("serial", reason="pyserial is not installed")


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    controller = Controller(tmp_path / "ttyFURNACE")
    yield controller
    controller.stop()


def test_a_furnace_fires_after_its_file(controller: Controller) -> None:
    async def main() -> None:
        async with shop(controller) as lab:
            seen: list[float] = []
            end = await lab.client.execute(
                "furnace-1", "fire", FIRE, job="j1", on_update=lambda state: seen.append(state.progress or 0.0)
            )
            assert end.state == "succeeded", end.error
            assert end.result is not None
            reached = end.result.values["reached"]
            assert isinstance(reached, Quantity)
            assert reached.value == pytest.approx(800.0, abs=2.0)
            assert (reached.unit, reached.std, end.result.values["state"]) == ("Cel", 1.5, "HEATING")
            # 1073.15 K is 800 Cel is 8000 tenths; every line that acts was sent once.
            assert controller.acts() == ["RAMP 10.0", "SP 08000", "HEAT 1", "HEAT 0"]
            assert seen == sorted(seen)
            assert len(seen) > 10
            described = lab.client.instruments["furnace-1"]
            assert (described.serial, described.safe_state, described.lease_s) == ("SN77", "heater off", 60.0)
            assert "firmware 2.1" in described.driver
            assert described.commands["fire"].results["reached"].unit == "Cel"

    asyncio.run(main())


def test_the_same_job_twice_acts_once_and_another_under_its_id_is_a_conflict(controller: Controller) -> None:
    async def main() -> None:
        async with shop(controller) as lab:
            first, again = [await lab.order(job="j1") for _ in range(2)]
            assert first == again
            conflict = await lab.order(job="j1", hold=Quantity(value=5, unit="min"))
            assert conflict.error is not None
            assert conflict.error.code == "conflict"
            assert controller.acts("HEAT") == ["HEAT 1", "HEAT 0"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"temperature": Quantity(value=1300, unit="Cel")}, "limits"),
        ({"temperature": Quantity(value=3, unit="h")}, "unit"),
        ({"temperature": "hot"}, "parameters"),
    ],
)
def test_what_is_beyond_the_limits_never_reaches_the_line(
    controller: Controller, changes: dict[str, Any], code: str
) -> None:
    async def main() -> None:
        async with shop(controller) as lab:
            end = await lab.order(**changes)
            assert end.error is not None
            assert (end.state, end.error.code) == ("rejected", code)
            assert controller.acts() == []

    asyncio.run(main())


def test_a_bad_line_costs_queries_patience_and_nothing_else(controller: Controller) -> None:
    async def main() -> None:
        async with shop(controller) as lab:
            controller.mishaps = {"PV": ["drop", "garble", "", "late", "garble"], "STATUS": ["late"]}
            end = await lab.order()
            assert end.state == "succeeded", end.error
            assert end.result is not None
            final = end.result.values["final"]
            assert isinstance(final, Quantity)
            assert final.value == pytest.approx(800.0, abs=2.0)
            assert controller.acts() == ["RAMP 10.0", "SP 08000", "HEAT 1", "HEAT 0"]

    asyncio.run(main())


def test_whatever_the_line_does_nothing_acts_twice_and_every_job_ends_safe(controller: Controller) -> None:
    rng = random.Random(7)
    answer = controller.answer

    def by_chance(line: bytes) -> None:
        """One reply in ten is lost, garbled or late, acknowledgements and identities too."""
        mishap = rng.choice(["drop", "garble", "late"]) if rng.random() < 0.1 else ""
        controller.mishaps = {line.decode().rpartition("*")[0]: [mishap]}
        answer(line)

    async def main() -> None:
        ends: set[str] = set()
        async with shop(controller, timeout_s=0.04) as lab:
            controller.answer = by_chance  # type: ignore[method-assign]
            for _ in range(15):
                await until(lambda: lab.client.presence("furnace-1") in {"online", "busy"})
                controller.heard.clear()
                controller.temperature = 200
                end = await lab.order()
                ends.add(end.error.code if end.error else end.state)
                acts = controller.acts()
                assert all(acts.count(act) == 1 for act in acts if act != "HEAT 0")
                assert not acts or acts[-1] == "HEAT 0"
                if end.result is not None:
                    final = end.result.values["final"]
                    assert isinstance(final, Quantity)
                    assert final.value == pytest.approx(800.0, abs=2.5)
        assert ends & {"succeeded"}
        assert ends <= {
            "succeeded",
            "unconfirmed",
            "refused",
            "bad_reply",
            "no_answer",
            "out_of_step",
            "line_lost",
            "error",
        }

    asyncio.run(main())


def test_an_unconfirmed_action_is_not_repeated_and_ends_safe(controller: Controller) -> None:
    async def main() -> None:
        async with shop(controller) as lab:
            controller.mishaps = {"HEAT 1": ["drop"]}
            end = await lab.order()
            assert end.error is not None
            assert (end.state, end.error.code, end.error.kind) == ("failed", "unconfirmed", "other")
            assert "'HEAT 1'" in end.error.message
            assert controller.acts("HEAT") == ["HEAT 1", "HEAT 0"]
            await until(lambda: lab.client.presence("furnace-1") == "online")
            assert (await lab.order()).state == "succeeded"

    asyncio.run(main())


def test_a_cancelled_job_ends_safe(controller: Controller) -> None:
    async def never_hot(seconds: float) -> None:
        await asyncio.sleep(0.002 if seconds == 5.0 else 0)

    async def main() -> None:
        async with shop(controller, sleeper=never_hot) as lab:
            controller.stuck = True
            job = asyncio.create_task(lab.order(job="j1"))
            await until(lambda: controller.heard.count("PV") > 3)
            await lab.client.cancel("furnace-1", "j1")
            assert (await job).state == "cancelled"
            assert controller.acts("HEAT") == ["HEAT 1", "HEAT 0"]

    asyncio.run(main())


def test_a_lost_lease_ends_safe(controller: Controller) -> None:
    async def slow(seconds: float) -> None:
        await asyncio.sleep(0.002)

    async def main() -> None:
        async with shop(controller, sleeper=slow) as lab:
            controller.stuck = True
            job = asyncio.create_task(lab.order(job="j1"))
            await until(lambda: controller.heard.count("PV") > 1)
            lab.clock.advance(61.0)
            await lab.device.check_lease()
            end = await job
            assert end.error is not None
            assert (end.state, end.error.code) == ("failed", "lease_lost")
            assert controller.acts("HEAT")[-1] == "HEAT 0"

    asyncio.run(main())


def test_a_job_that_a_restart_interrupted_is_told_and_the_furnace_made_safe(controller: Controller) -> None:
    journal = MemoryJournal()

    async def main() -> None:
        async with shop(controller, sleeper=lambda _: asyncio.sleep(0.002), journal=journal) as lab:
            controller.stuck = True
            job = asyncio.create_task(lab.order(job="j1"))
            await until(lambda: controller.heard.count("PV") > 1)
            left = journal.unfinished()
            await lab.device.stop()
            assert (await job).state == "failed"
        journal.put(left[0])  # as a process without a last word would have left it
        controller.heard.clear()
        async with shop(controller, journal=journal) as lab:
            assert controller.at_start.count("HEAT 0") >= 1
            state = await lab.client.query("furnace-1", "j1")
            assert state is not None
            assert state.error is not None
            assert state.error.code == "interrupted"

    asyncio.run(main())


def test_what_a_former_run_left_on_is_switched_off_first(controller: Controller) -> None:
    async def main() -> None:
        controller.power = 1
        async with shop(controller) as lab:
            assert controller.at_start == ["ID", "HEAT 0", "ID", "STATUS"]
            assert controller.power == 0
            assert lab.client.presence("furnace-1") == "online"

    asyncio.run(main())


def test_a_furnace_that_does_not_obey_is_no_furnace_to_work_with(controller: Controller) -> None:
    async def slow(_seconds: float) -> None:
        await asyncio.sleep(0.002)

    async def main() -> None:
        obedient = controller.reply
        controller.reply = lambda body: obedient(body).replace("POWER=0", "POWER=40")  # type: ignore[method-assign]
        async with shop(controller, sleeper=slow) as lab:
            assert lab.client.presence("furnace-1") == "error"
            end = await lab.order()
            assert end.error is not None
            assert "not made safe" in end.error.message
            assert controller.acts("HEAT 1") == []
            controller.reply = obedient  # type: ignore[method-assign]
            await until(lambda: lab.client.presence("furnace-1") == "online")

    asyncio.run(main())


def test_an_alarm_fails_the_job(controller: Controller) -> None:
    async def main() -> None:
        async with shop(controller) as lab:
            controller.alarm = "ALARM 3"
            end = await lab.order()
            assert end.error is not None
            assert end.error.code == "thermocouple_broken"
            assert "the thermocouple is broken: sent 'PV', answered by 'ALARM 3'" in end.error.message
            assert controller.acts("HEAT") == ["HEAT 1", "HEAT 0"]

    asyncio.run(main())


def test_an_unplugged_line_is_an_error_until_it_is_plugged_in_again(controller: Controller) -> None:
    pauses: list[float] = []

    async def patient(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0.002)

    async def main() -> None:
        async with shop(controller, sleeper=patient) as lab:
            controller.unplug()
            end = await lab.order("read")
            assert end.error is not None
            assert (end.error.code, end.error.kind) == ("line_lost", "retryable")
            await until(lambda: lab.client.presence("furnace-1") == "error")
            refused = await lab.order("read")
            assert refused.error is not None
            assert (refused.state, refused.error.code) == ("rejected", "error")
            await until(lambda: len(pauses) >= 8)
            assert pauses[:8] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
            controller.plug_in()
            await until(lambda: lab.client.presence("furnace-1") == "online")
            assert (await lab.order("read")).state == "succeeded"

    asyncio.run(main())


def test_a_furnace_that_could_not_be_made_safe_is_made_safe_before_it_is_online(controller: Controller) -> None:
    async def slow(_seconds: float) -> None:
        await asyncio.sleep(0.002)

    async def main() -> None:
        async with shop(controller, sleeper=slow) as lab:
            controller.stuck = True
            job = asyncio.create_task(lab.order())
            await until(lambda: controller.heard.count("PV") > 1)
            controller.unplug()
            end = await job
            assert end.state == "failed"
            assert controller.acts("HEAT") == ["HEAT 1"]
            controller.plug_in()
            await until(lambda: lab.client.presence("furnace-1") == "online")
            assert controller.acts("HEAT") == ["HEAT 1", "HEAT 0"]

    asyncio.run(main())


def test_the_wrong_instrument_is_told_nothing(controller: Controller) -> None:
    async def main() -> None:
        controller.identity = "TOASTER 3"
        async with shop(controller, sleeper=lambda _: asyncio.sleep(0.05)) as lab:
            assert lab.client.presence("furnace-1") == "error"
            end = await lab.order()
            assert end.error is not None
            assert "wrong instrument" in end.error.message
            assert "TOASTER 3" in end.error.message
            assert {*controller.at_start, *controller.heard} == {"ID"}

    asyncio.run(main())


def test_channels_are_told_with_their_units_while_a_job_runs(controller: Controller) -> None:
    async def main() -> None:
        async with shop(controller, sleeper=lambda _: asyncio.sleep(0.001)) as lab:
            heard: list[Message] = []

            async def note(message: Message) -> None:
                heard.append(message)

            listener = lab.bus.transport()
            await listener.connect()
            for name in ("temperature", "power"):
                await listener.subscribe(Lab("labwright", "demo").telemetry("furnace-1", name), note)
            beats = asyncio.create_task(lab.device.run())
            end = await lab.order(hold=Quantity(value=20, unit="s"))
            assert end.state == "succeeded", end.error
            await until(lambda: len({message.topic for message in heard}) == 2 and len(heard) > 10)
            beats.cancel()
            await asyncio.gather(beats, return_exceptions=True)
            await listener.close()
            readings = [(m.topic.rpartition("/")[2], Telemetry.parse(m.payload)) for m in heard]
            assert {(name, reading.unit) for name, reading in readings} == {("temperature", "Cel"), ("power", "%")}
            assert {reading.value for name, reading in readings if name == "power"} <= {0.0, 40.0}
            assert controller.overlaps == 0

    asyncio.run(main())
