"""A watched folder whose share fails, text files that come late, many files, hostile names, settings."""

import asyncio
import io
import os
import random
import shutil
import sqlite3
import sys
import threading
import tomllib
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from patience import until
from PIL import Image
from pydantic import ValidationError
from sem_room import SIDECAR, SemRoom, image, run, text, tiff, why

from envs.errors import ConfigError, JournalError
from envs.micrograph_texts.metadata import ImageMetadata
from instruments.adapters import folder, folder_scan
from instruments.adapters.folder import Settings, WatchedFolder, build
from instruments.adapters.folder_claims import Claims
from instruments.adapters.folder_scan import Scan, Signature, read_stable
from instruments.adapters.folder_view import Sighting
from instruments.adapters.image_scale import read_metadata
from instruments.adapters.load import read_adapter
from instruments.adapters.tiff_tags import IncompleteImageError
from instruments.bulk.fetch import read as read_artefact
from instruments.client import InstrumentClient
from instruments.clock import SimClock, wait_forever
from instruments.ids import SeededIds
from instruments.local import LocalBus


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


def test_a_share_that_never_answers_keeps_no_driver_from_ending(tmp_path: Path) -> None:
    back = threading.Event()
    patience = threading.Timer(5.0, back.set)  # a driver that waits for the share would end only by this
    patience.start()

    async def story(room: SemRoom) -> None:
        room.device._scan = back.wait
        room.device._hurried = True
        room.device._bell.ring()
        await until(lambda: room.device._begun > room.device._done)

    run(story, tmp_path)
    assert not back.is_set()
    back.set()
    patience.cancel()


def test_a_wait_ends_though_a_file_is_read_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    back, reads = threading.Event(), list[str]()

    def hang(_directory: Path, sighting: Sighting) -> Any:
        reads.append(sighting.path)
        back.wait(10.0)
        raise IncompleteImageError("the share is back")

    monkeypatch.setattr(folder, "_read", hang)

    async def story(room: SemRoom) -> None:
        room.stuck = True
        task = await room.order(wait=30.0)
        for field in (1, 2):
            room.write(f"A1_{field}.tif", tiff(field))
        message = why(await room.end(task, within=60.0))
        assert f"{reads[0]} (it could not be read within 20 s)" in message
        assert room.time.clock.elapsed() < 60.0
        back.set()

    run(story, tmp_path, hang_s=20.0)
    assert len(reads) <= 2, "each try leaves a thread to itself"


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

        def count(directory: Path, sighting: Sighting) -> tuple[bytes, str, str, ImageMetadata]:
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


def test_what_an_image_says_is_read_beside_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = list[threading.Thread]()

    def noted(*arguments: Any) -> ImageMetadata:
        readers.append(threading.current_thread())
        return read_metadata(*arguments)

    monkeypatch.setattr(folder, "read_metadata", noted)

    async def story(room: SemRoom) -> None:
        task = await room.order()
        room.write("A1_1.tif", tiff(scale=False))
        room.write("A1_1.txt", SIDECAR)
        assert text(await room.end(task), "scale_source") == "JEOL sidecar"

    run(story, tmp_path)
    assert len(readers) == 2
    assert threading.main_thread() not in readers


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
    first = Claims(tmp_path / "claims.sqlite")
    first.take("a", Signature(1, 1), sample="s", sha256="h", job="j")
    with pytest.raises(JournalError, match="claims"):
        Claims(tmp_path / "claims.sqlite")
    first.close()


def test_what_a_job_got_is_free_again_once_it_is_released(tmp_path: Path) -> None:
    first, other = Signature(1, 1), Signature(1, 2)
    claims = Claims(tmp_path / "claims.sqlite")
    assert claims.take("a", first, sample="s", sha256="h", job="j")
    assert claims.take("b", first, sample="s", sha256="i", job="k")
    assert not claims.take("copy of a", other, sample="s", sha256="h", job="k")
    assert [claims.job_of(path, s) for path, s in (("a", first), ("copy of a", other), ("b", first))] == ["j", "j", "k"]
    assert [claims.claimed(path, s) for path, s in (("a", first), ("a", other), ("copy of a", other))] == [1, 0, 1]
    claims.release("j")
    assert [claims.job_of(path, s) for path, s in (("a", first), ("copy of a", other), ("b", first))] == [
        None,
        None,
        "k",
    ]
    assert [claims.claimed(path, s) for path, s in (("a", first), ("copy of a", other), ("b", first))] == [0, 0, 1]
    claims.close()
    again = Claims(tmp_path / "claims.sqlite")
    assert again.job_of("b", first) == "k"
    assert again.take("a", first, sample="s", sha256="h", job="l")
    again.close()


def test_a_table_of_claims_from_before_its_index_is_used_on(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "claims.sqlite")) as database:
        database.execute(
            "CREATE TABLE claims (path TEXT, size INTEGER, mtime_ns INTEGER, sample TEXT, sha256 TEXT, "
            "job TEXT NOT NULL, PRIMARY KEY (path, size, mtime_ns), UNIQUE (sample, sha256))"
        )
        database.execute("INSERT INTO claims VALUES ('a', 1, 1, 's', 'h', 'j')")
        database.commit()
    claims = Claims(tmp_path / "claims.sqlite")
    assert claims.job_of("a", Signature(1, 1)) == "j"
    plan = claims._db.execute("EXPLAIN QUERY PLAN DELETE FROM claims WHERE job = 'j'").fetchall()
    assert "USING INDEX claims_by_job" in plan[0][3]
    claims.close()


def test_the_example_file_is_what_the_settings_say() -> None:
    file = Path(__file__).parents[2] / "instruments" / "starters" / "folder.toml"
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
