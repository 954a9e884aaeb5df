"""What the daemon's process tells and hears: systemd, signals, and the disk."""

import asyncio
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.daemon.disk import CODE, DiskWatch
from agent.daemon.signals import LEFT, Signals
from agent.daemon.systemd import Notifier

MIB = 1 << 20


@contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(address)
        channel.setblocking(False)
        yield channel


def heard(channel: socket.socket) -> list[dict[str, str]]:
    found = []
    while True:
        try:
            found.append(dict(line.split("=", 1) for line in channel.recv(4096).decode().split("\n")))
        except BlockingIOError:
            return found


# systemd --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_systemd_hears_a_whole_life(kind: str, tmp_path: Path) -> None:
    name = f"labwright-{os.getpid()}"
    said, bound = (f"@{name}", f"\0{name}") if kind == "abstract" else (str(tmp_path / "s"), str(tmp_path / "s"))
    environ = {"NOTIFY_SOCKET": said, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}

    with manager(bound) as channel:
        notifier = Notifier.from_environment(environ)
        notifier.ready("3 campaigns")
        notifier.reloading()
        notifier.ready()
        notifier.status("two\nlines")
        notifier.extend(90.5)
        notifier.stopping()
        life = heard(channel)

    assert environ == {"HOME": "/"}, "children do not speak for us"
    assert notifier.watchdog_s == 60.0
    now = time.monotonic() * 1e6
    assert now - 60e6 < int(life[1].pop("MONOTONIC_USEC")) <= now
    assert life == [
        {"READY": "1", "STATUS": "3 campaigns"},
        {"RELOADING": "1", "STATUS": "reading the configuration again"},
        {"READY": "1"},
        {"STATUS": "two lines"},
        {"EXTEND_TIMEOUT_USEC": "90500000"},
        {"STOPPING": "1"},
    ]


def test_without_systemd_nothing_is_told_and_nothing_fails(tmp_path: Path) -> None:
    for address in ("", str(tmp_path / "nobody"), "vsock:2:1"):
        notifier = Notifier.from_environment({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "bad"})
        notifier.ready()
        notifier.stopping()
        assert notifier.watchdog_s is None
    asyncio.run(Notifier().watch(lambda: True))


def test_a_watchdog_of_another_process_is_not_ours() -> None:
    assert Notifier.from_environment({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_s is None


def test_the_watchdog_hears_us_at_half_its_time_while_we_are_well(tmp_path: Path) -> None:
    slept: list[float] = []
    answers = iter([True, False, True])

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise asyncio.CancelledError

    async def run(notifier: Notifier) -> None:
        with pytest.raises(asyncio.CancelledError):
            await notifier.watch(lambda: next(answers), sleep=sleep)

    with manager(str(tmp_path / "s")) as channel:
        asyncio.run(run(Notifier(str(tmp_path / "s"), watchdog_s=30.0)))
        assert heard(channel) == [{"WATCHDOG": "1"}] * 2
    assert slept == [15.0] * 3


def test_a_stop_that_waits_for_a_hot_furnace_asks_for_time_again_and_again(tmp_path: Path) -> None:
    turns = asyncio.Semaphore(0)

    async def sleep(_seconds: float) -> None:
        await turns.acquire()

    async def run(notifier: Notifier) -> None:
        async with notifier.waiting("waiting for furnace-1, 40 min", sleep=sleep):
            for _ in range(4):
                turns.release()
                await asyncio.sleep(0)
                await asyncio.sleep(0)

    with manager(str(tmp_path / "s")) as channel:
        asyncio.run(run(Notifier(str(tmp_path / "s"))))
        first, *others = heard(channel)

    assert first == {"STATUS": "waiting for furnace-1, 40 min"}
    assert len(others) >= 3
    assert all(int(other["EXTEND_TIMEOUT_USEC"]) > 30e6 for other in others)


# Signals --------------------------------------------------------------------------------------------------------------


def send(signum: int) -> None:
    os.kill(os.getpid(), signum)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_asks_for_an_orderly_stop(signum: int) -> None:
    async def run() -> tuple[int, bool]:
        async with Signals() as signals:
            send(signum)
            await asyncio.wait_for(signals.stop.wait(), 5)
        return signals.exit_code, signals.at_once.is_set()

    assert asyncio.run(run()) == (0, False)


def test_a_second_sigint_leaves_what_is_waited_for_and_tidies_up() -> None:
    tidied = []

    async def run() -> int:
        async with Signals(grace_s=0.0) as signals:
            try:
                send(signal.SIGINT)
                await signals.stop.wait()
                send(signal.SIGINT)
                await asyncio.sleep(60)  # a furnace
            finally:
                tidied.append(1)
        await asyncio.sleep(0)  # the task goes on as if it had never been cancelled
        return signals.exit_code

    assert asyncio.run(run()) == LEFT
    assert tidied == [1]


def test_who_leaves_at_once_has_a_moment_for_the_last_word() -> None:
    said = []

    async def run() -> int:
        async with Signals() as signals:
            send(signal.SIGINT)
            await signals.stop.wait()
            send(signal.SIGINT)
            await asyncio.wait_for(signals.at_once.wait(), 5)
            await asyncio.sleep(0.001)
            said.append("left")
        return signals.exit_code

    assert asyncio.run(run()) == LEFT
    assert said == ["left"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_while_it_starts_one_signal_is_enough(signum: int) -> None:
    async def run() -> int:
        async with Signals(starting=True) as signals:
            send(signum)
            await asyncio.sleep(60)  # for a broker that is away
        await asyncio.sleep(0)
        return signals.exit_code

    assert asyncio.run(run()) == 0


def test_once_it_is_up_a_signal_asks_for_an_orderly_stop() -> None:
    went_on = []

    async def run() -> None:
        async with Signals(starting=True) as signals:
            signals.up()
            send(signal.SIGTERM)
            await asyncio.wait_for(signals.stop.wait(), 5)
            await asyncio.sleep(0.001)
            went_on.append(1)

    asyncio.run(run())
    assert went_on


def test_a_start_that_does_not_end_when_it_is_told_to_is_cut() -> None:
    async def run() -> int:
        async with Signals(grace_s=0.0, starting=True) as signals:
            send(signal.SIGINT)
            try:
                await asyncio.sleep(60)
            finally:
                send(signal.SIGINT)
                await asyncio.sleep(60)  # tidying up that does not end
        return signals.exit_code

    assert asyncio.run(run()) == LEFT


def test_a_third_sigint_waits_for_nothing() -> None:
    left: list[int] = []

    async def run() -> None:
        async with Signals(left.append, grace_s=0.0) as signals:
            signals._interrupted()
            signals._interrupted()
            assert not left
            signals._interrupted()
            await asyncio.sleep(60)

    asyncio.run(run())
    assert left == [LEFT]


def test_sigterm_again_changes_nothing() -> None:
    async def run() -> int:
        async with Signals() as signals:
            for _ in range(3):
                send(signal.SIGTERM)
                await asyncio.sleep(0.001)
        return signals.exit_code

    assert asyncio.run(run()) == 0


def test_errors_and_other_cancellations_pass() -> None:
    async def fail() -> None:
        async with Signals():
            raise ValueError("of its own")

    async def cancelled() -> None:
        async with Signals():
            await asyncio.sleep(60)

    async def cancel() -> None:
        task = asyncio.create_task(cancelled())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    with pytest.raises(ValueError, match="of its own"):
        asyncio.run(fail())
    asyncio.run(cancel())


def test_sighup_reloads_once_at_a_time_and_a_bad_file_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []

    def bad() -> None:
        said.append("bad")
        raise ValueError("lab.toml: limits")

    async def run() -> None:
        at_work = asyncio.Event()
        go_on = asyncio.Event()

        async def slow() -> None:
            said.append("slow")
            at_work.set()
            await go_on.wait()

        async with Signals() as signals:
            signals.on_reload(bad)
            signals.on_reload(slow)
            send(signal.SIGHUP)
            await asyncio.wait_for(at_work.wait(), 5)
            for _ in range(5):  # while it reloads: once more is enough
                send(signal.SIGHUP)
                await asyncio.sleep(0.001)
            go_on.set()
            while signals._reload and not signals._reload.done():  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            assert not signals.stop.is_set()

    asyncio.run(run())
    assert said == ["bad", "slow"] * 2
    assert "limits" in caplog.text


def test_a_reload_under_way_ends_with_the_daemon() -> None:
    async def run() -> None:
        async with Signals() as signals:
            signals.on_reload(lambda: asyncio.sleep(60))
            send(signal.SIGHUP)
            await asyncio.sleep(0.01)

    asyncio.run(run())  # the suite fails on tasks that are left


def test_handlers_are_put_back() -> None:
    kinds = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    async def run() -> None:
        before = [signal.getsignal(one) for one in kinds]
        async with Signals():
            pass
        assert [signal.getsignal(one) for one in kinds] == before

    before = [signal.getsignal(one) for one in kinds]
    asyncio.run(run())
    assert [signal.getsignal(one) for one in kinds] == before


# The disk -------------------------------------------------------------------------------------------------------------


def test_below_the_reserve_nothing_begins_and_above_it_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    free = [2000 * MIB]
    watch = DiskWatch(tmp_path, 500 * MIB, free=lambda _: free[0])

    assert watch.held() is None
    free[0] = 499 * MIB
    held = watch.held()
    assert held is not None
    assert held.code == CODE
    assert "499 MiB" in held.reason
    free[0] = 501 * MIB
    assert watch.check(), "one file more or less does not turn it about"
    free[0] = 600 * MIB
    assert watch.check() == ""
    assert [r.message.partition(" on ")[0] for r in caplog.records] == [
        "nothing new is ordered: too little room",
        "there is room again",
    ]


def test_a_disk_that_is_gone_has_no_room(tmp_path: Path) -> None:
    held = DiskWatch(tmp_path / "gone").held()

    assert held is not None
    assert held.code == CODE


def test_a_real_disk_says_how_much_room_it_has(tmp_path: Path) -> None:
    assert DiskWatch(tmp_path, reserve=1).free() == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)
