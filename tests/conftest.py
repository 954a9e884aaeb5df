"""Settings of the whole suite: one computing thread a process, no window system, reproducible examples."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator

# Before anything imports numpy or torch: test processes share few cores, and sums in one order repeat exactly.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
from hypothesis import settings

settings.register_profile("labwright", deadline=None, derandomize=True)
settings.load_profile("labwright")


@pytest.fixture(autouse=True)
def nothing_left_over(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that leaves a thread or a task behind fails: in a daemon that runs for weeks it would be one of many."""
    tasks: list[str] = []
    tidy_up = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]

    def note(loop: asyncio.AbstractEventLoop) -> None:
        tasks.extend(_name(task) for task in asyncio.all_tasks(loop) if not task.done())
        tidy_up(loop)

    monkeypatch.setattr(asyncio.runners, "_cancel_all_tasks", note)
    before = _threads()
    yield
    patience = time.monotonic() + 2.0
    while (threads := _threads() - before) and time.monotonic() < patience:
        time.sleep(0.005)
    if request.node.get_closest_marker("interrupts") is None:
        assert not tasks, f"tasks were left running: {', '.join(tasks)}"
    assert not threads, f"threads were left running: {', '.join(t.name for t in threads)}"


def _name(task: asyncio.Task[object]) -> str:
    return f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '')})"


def _threads() -> set[threading.Thread]:
    """All but progress bars' one watcher, and computations that an interruption leaves behind to end by themselves."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith(("background ", "tqdm_monitor"))}
