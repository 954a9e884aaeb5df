"""A watched folder against a microscope's PC that writes as such PCs do: slowly, in pieces, renaming, overwriting."""

import asyncio
import os
import shutil
from pathlib import Path

from sem_room import HOUR, SemRoom, image, run, text, tiff, why


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
        # A person looks, and decides that the agent has not got it.
        freed = await room.client.execute("sem-1", "release", {"file": "A1_1.tif"}, job=room.ids.new())
        assert text(freed, "job") == task.get_name()
        assert image(await room.end(await room.order(existing="yes"))) == tiff()
        kept = await room.client.execute("sem-1", "release", {"file": "A1_1.tif"}, job=room.ids.new())
        assert kept.error.code == "in_use"
        unknown = await room.client.execute("sem-1", "release", {"file": "../x"}, job=room.ids.new())
        assert unknown.error.code == "not_claimed"

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
