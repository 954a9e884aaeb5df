"""The profile on every bus: one suite for the bus in process, Mosquitto and amqtt."""

import asyncio
from datetime import timedelta

import pytest
from instrument_bench import HOT, START, Bench, Play, cut
from patience import until

from instruments.errors import NoAnswerError
from instruments.journal import MemoryJournal
from instruments.local import LocalTransport
from instruments.messages import JobState, Quantity, Status

pytest_plugins = ["bus_fixtures"]


def test_a_command_goes_its_whole_way(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        client = await bench.client()
        assert client.instruments["furnace-1"].kind == "furnace"
        schema = client.instruments["furnace-1"].commands["sinter"].parameters
        assert schema["properties"]["temperature"]["properties"]["value"]["maximum"] == 1700
        seen: list[JobState] = []
        end = await client.execute("furnace-1", "sinter", HOT, job=bench.ids.new(), on_update=seen.append)
        assert end.state == "succeeded"
        assert end.elapsed_s == 3600
        assert end.result is not None
        assert end.result.values == {"peak": Quantity(value=1500, unit="Cel", std=2.0), "air": "dry"}
        assert [s.state for s in seen] == ["accepted", "running", "running", "succeeded"]
        assert seen[2].eta == START + timedelta(minutes=30)
        assert furnace.fired == 1

    play(act)


def test_a_command_that_comes_five_times_is_done_once_and_echoed(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        heard = await bench.record(bench.topics.every("job"))
        sender, job = await bench.transport(), bench.ids.new()
        for _ in range(5):
            await sender.publish(bench.topics.command("furnace-1", job), bench.order(job))
        await until(lambda: len(heard) >= 8)
        bench.clock.advance(86400)  # long after not_after the answer is still the same
        await sender.publish(bench.topics.command("furnace-1", job), bench.order(job))
        await until(lambda: len(heard) >= 9)
        assert furnace.fired == 1
        states = [JobState.parse(m.payload) for m in heard]
        assert {s.seq for s in states if s.state == "succeeded"} == {states[-1].seq}  # an echo is the same message

    play(act)


def test_another_order_under_a_used_id_is_a_conflict_and_harms_nothing(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        client, job = await bench.client(), bench.ids.new()
        await client.execute("furnace-1", "sinter", HOT, job=job)
        other: dict[str, Quantity | str] = {"temperature": Quantity(value=1600, unit="Cel")}
        end = await client.execute("furnace-1", "sinter", other, job=job)
        assert end.error is not None
        assert (end.state, end.error.code) == ("rejected", "conflict")
        first = await client.query("furnace-1", job)
        assert first is not None
        assert first.state == "succeeded"
        assert furnace.fired == 1

    play(act)


def test_a_retained_command_is_ignored(play: Play) -> None:
    async def act(bench: Bench) -> None:
        sender, ghost = await bench.transport(), bench.ids.new()
        kept = await bench.record(bench.topics.commands_of("furnace-1"))
        await sender.publish(bench.topics.command("furnace-1", ghost), bench.order(ghost), retain=True)
        await until(lambda: bool(kept))
        furnace, _ = await bench.furnace()
        client = await bench.client()
        await client.execute("furnace-1", "sinter", HOT, job=bench.ids.new())
        assert furnace.fired == 1
        assert await client.query("furnace-1", ghost) is None

    play(act)


def test_an_expired_command_is_rejected(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        client = await bench.client()
        past = START - timedelta(seconds=1)
        end = await client.execute("furnace-1", "sinter", HOT, job=bench.ids.new(), not_after=past)
        assert end.error is not None
        assert (end.error.code, furnace.fired) == ("expired", 0)

    play(act)


def test_a_job_that_a_restart_interrupted_failed_and_is_not_run_again(play: Play) -> None:
    async def act(bench: Bench) -> None:
        journal = MemoryJournal()
        before, cable = await bench.furnace(journal)
        client, job = await bench.client(), bench.ids.new()
        waiting = asyncio.create_task(client.execute("furnace-1", "hold", {}, job=job))
        await until(lambda: before.fired == 1)
        await cut(cable)  # the old process is gone from the bus without a word ...
        await cable.close()
        after, _ = await bench.furnace(journal)  # ... and the new one finds its journal
        end = await waiting
        assert end.error is not None
        assert (end.state, end.error.code, end.error.kind) == ("failed", "interrupted", "retryable")
        again = await client.execute("furnace-1", "hold", {}, job=job)
        assert again == end
        assert after.fired == 0
        before._desk._live.clear()  # its process is dead: nothing is left to settle when the bench is cleared

    play(act)


def test_an_agent_that_restarts_adopts_its_jobs(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        first, done, unsent = await bench.client(), bench.ids.new(), bench.ids.new()
        end = await first.execute("furnace-1", "sinter", HOT, job=done)
        await first.close()
        second = await bench.client()
        assert await second.query("furnace-1", done) == end
        assert await second.query("furnace-1", unsent) is None
        assert await second.execute("furnace-1", "sinter", HOT, job=done) == end
        assert furnace.fired == 1

    play(act)


def test_a_running_job_can_be_cancelled(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        client, job = await bench.client(), bench.ids.new()
        waiting = asyncio.create_task(client.execute("furnace-1", "hold", {}, job=job))
        await until(lambda: furnace.fired == 1)
        await client.cancel("furnace-1", job)
        assert (await waiting).state == "cancelled"
        await client.cancel("furnace-1", job)  # too late changes nothing
        state = await client.query("furnace-1", job)
        assert state is not None
        assert state.state == "cancelled"

    play(act)


def test_more_orders_than_a_device_takes_wait_their_turn(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        client = await bench.client()
        ends = await asyncio.gather(
            *(client.execute("furnace-1", "sinter", HOT, job=bench.ids.new()) for _ in range(8))
        )
        assert [end.state for end in ends] == ["succeeded"] * 8
        assert furnace.fired == 8

    play(act)


def test_a_job_that_ends_while_the_device_is_cut_off_is_told_afterwards(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, cable = await bench.furnace()
        client, job = await bench.client(), bench.ids.new()
        waiting = asyncio.create_task(client.execute("furnace-1", "hold", {}, job=job))
        await until(lambda: furnace.fired == 1)
        await cut(cable)
        await until(lambda: not cable.connected)
        furnace.door.set()
        await until(lambda: not furnace._desk._tasks)
        if isinstance(cable, LocalTransport):
            await cable.reconnect()  # MQTT comes back by itself, after a second
        assert (await waiting).state == "succeeded"
        assert furnace.fired == 1

    play(act)


def test_an_agent_without_memory_finds_and_adopts_what_runs(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        first, job = await bench.client(), bench.ids.new()
        forgotten = asyncio.create_task(first.execute("furnace-1", "hold", {}, job=job))
        await until(lambda: furnace.fired == 1)
        forgotten.cancel()
        await asyncio.gather(forgotten, return_exceptions=True)
        await first.close()
        second = await bench.client()
        await until(lambda: [s.state for s in second.open_jobs("furnace-1").values()] == ["running"])
        orders = await bench.record(bench.topics.commands_of("furnace-1"))
        following = asyncio.create_task(second.adopt("furnace-1", job))
        await asyncio.sleep(0.01)
        furnace.door.set()
        assert (await following).state == "succeeded"
        assert (await second.adopt("furnace-1", job)).state == "succeeded"
        with pytest.raises(NoAnswerError, match="never seen"):
            await second.adopt("furnace-1", bench.ids.new())
        assert (second.open_jobs("furnace-1"), orders, furnace.fired) == ({}, [], 1)

    play(act)


def test_telemetry_arrives_as_a_stream(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, _ = await bench.furnace()
        client = await bench.client()
        async with client.telemetry("furnace-1", "temperature") as one, client.telemetry() as every:
            for value in (20.0, 21.0):
                await furnace.telemetry("temperature", Quantity(value=value, unit="Cel"))
            await furnace.telemetry("pressure", Quantity(value=101.0, unit="kPa"))
            readings = [await anext(one) for _ in range(2)]
            assert [(r.iid, r.channel, r.telemetry.value, r.telemetry.unit) for r in readings] == [
                ("furnace-1", "temperature", 20.0, "Cel"),
                ("furnace-1", "temperature", 21.0, "Cel"),
            ]
            assert [(await anext(every)).channel for _ in range(3)] == ["temperature", "temperature", "pressure"]
        await client.close()

    play(act)


def test_presence_follows_the_device_off_the_bus_and_back(play: Play) -> None:
    async def act(bench: Bench) -> None:
        furnace, cable = await bench.furnace()
        client = await bench.client()
        statuses = await bench.record(bench.topics.status("furnace-1"))
        descriptions = await bench.record(bench.topics.desc("furnace-1"))
        await cut(cable)
        await until(lambda: any(Status.parse(m.payload).state == "offline" for m in statuses))
        if isinstance(cable, LocalTransport):
            await cable.reconnect()  # MQTT comes back by itself, after a second
        await until(lambda: any(not m.retained for m in descriptions))  # it has announced itself anew
        await furnace.heartbeat()  # amqtt may publish the will after the new announcement
        await until(lambda: client.presence("furnace-1") == "online")
        assert (await client.execute("furnace-1", "sinter", HOT, job=bench.ids.new())).state == "succeeded"
        bench.clock.advance(31)
        assert client.presence("furnace-1") == "stale"

    play(act)
