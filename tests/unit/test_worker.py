"""The worker: what dies is asked again, what nobody waits for blocks nobody, and nothing outlives its parent."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from patience import until

from agent.config import parse_config
from agent.daemon.worker import Worker, WorkerError
from agent.daemon.worker_side import NICENESS
from agent.minds import PreviewRequest
from envs.errors import ConfigError

T = TypeVar("T")


def use(work: Callable[[Worker], Awaitable[T]], *, tries: int = 3, patience_s: float = 60.0) -> T:
    async def whole() -> T:
        worker = Worker(tries=tries, patience_s=patience_s)
        try:
            return await work(worker)
        finally:
            await worker.close()

    return asyncio.run(whole())


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for has, too."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_one_quiet_process_does_all() -> None:
    async def work(worker: Worker) -> None:
        pid = await worker.run(os.getpid)
        assert pid != os.getpid()
        assert await worker.run(os.getpid) == pid
        assert await worker.run(os.nice, 0) >= NICENESS
        assert await worker.run(os.getenv, "OMP_NUM_THREADS") == "1"
        assert worker.starts == 1

    use(work)


def test_a_worker_killed_at_its_work_is_asked_again() -> None:
    async def work(worker: Worker) -> None:
        pid = await worker.run(os.getpid)
        task = asyncio.create_task(worker.run(time.sleep, 0.2))
        await asyncio.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        await task
        assert await worker.run(os.getpid) != pid
        assert worker.starts == 2

    use(work)


def test_a_worker_killed_while_nobody_asked_is_replaced() -> None:
    async def work(worker: Worker) -> None:
        pid = await worker.run(os.getpid)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: gone(pid))
        assert await worker.run(os.getpid) != pid

    use(work)


def test_what_kills_it_each_time_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async def work(worker: Worker) -> None:
        with pytest.raises(WorkerError, match="died 2 times at _exit"):
            await worker.run(os._exit, 9)
        assert worker.starts == 2
        assert await worker.run(os.getpid), "and the next one is served"

    use(work, tries=2)
    assert "the worker died at _exit (1 of 2)" in caplog.text


def test_closing_waits_for_no_computation() -> None:
    async def work(worker: Worker) -> None:
        pid = await worker.run(os.getpid)
        tasks = [asyncio.create_task(worker.run(time.sleep, 600.0)) for _ in range(2)]
        await asyncio.sleep(0.05)
        begun = time.monotonic()
        await worker.close()
        for task in tasks:
            with pytest.raises(WorkerError, match="closed"):
                await task
        assert time.monotonic() - begun < 5.0
        assert gone(pid)

    use(work)


def test_a_computation_that_nobody_waits_for_blocks_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def work(worker: Worker) -> None:
        pid = await worker.run(os.getpid)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(worker.run(time.sleep, 600.0), 0.05)
        assert await worker.run(os.getpid) != pid
        gc.collect()

    use(work, patience_s=0.05)
    assert "never retrieved" not in caplog.text
    assert "nobody waits for is ended" in caplog.text


def test_a_short_one_that_nobody_waits_for_is_let_end() -> None:
    async def work(worker: Worker) -> None:
        pid = await worker.run(os.getpid)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(worker.run(time.sleep, 0.1), 0.02)
        assert await worker.run(os.getpid) == pid

    use(work)


def test_what_asks_the_daemon_to_end_leaves_the_worker_to_it() -> None:
    async def work(worker: Worker) -> None:
        pid = await worker.run(os.getpid)
        for signum in (signal.SIGTERM, signal.SIGINT):
            os.kill(pid, signum)
        assert await worker.run(os.getpid) == pid

    use(work)


def test_what_people_want_to_see_waits_for_what_a_campaign_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.daemon.worker_side.preview", time.monotonic_ns)  # takes what a preview takes: nothing

    async def work(worker: Worker) -> None:
        order: list[str] = []

        async def preview(name: str) -> None:
            with pytest.raises(WorkerError, match="takes no arguments"):
                await worker.preview("hard", PreviewRequest((), {}))
            order.append(name)

        async def image(name: str) -> None:
            await worker.run(os.getpid)
            order.append(name)

        worker._configs = {"hard": {}}
        first = asyncio.create_task(worker.run(time.sleep, 0.1))
        await asyncio.sleep(0.01)
        previews = [asyncio.create_task(preview(f"preview-{n}")) for n in range(3)]
        await asyncio.sleep(0.01)
        images = [asyncio.create_task(image(f"image-{n}")) for n in range(2)]
        await asyncio.gather(first, *previews, *images)
        assert order == ["image-0", "image-1", "preview-0", "preview-1", "preview-2"]

    use(work)


def test_who_gives_up_before_his_turn_leaves_no_trace() -> None:
    async def work(worker: Worker) -> None:
        pid = await worker.run(os.getpid)
        first = asyncio.create_task(worker.run(time.sleep, 0.1))
        second = asyncio.create_task(worker.run(os._exit, 1))
        await asyncio.sleep(0.02)
        second.cancel()
        await first
        assert await worker.run(os.getpid) == pid

    use(work)


def test_a_wrong_request_is_the_users_and_a_mistake_the_workers(caplog: pytest.LogCaptureFixture) -> None:
    async def work(worker: Worker) -> None:
        with pytest.raises(ConfigError, match=r"campaign\.batch = 0 is not valid") as caught:
            await worker.run(parse_config, {"campaign": {"batch": 0}})
        assert caught.value.key == "campaign.batch"
        with pytest.raises(WorkerError, match="ValueError: invalid literal"):
            await worker.run(int, "many")
        assert worker.starts == 1

    use(work)
    assert "Traceback" in caplog.text


PARENT = """
import asyncio, os
from agent.daemon.worker import Worker

async def main():
    worker = Worker()
    print(await worker.run(os.getpid), flush=True)
    await worker.run(__import__("time").sleep, 600.0)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_it_dies_with_its_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)  # noqa: S603
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not gone(pid)
    finally:
        parent.kill()
        parent.communicate()
    asyncio.run(until(lambda: gone(pid), within_s=20.0))
