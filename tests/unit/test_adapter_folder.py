"""A watched folder against a microscope's PC that writes as such PCs do: slowly, in pieces, renaming, overwriting."""

import asyncio
import io
import os
import random
import shutil
import sys
import tomllib
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
from PIL import Image
from pydantic import ValidationError

from envs.errors import ConfigError
from instruments.adapters import folder, folder_scan
from instruments.adapters.folder import Settings, WatchedFolder, build
from instruments.adapters.folder_scan import Scan, read_stable
from instruments.adapters.folder_view import Sighting
from instruments.adapters.load import read_adapter
from instruments.adapters.tiff_tags import IncompleteImageError
from instruments.artefacts import read_artefact
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.ids import SeededIds
from instruments.journal import SqliteJournal
from instruments.local import LocalBus
from instruments.messages import JobState, Quantity, Value

HOUR = 3600.0
SIDECAR = b"$CM_MAG 5000\n$CM_ACCEL_VOLT 15.00\n$$SM_MICRON_BAR 180\n$$SM_MICRON_MARKER 5um\n"
FEI = "[Beam]\r\nHV=5000\r\n[Scan]\r\nPixelWidth=2e-008\r\n[Detectors]\r\nName=ETD\r\nMode=SE\r\n"


def tiff(shade: int = 0, *, scale: bool = True) -> bytes:
    """A TIFF of some 90 kB, too large for a message, with FEI metadata."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    if scale:
        tags[34682] = FEI
        tags.tagtype[34682] = 2
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((350, 256)).point(lambda grey: (grey + shade) % 256).save(
        buffer, "TIFF", tiffinfo=tags
    )
    return buffer.getvalue()


class Time:
    """A clock that only the test moves, and a sleeper that it wakes."""

    def __init__(self) -> None:
        self.clock = SimClock(datetime(2026, 3, 1, tzinfo=UTC))
        self._naps: list[tuple[float, float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        nap = (self.clock.elapsed() + seconds, seconds, woken)
        self._naps.append(nap)
        try:
            await woken
        finally:
            self._naps.remove(nap)

    def napping(self, seconds: float) -> bool:
        return any(nap[1] == seconds and not nap[2].done() for nap in self._naps)

    async def advance(self, seconds: float, settled: Callable[[], bool]) -> None:
        """Move on, waking each sleeper at its own moment."""
        end = self.clock.elapsed() + seconds
        while True:
            await until(settled)
            due = [nap for nap in self._naps if nap[0] <= end and not nap[2].done()]
            if not due:
                break
            first = min(due, key=lambda nap: nap[0])
            self.clock.advance(max(0.0, first[0] - self.clock.elapsed()))
            first[2].set_result(None)
            await asyncio.sleep(0.001)
        self.clock.advance(max(0.0, end - self.clock.elapsed()))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - anything that a thread brings about
            await asyncio.sleep(0.0005)


@dataclass
class SemRoom:
    """A microscope's share, the device that watches it, and an agent."""

    tmp: Path
    options: dict[str, Any] = field(default_factory=dict)
    time: Time = field(default_factory=Time)

    def __post_init__(self) -> None:
        self.share = self.tmp / "share"
        self.state = self.tmp / "state"
        self.share.mkdir(exist_ok=True)
        self.state.mkdir(exist_ok=True)
        self.stack = AsyncExitStack()
        self.bus = LocalBus()
        self.ids = SeededIds(self.time.clock, random.Random(3))
        self.handing_over, self.stuck = 0, False  # time stands still while a thread reads
        self.device: Any = None
        self.client: Any = None

    async def __aenter__(self) -> Self:
        await self.switch_on()
        self.client = InstrumentClient(
            self.bus.transport(), lab="x", agent="a", clock=self.time.clock, ids=self.ids, sleeper=wait_forever
        )
        await self.client.start()
        self.stack.push_async_callback(self.client.close)
        await self.client.wait_for(["sem-1"])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stack.aclose()

    async def switch_on(self, state: Path | None = None) -> None:
        state = state or self.state
        settings = Settings(directory=self.share, **self.options)
        journal = SqliteJournal(state / "jobs.sqlite")
        self.device = build(
            settings, "sem-1", self.bus.transport(), lab="x", clock=self.time.clock, ids=self.ids,
            journal=journal, artefacts=state / "artefacts", sleeper=self.time.sleep,
        )  # fmt: skip
        hand_over = self.device._hand_over

        async def counted(*arguments: Any) -> Any:
            self.handing_over += 1
            try:
                return await hand_over(*arguments)
            finally:
                self.handing_over -= 1

        self.device._hand_over = counted
        await self.device.start()
        self.stack.callback(journal.close)
        self.stack.push_async_callback(self.device.stop)

    def write(self, name: str, data: bytes, *, age_s: float = 0.0) -> Path:
        path = self.share / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        if age_s:
            os.utime(path, (path.stat().st_mtime - age_s,) * 2)
        return path

    async def order(self, sample: str = "A1", *, wait: float = 120.0, existing: str = "no") -> "asyncio.Task[JobState]":
        """Order an image; the device has looked at the folder before this returns."""
        parameters: dict[str, Value] = {"sample": sample, "wait": Quantity(value=wait, unit="s"), "existing": existing}
        running = asyncio.Event()
        job = self.ids.new()

        def heard(state: JobState) -> None:
            if state.progress is not None and state.state == "running":
                running.set()

        looks = self.device._begun
        task = asyncio.create_task(self.client.execute("sem-1", "acquire", parameters, job=job, on_update=heard))
        task.set_name(job)
        await running.wait()
        await until(lambda: (self.device._begun > looks and self.settled()) or task.done())
        return task

    def settled(self) -> bool:
        """The device has looked, hands nothing over, and waits for its next look."""
        idle = self.time.napping(self.device.settings.poll_s) and not self.device._hurried
        return idle and (self.handing_over == 0 or self.stuck)

    async def advance(self, seconds: float) -> None:
        await self.time.advance(seconds, self.settled)

    async def end(self, task: "asyncio.Task[JobState]", *, within: float = 1000.0) -> JobState:
        for _ in range(int(within)):
            if task.done():
                break
            await self.advance(1.0)
            await asyncio.sleep(0.002)
        return await asyncio.wait_for(task, 10)


def run(story: Callable[[SemRoom], Coroutine[Any, Any, None]], tmp: Path, **options: Any) -> None:
    async def scene() -> None:
        async with SemRoom(tmp, options) as room:
            await story(room)

    asyncio.run(scene())


def text(state: JobState, name: str) -> str:
    assert state.result is not None, state.error
    value = state.result.values[name]
    return value if isinstance(value, str) else f"{value.value:g} {value.unit}"


def image(state: JobState) -> bytes:
    assert state.result is not None, state.error
    return read_artefact(state.result.artefacts["image"])


def why(state: JobState) -> str:
    assert state.state == "failed"
    assert state.error is not None
    assert (state.error.code, state.error.kind) == ("no_image", "retryable")
    return state.error.message


def test_an_image_reaches_the_agent_unchanged_with_its_scale(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order()
        data = tiff()
        room.write("A1_007.tif", data)
        state = await room.end(task)
        assert image(state) == data
        assert text(state, "pixel_size") == "0.02 um"
        assert text(state, "scale_source") == "FEI metadata"
        assert text(state, "voltage") == "5 kV"
        assert text(state, "detector") == "ETD SE"
        assert (text(state, "sample"), text(state, "field"), text(state, "file")) == ("A1", "007", "A1_007.tif")

    run(story, tmp_path)


def test_a_file_that_grows_in_pieces_is_taken_when_it_is_whole(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order()
        data = tiff()
        for end in range(0, len(data) + 10_000, 10_000):
            room.write("A1_1.TIF", data[:end])
            await room.advance(2.0)
            assert not task.done()
        assert image(await room.end(task)) == data

    run(story, tmp_path)


def test_a_writer_that_stops_half_way_does_not_pass_for_finished(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order()
        data = tiff()
        room.write("A1_1.tif", data[:50_000])
        await room.advance(40.0)
        assert not task.done()
        room.write("A1_1.tif", data)
        assert image(await room.end(task)) == data

    run(story, tmp_path)


def test_space_reserved_before_the_pixels_come_is_waited_for(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order()
        data = tiff()
        path = room.write("A1_1.tif", bytes(len(data)))
        await room.advance(30.0)
        assert not task.done()
        path.write_bytes(data)
        os.utime(path, ns=(1, 1))  # a clock that is wrong by half a century
        assert image(await room.end(task)) == data

    run(story, tmp_path)


def test_a_temporary_name_is_passed_over_until_it_is_renamed(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order()
        path = room.write("A1_1.tif.tmp", tiff())
        await room.advance(20.0)
        assert not task.done()
        path.rename(room.share / "A1_1.tif")
        assert text(await room.end(task), "file") == "A1_1.tif"

    run(story, tmp_path)


def test_images_from_before_the_order_count_only_when_asked(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        room.write("A1_1.tif", tiff(1), age_s=-24 * HOUR)  # the PC's clock is a day ahead
        await room.advance(20.0)
        message = why(await room.end(await room.order(wait=20.0)))
        assert message.endswith("seen instead: nothing")
        assert text(await room.end(await room.order(existing="yes")), "file") == "A1_1.tif"

    run(story, tmp_path)


def test_an_image_written_over_an_older_one_is_new(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        room.write("A1_1.tif", tiff(1))
        first = await room.end(await room.order(existing="yes"))
        task = await room.order()
        room.write("A1_1.tif", tiff(2), age_s=10 * HOUR)
        second = await room.end(task)
        assert (image(first), image(second)) == (tiff(1), tiff(2))

    run(story, tmp_path)


def test_no_image_is_given_to_two_jobs(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        tasks = [await room.order(wait=60.0) for _ in range(3)]
        room.write("A1_1.tif", tiff(1))
        room.write("A1_2.tif", tiff(2))
        states = [await room.end(task) for task in tasks]
        assert sorted(state.state for state in states) == ["failed", "succeeded", "succeeded"]
        assert {image(state) for state in states if state.state == "succeeded"} == {tiff(1), tiff(2)}
        lost = next(state for state in states if state.state == "failed")
        assert "given to job" in why(lost)
        # A touch changes the time stamp, a copy the name: neither makes a new image.
        task = await room.order(wait=30.0)
        os.utime(room.share / "A1_1.tif")
        shutil.copy(room.share / "A1_2.tif", room.share / "A1_3.tif")
        assert (await room.end(task)).state == "failed"

    run(story, tmp_path)


def test_a_crash_between_claim_and_result_gives_the_image_to_nobody_else(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order()
        keeping = asyncio.Event()

        async def stuck(*_: object) -> None:
            keeping.set()
            await asyncio.Event().wait()

        room.device.keep, room.stuck = stuck, True
        room.write("A1_1.tif", tiff())
        for _ in range(20):
            await room.advance(1.0)
        await asyncio.wait_for(keeping.wait(), 10)
        after = tmp_path / "after the crash"
        shutil.copytree(room.state, after)  # what a disk holds when the power goes
        await room.device.stop()
        assert (await task).state == "failed"
        room.stuck = False
        await room.switch_on(after)
        journalled = await room.client.query("sem-1", task.get_name())
        assert journalled.error.code == "interrupted"
        assert "given to job" not in why(await room.end(await room.order(wait=20.0, existing="no")))
        assert task.get_name() in why(await room.end(await room.order(wait=20.0, existing="yes")))

    run(story, tmp_path)


def test_an_image_that_could_not_be_handed_over_is_free_again(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order()
        keep, room.device.keep = room.device.keep, _refuse
        room.write("A1_1.tif", tiff())
        assert (await room.end(task)).state == "failed"
        room.device.keep = keep
        assert image(await room.end(await room.order(existing="yes"))) == tiff()

    run(story, tmp_path)


async def _refuse(*_: object) -> None:
    raise OSError(28, "no space")


def test_a_cancellation_ends_the_wait_at_once(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order(wait=HOUR)
        await room.client.cancel("sem-1", task.get_name())
        assert (await asyncio.wait_for(task, 10)).state == "cancelled"

    run(story, tmp_path)


def test_in_vain_the_message_names_what_came_instead(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        room.write("old thing.bmp", b"from before")
        room.write("B2_1.tif", tiff(), age_s=5 * HOUR)
        task = await room.order(wait=30.0)
        room.write("B7_1.tif", tiff(1))
        room.write("image!.tif", tiff(2))
        room.write("A1_1.tif", tiff()[:999])
        room.write("A1_2.tif", b"")
        room.write("A1_1.bmp", b"BM")
        (room.share / "A1_3.tif").symlink_to("/etc/hostname")
        (room.share / "A1_\udcff.tif").write_bytes(tiff())
        message = why(await room.end(task))
        for part in (
            "B7_1.tif (of sample 'B7')",
            "image!.tif (its name does not fit the sample pattern)",
            "A1_1.tif (the pixels of page 1 reach to byte",
            "A1_2.tif (it is empty)",
            "A1_1.bmp (its name fits no pattern)",
            "A1_3.tif (it is a symbolic link",
            "'A1_\\udcff.tif' (its name holds characters that cannot be told)",
        ):
            assert part in message, message
        assert "B2_1" not in message
        assert "old thing" not in message

    run(story, tmp_path, sample=r"(?P<sample>[A-Z]\d+)_(?P<field>\d+)")


def test_a_file_that_grows_for_ever_or_is_too_large_is_never_taken(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order(wait=60.0)
        room.write("A1_2.tif", tiff() + bytes(30_000))
        for size in range(30):
            room.write("A1_1.tif", tiff()[: 1000 + size])
            await room.advance(2.0)
        message = why(await room.end(task))
        assert "A1_1.tif (it changed less than 3 s ago)" in message
        assert "are more than the limit of 100000)" in message

    run(story, tmp_path, max_megabytes=0.1)


def test_a_share_that_goes_away_is_told_and_waited_for(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        room.write("mounted", b"")
        room.write("A1_1.tif", tiff(1))
        task = await room.order()
        room.share.rename(tmp_path / "away")
        await room.advance(10.0)
        await until(lambda: room.client.presence("sem-1") == "error")
        room.share.mkdir()  # a mount point without its share is an empty folder
        await room.advance(10.0)
        assert room.client.presence("sem-1") == "error"
        room.share.rmdir()
        (tmp_path / "away").rename(room.share)
        await room.advance(10.0)
        await until(lambda: room.client.presence("sem-1") == "busy")
        assert not task.done()
        room.write("A1_2.tif", tiff(2))
        assert text(await room.end(task), "file") == "A1_2.tif"

    run(story, tmp_path, marker="mounted")


def test_a_share_that_does_not_answer_is_told_and_the_wait_still_ends(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order(wait=30.0)
        hanging = asyncio.Event()
        scan, loop = room.device._scan, asyncio.get_running_loop()

        def hang() -> Any:
            asyncio.run_coroutine_threadsafe(hanging.wait(), loop).result()
            return scan()

        room.device._scan = hang
        for _ in range(70):
            await room.time.advance(1.0, lambda: room.time.napping(2.0) or room.time.napping(60.0))
        await until(lambda: room.client.presence("sem-1") == "error")
        assert "the folder was last listed 30 s ago" in why(await asyncio.wait_for(task, 10))
        hanging.set()
        await until(lambda: room.client.presence("sem-1") == "online")

    run(story, tmp_path)


def test_a_text_file_that_comes_after_its_image_is_waited_for(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order()
        room.write("A1_1.tif", tiff(scale=False))
        await room.advance(8.0)
        assert not task.done()
        room.write("A1_1.TXT", SIDECAR)
        state = await room.end(task)
        assert text(state, "scale_source") == "JEOL sidecar"
        assert text(state, "pixel_size") == f"{5 / 180:g} um"
        assert state.result is not None
        assert read_artefact(state.result.artefacts["sidecar"]) == SIDECAR
        # Without one the image comes after a while, with what the settings say.
        task = await room.order()
        room.write("A1_2.tif", tiff(1, scale=False))
        state = await room.end(task)
        assert (text(state, "scale_source"), text(state, "pixel_size")) == ("settings", "0.5 um")

    run(story, tmp_path, pixel_size_um=0.5)


def test_an_image_is_read_twice_at_most_while_its_text_file_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(room: SemRoom) -> None:
        reads: list[str] = []
        read = folder._read

        def count(directory: Path, sighting: Sighting) -> tuple[bytes, str, str]:
            reads.append(sighting.path)
            return read(directory, sighting)

        monkeypatch.setattr(folder, "_read", count)
        task = await room.order()
        room.write("A1_1.txt", b"")  # reserved, and never filled
        room.write("A1_1.tif", tiff(scale=False))
        began = room.time.clock.elapsed()
        state = await room.end(task)
        assert text(state, "scale_source") == "none"
        assert 3 + 10 <= room.time.clock.elapsed() - began < 20
        assert reads == ["A1_1.tif"] * 2

    run(story, tmp_path)


def test_a_text_file_that_is_required_is_named_when_it_does_not_come(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order(wait=60.0)
        room.write("A1_1.tif", tiff())
        assert "A1_1.tif (the text file of its name is not there)" in why(await room.end(task))
        task = await room.order(existing="yes")
        room.write("A1_1.txt", SIDECAR)
        assert text(await room.end(task), "scale_source") == "FEI metadata"

    run(story, tmp_path, sidecar="always")


def test_an_image_of_unknown_scale_says_so(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order()
        room.write("A1_1.tif", tiff(scale=False))
        state = await room.end(task)
        assert state.result is not None
        assert text(state, "scale_source") == "none"
        assert "pixel_size" not in state.result.values

    run(story, tmp_path, sidecar="never")


def test_folders_of_samples_and_what_waits(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        room.write("A1/overview 1.tif", tiff(1))
        room.write("A1/detail 2.tif", tiff(2))
        (room.share / "loop").symlink_to(room.share)
        await room.advance(20.0)
        await room.end(await room.order(existing="yes"))
        state = await room.client.execute("sem-1", "list_waiting", {}, job=room.ids.new())
        assert text(state, "count") == "1 1"
        assert text(state, "files").startswith("A1/overview 1.tif  A1  ") or "detail" in text(state, "files")

    run(story, tmp_path, subdirectories=True, sample=r"(?P<sample>[^/]+)/.* (?P<index>\d+)")


def test_a_picture_of_another_kind_is_handed_over_as_it_is(tmp_path: Path) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order()
        buffer = io.BytesIO()
        Image.linear_gradient("L").save(buffer, "PNG")
        room.write("A1_1.PNG", buffer.getvalue())
        state = await room.end(task)
        assert image(state) == buffer.getvalue()
        assert state.result is not None
        assert state.result.artefacts["image"].media_type == "image/png"

    run(story, tmp_path)


def test_a_file_that_its_writer_holds_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(room: SemRoom) -> None:
        task = await room.order(wait=20.0)
        held, really_open = True, folder_scan._open_no_link

        def sharing_violation(path: str, flags: int) -> int:
            if held:
                raise PermissionError(13, "Permission denied")
            return really_open(path, flags)

        monkeypatch.setattr(folder_scan, "_open_no_link", sharing_violation)
        room.write("A1_1.tif", tiff())
        assert "A1_1.tif (it cannot be opened: Permission denied)" in why(await room.end(task))
        held = False
        assert image(await room.end(await room.order(existing="yes"))) == tiff()

    run(story, tmp_path)


def test_nothing_outside_of_the_folder_is_ever_read(tmp_path: Path) -> None:
    share, secret = tmp_path / "share", tmp_path / "secret"
    (share / "A1").mkdir(parents=True)
    secret.mkdir()
    for directory in (share / "A1", secret):
        (directory / "1.tif").write_bytes(tiff())
    scan = Scan(share, ("*.tif",), deep=True)
    signature = scan().files["A1/1.tif"]
    assert read_stable(share, "A1/1.tif", signature) == tiff()
    # Between the listing and the reading somebody puts links in the way.
    (share / "A1" / "1.tif").unlink()
    (share / "A1" / "1.tif").symlink_to(secret / "1.tif")
    with pytest.raises(IncompleteImageError, match="cannot be opened"):
        read_stable(share, "A1/1.tif", signature)
    shutil.rmtree(share / "A1")
    (share / "A1").symlink_to(secret)
    with pytest.raises(IncompleteImageError, match="outside"):
        read_stable(share, "A1/1.tif", signature)
    assert scan().files == {}
    os.mkfifo(share / "B.tif")
    assert scan().files == {}
    with pytest.raises(IncompleteImageError):
        read_stable(share, "B.tif", signature)


def test_a_thousand_old_files_are_looked_at_and_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = tmp_path / "share"
    share.mkdir()
    for number in range(1_000):
        (share / f"A1_{number}.tif").touch()
    listing = Scan(share, ("*.tif",))()
    assert len(listing.files) == 1_000

    async def story(room: SemRoom) -> None:
        reads: list[str] = []
        original = room.device._hand_over

        async def count(job: Any, sighting: Any) -> Any:
            reads.append(sighting.path)
            return await original(job, sighting)

        monkeypatch.setattr(room.device, "_hand_over", count)
        task = await room.order()
        room.write("A1_new.tif", tiff())
        await room.end(task)
        assert reads == ["A1_new.tif"]

    run(story, tmp_path, sample="(?P<sample>A1)_.*")


def test_a_writing_process_in_real_time(tmp_path: Path) -> None:
    """Another process writes in pieces and under a temporary name, with real sleeps of milliseconds."""
    data = tiff()
    (tmp_path / "image").write_bytes(data)
    writer = (
        "import sys, time, pathlib\n"
        "data, share = pathlib.Path(sys.argv[1]).read_bytes(), pathlib.Path(sys.argv[2])\n"
        "with open(share / 'A1_1.tif', 'wb', buffering=0) as file:\n"
        "    for start in range(0, len(data), 9000):\n"
        "        file.write(data[start:start + 9000]); time.sleep(0.01)\n"
    )

    async def story() -> None:
        bus, clock = LocalBus(), SimClock(datetime(2026, 3, 1, tzinfo=UTC))
        ids = SeededIds(clock, random.Random(1))
        share = tmp_path / "share"
        share.mkdir()

        async def tick(seconds: float) -> None:
            await asyncio.sleep(seconds)
            clock.advance(seconds)

        settings = Settings(directory=share, poll_s=0.01, stable_s=0.05)
        base = {"lab": "x", "clock": clock, "ids": ids, "artefacts": tmp_path / "kept", "sleeper": tick}
        device = build(settings, "sem-1", bus.transport(), **base)
        client = InstrumentClient(bus.transport(), lab="x", agent="a", clock=clock, ids=ids, sleeper=wait_forever)
        await device.start()
        await client.start()
        await client.wait_for(["sem-1"])
        ordered = asyncio.create_task(client.execute("sem-1", "acquire", {"sample": "A1"}, job=ids.new()))
        await until(lambda: isinstance(device, WatchedFolder) and device._done > 2)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", writer, str(tmp_path / "image"), str(share)
        )
        assert image(await asyncio.wait_for(ordered, 20)) == data
        assert await process.wait() == 0
        await client.close()
        await device.stop()

    asyncio.run(story())


def test_two_drivers_never_share_a_table_of_claims(tmp_path: Path) -> None:
    from envs.errors import JournalError
    from instruments.adapters.folder_claims import Claims
    from instruments.adapters.folder_scan import Signature

    first = Claims(tmp_path / "claims.sqlite")
    first.take("a", Signature(1, 1), sample="s", sha256="h", job="j")
    with pytest.raises(JournalError, match="claims"):
        Claims(tmp_path / "claims.sqlite")
    first.close()


def test_the_example_file_is_what_the_settings_say() -> None:
    file = Path(__file__).parents[2] / "docs" / "adapters" / "folder.toml"
    content = tomllib.loads(file.read_text())
    assert (content.pop("adapter"), content.pop("iid")) == ("folder", "sem-1")
    assert Settings.model_validate(content).directory == Path("/mnt/sem/exports")


def test_relative_paths_are_meant_from_where_the_file_lies(tmp_path: Path) -> None:
    (tmp_path / "sem.toml").write_text('adapter = "folder"\niid = "sem-1"\ndirectory = "exports"\n')
    settings = read_adapter(tmp_path / "sem.toml").settings
    assert isinstance(settings, Settings)
    assert settings.directory == tmp_path / "exports"
    (tmp_path / "sem.toml").write_text('adapter = "folder"\niid = "sem-1"\ndirectory = "x"\nsample = "x"\n')
    with pytest.raises(ConfigError, match=r"sem\.toml: sample = 'x' is not valid; allowed: a group \(\?P<sample>"):
        read_adapter(tmp_path / "sem.toml")


@pytest.mark.parametrize("pattern", ["(?P<field>.*)", "(", ""])
def test_a_sample_pattern_without_a_sample_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match="sample"):
        Settings(directory=Path("x"), sample=pattern)
