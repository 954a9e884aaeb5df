"""A watched folder: a microscope's PC exports images to a share, and each becomes the result of a job.

``acquire`` waits until a finished new image of a sample appears, gives it to exactly one job, unchanged, and says how
large its pixels are and where that is known from. The folder is listed again and again, because shares tell nobody of
new files; how files are told finished is in ``folder_view``, who was given what in ``folder_claims``.

A file counts as new for an order when it appeared, or changed, after the order came: by listings before and after, not
by time stamps, since the share's clock is not ours.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from typing_extensions import override

from envs.errors import InstrumentError
from envs.micrograph_texts.metadata import ImageMetadata
from instruments import own_thread
from instruments.adapters.folder_claims import Claims
from instruments.adapters.folder_scan import Scan, Signature, read_stable
from instruments.adapters.folder_settings import DAY_S, Settings
from instruments.adapters.folder_trouble import AwaitsTextError, HangingShareError, Trouble
from instruments.adapters.folder_view import FolderView, Sighting
from instruments.adapters.image_scale import check_complete, read_metadata
from instruments.adapters.tiff_tags import IncompleteImageError
from instruments.bus.waiting import Bell
from instruments.commands import Channel, Choice, CommandSpec, JobResult, Parameter, ParameterRule, Returns, Text
from instruments.device import Device
from instruments.driving.job_context import JobContext
from instruments.errors import DeviceFault, RetryableFault
from instruments.messages import ArtefactRef, Quantity, Value
from instruments.transport import Transport

__all__ = ["Settings", "WatchedFolder", "build"]

T = TypeVar("T")
_log = logging.getLogger(__name__)

_SHOWN = 12
_FIRST_LOOK_S = 10.0
_SIDECAR_BYTES = 1 << 20


class WatchedFolder(Device):
    """The folder as a device: ``acquire``, ``list_waiting`` and ``release``.

    Args:
        settings: how the folder is watched.
        iid: the instrument's id.
        transport: its connection.
        base: everything else that a ``Device`` takes.
    """

    driver = "labwright.folder 1.0"
    channels = MappingProxyType(
        {"waiting": Channel(unit="1", summary="finished images that no job was given", period_s=10.0, read="waiting")}
    )

    def __init__(self, settings: Settings, iid: str, transport: Transport, **base: Any) -> None:
        super().__init__(iid, transport, **base)
        self.settings = settings
        images = settings.patterns
        self._scan = Scan(
            settings.directory, images, settings.subdirectories, settings.sidecar != "never", settings.marker
        )
        self._view = FolderView(
            re.compile(settings.sample), stable_s=settings.stable_s, max_bytes=int(settings.max_megabytes * 1e6)
        )
        self._claims: Claims | None = None
        self._begun = self._done = 0  # numbers of looks: a job compares what was there before it with what came after
        self._rounds, self._hurried = 0, False
        self._listed_at = self.clock.elapsed()
        self._bell = Bell(self.sleeper)
        self._poller: asyncio.Task[None] | None = None
        self._later: dict[str, Trouble] = {}
        self._register()

    def _register(self) -> None:
        parameters: dict[str, ParameterRule] = {
            "sample": Text(128, summary="the sample's name, as it stands in the files' names"),
            "wait": Parameter("s", 0.0, DAY_S, summary="longest time to wait", default=self.settings.wait_s),
            "existing": Choice(("no", "yes"), summary="whether images from before the order count", default="no"),
        }
        results = {
            "image": Returns(media_type="image/tiff", summary="the file as it is; PNG or JPEG where that was exported"),
            "sidecar": Returns(media_type="text/plain", summary="the text file beside it", optional=True),
            "pixel_size": Returns(unit="um", summary="edge of a pixel, where it is known", optional=True),
            "scale_source": Returns(summary="where the pixel size is known from, or none"),
            "scale_note": Returns(summary="why a pixel size was not believed", optional=True),
            "sample": Returns(),
            "field": Returns(summary="from the file's name, where it tells", optional=True),
            "index": Returns(summary="from the file's name, where it tells", optional=True),
            "file": Returns(summary="path below the folder"),
            "voltage": Returns(unit="kV", summary="acceleration voltage, where it is known", optional=True),
            "magnification": Returns(unit="1", summary="as the microscope states it for its display", optional=True),
            "detector": Returns(summary="the signal's name, where it is known", optional=True),
        }
        take = "Wait for the next finished image of a sample and hand it over"
        self.register(CommandSpec("acquire", take, parameters, results, self.settings.wait_s), self.acquire)
        tell = "Tell which finished images no job was given"
        choice: dict[str, ParameterRule] = {
            "sample": Text(128, summary="only this sample's; empty for all", default=""),
            "most": Parameter("1", 1, 1000, summary="lines at most", default=100, whole=True),
        }
        found = {
            "files": Returns(summary="one line for each file"),
            "count": Returns(unit="1", summary="of all of them"),
        }
        example: dict[str, Value] = {"sample": "", "most": Quantity(value=10, unit="1")}
        self.register(CommandSpec("list_waiting", tell, choice, found, 1.0, example=example), self.list_waiting)
        free = "Set an image free that a job got which ended without a result, as after a crash"
        which: dict[str, ParameterRule] = {"file": Text(1024, summary="path below the folder")}
        self.register(CommandSpec("release", free, which, {"job": Returns(summary="that had it")}, 1.0), self.release)

    # Life -------------------------------------------------------------------------------------------------------------

    @override
    async def open(self) -> None:
        """Open the table of claims and begin to look."""
        path = self.settings.claims
        if path is None and self._artefacts is not None:
            await asyncio.to_thread(self._artefacts.parent.mkdir, parents=True, exist_ok=True)
            path = self._artefacts.parent / f"{self.iid}.claims.sqlite"
        if path is None:
            _log.warning("%s: which files were given to jobs is forgotten at a restart: set claims", self.iid)
        self._claims = await self._apart(partial(Claims, path))
        self._poller = asyncio.create_task(self._poll(), name=f"{self.iid} folder")

    @override
    async def shut(self) -> None:
        """Look no more."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
        if self._claims is not None:
            self._claims.close()

    async def waiting(self) -> float:
        """Number of finished images that no job was given."""
        now = self.clock.elapsed()
        return float(sum(self._is_free(sighting, now) for sighting in self._view.images.values()))

    # Looking ----------------------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        while True:
            self._begun, self._hurried = self._begun + 1, False
            number = self._begun
            look = asyncio.ensure_future(self._apart(self._scan))
            look.add_done_callback(lambda _look: self._bell.ring())
            try:
                while not await self._bell.until(look.done, self.settings.hang_s):
                    await self._tell(f"{self.settings.directory} has not answered for {self.settings.hang_s:g} s")
                listing, self._listed_at = look.result(), self.clock.elapsed()
                self._view.update(listing, self._listed_at)
                self._done = number
                await self._tell("")
            except Exception as error:  # noqa: BLE001 - whatever it is, jobs wait for the next look
                reason = (isinstance(error, OSError) and error.strerror) or str(error) or repr(error)
                await self._tell(f"{self.settings.directory} cannot be read: {reason}")
            finally:
                look.cancel()  # when the device stops; a thread in a share that hangs is left to itself
            self._rounds += 1
            self._bell.ring()
            await self._bell.until(lambda: self._hurried, self.settings.poll_s)

    async def _tell(self, trouble: str) -> None:
        """Change the presence when the folder goes away or comes back; what a person has set stays."""
        presence = ("error", trouble) if trouble else ("online", "")
        if self._presence == presence or (self._presence[0] == "maintenance"):
            return
        try:
            await self.set_presence("error" if trouble else "online", trouble)
        except InstrumentError as error:  # not yet, or no longer, on the bus; the status is told again when it is
            _log.info("%s: the presence could not be told: %s", self.iid, error)

    def _free(self) -> list[Sighting]:
        now = self.clock.elapsed()
        return [s for s in self._view.by_age() if self._is_free(s, now)]

    def _is_free(self, sighting: Sighting, now: float) -> bool:
        if self._claims is not None and self._claims.claimed(sighting.path, sighting.signature):
            return False
        return not self._view.finished(sighting, now)

    def _seen(self, sighting: Sighting) -> tuple[Signature | None, ...]:
        """The state of an image and its text file."""
        aside = self._view.sidecar(sighting)
        return sighting.signature, aside.signature if aside is not None else None

    def _owner(self, sighting: Sighting) -> str | None:
        return self._claims.job_of(sighting.path, sighting.signature) if self._claims is not None else None

    # Commands ---------------------------------------------------------------------------------------------------------

    async def acquire(self, job: JobContext, *, sample: str, wait: float, existing: str) -> JobResult:
        """Wait for an image and hand it over.

        Raises:
            RetryableFault: when none came in time; the message names what came instead.
        """
        began, asked, told = self.clock.elapsed(), self._begun, -1
        before: Mapping[str, Signature | None] | None = None
        self._hurried = True
        self._bell.ring()
        while True:
            turn = self._rounds
            if before is None and self._done > asked:
                before = {} if existing == "yes" else self._view.signatures()
            if before is not None and (result := await self._take(job, sample, before)) is not None:
                return result
            spent = self.clock.elapsed() - began  # to try to read a file on a share that hangs took long, too
            # However short the wait, the folder is looked at once.
            left = (wait if before is not None else max(wait, _FIRST_LOOK_S)) - spent
            if left <= 0.0:
                raise RetryableFault("no_image", self._instead(sample, before or {}, wait))
            percent = int(100.0 * spent / wait) if 0.0 < spent < wait else 0
            if percent > told:
                told = percent
                await job.progress(percent / 100.0, remaining_s=left)
            await self._bell.until(partial(self._looked_since, turn), left)

    def _looked_since(self, turn: int) -> bool:
        return self._rounds > turn

    async def list_waiting(self, _job: JobContext, *, sample: str, most: float) -> JobResult:
        """Tell what could be acquired with ``existing = "yes"``."""
        free = [s for s in self._free() if sample in {"", s.sample}]
        lines = [f"{s.path}  {s.sample or '(no sample)'}  {s.signature.size} bytes" for s in free[: int(most)]]
        if len(free) > len(lines):
            lines.append(f"and {len(free) - len(lines)} more")
        return JobResult({"files": "\n".join(lines), "count": Quantity(value=len(free), unit="1")})

    async def release(self, _job: JobContext, *, file: str) -> JobResult:
        """Set an image free; a person's decision, since after a crash nobody can tell whether the agent has it.

        Raises:
            DeviceFault: when the file is not there, is free, or belongs to a job that runs or succeeded.
        """
        sighting = self._view.images.get(file)
        owner = self._owner(sighting) if sighting is not None else None
        if owner is None or self._claims is None:
            raise DeviceFault("not_claimed", f"{file} is not in the folder, or no job was given it")
        state = self.journal.get(owner)
        if state is None or not state.terminal or state.state == "succeeded":
            stands = "is not known" if state is None else f"is {state.state}"
            raise DeviceFault("in_use", f"{file} was given to job {owner}, which {stands}")
        self._claims.release(owner)
        return JobResult({"job": owner})

    async def _take(self, job: JobContext, sample: str, before: Mapping[str, Signature | None]) -> JobResult | None:
        """The first image that can be had, None when there is none yet."""
        now = self.clock.elapsed()
        for sighting in self._view.of_sample(sample, before):
            if self._owner(sighting) or self._view.finished(sighting, now):
                continue
            trouble, seen = self._later.get(sighting.path), self._seen(sighting)
            if trouble is not None and trouble.seen == seen and now < trouble.until:
                continue
            try:
                if (result := await self._hand_over(job, sighting)) is not None:
                    return result
            except IncompleteImageError as error:
                self._later = {p: t for p, t in self._later.items() if p in self._view.images}
                after = self.clock.elapsed()
                self._later[sighting.path] = Trouble.after(trouble, seen, error, after, self.settings.poll_s)
                if isinstance(error, HangingShareError):
                    return None
        return None

    async def _hand_over(self, job: JobContext, sighting: Sighting) -> JobResult | None:
        """Read, claim, keep; None when another job was given the same image."""
        read = await self._read(partial(_read, self.settings.directory, sighting))
        data, digest, media_type, metadata = read
        if text := await self._beside(sighting, metadata):
            metadata = await self._apart(partial(read_metadata, data, text))
        claims, path, signature = self._claims, sighting.path, sighting.signature
        if claims is None or not claims.take(path, signature, sample=sighting.sample, sha256=digest, job=job.job):
            return None
        try:
            artefacts = {"image": await job.keep(data, media_type)}
            if text:
                artefacts["sidecar"] = await job.keep(text, "text/plain")
        except BaseException:
            # The job ends without a result, so the image is nobody's: not so after a crash, where nobody can tell.
            claims.release(job.job)
            raise
        return self._result(sighting, metadata, artefacts)

    async def _beside(self, sighting: Sighting, own: ImageMetadata) -> bytes | None:
        """The text file of the image's name, waited for as the settings say."""
        if self.settings.sidecar == "never":
            return None
        now, aside = self.clock.elapsed(), self._view.sidecar(sighting)
        if aside is None or not 0 < aside.signature.size <= _SIDECAR_BYTES:
            until = sighting.since + self.settings.stable_s + self.settings.sidecar_wait_s
            if self.settings.sidecar == "always":
                raise AwaitsTextError("the text file of its name is not there", math.inf)
            if own.pixel_size_um is None and not own.note and now < until:
                raise AwaitsTextError("it has no scale, and the text file of its name is not there yet", until)
            return None
        if reason := self._view.finished(aside, now):
            raise AwaitsTextError(f"its text file is not finished: {reason}", aside.since + self.settings.stable_s)
        return await self._read(partial(read_stable, self.settings.directory, aside.path, aside.signature))

    async def _read(self, function: Callable[[], T]) -> T:
        """Read a file, but not for ever: a job's wait comes to its end on a share that hangs."""
        reading = asyncio.ensure_future(self._apart(function))
        reading.add_done_callback(lambda _reading: self._bell.ring())
        try:
            if await self._bell.until(reading.done, self.settings.hang_s):
                return reading.result()
            raise HangingShareError(f"it could not be read within {self.settings.hang_s:g} s")
        finally:
            reading.cancel()  # the thread is left to itself

    async def _apart(self, function: Callable[[], T]) -> T:
        return await own_thread.run(function, name=f"{self.iid} folder")

    def _result(self, sighting: Sighting, found: ImageMetadata, artefacts: Mapping[str, ArtefactRef]) -> JobResult:
        pixel, source = found.pixel_size_um, found.source
        if pixel is None and self.settings.pixel_size_um is not None:
            pixel, source = self.settings.pixel_size_um, "settings"
        numbers = {
            "pixel_size": (pixel, "um"),
            "voltage": (found.voltage_kv, "kV"),
            "magnification": (found.magnification, "1"),
        }
        values: dict[str, Value] = {k: Quantity(value=v, unit=u) for k, (v, u) in numbers.items() if v is not None}
        labels = sighting.labels or {}
        words = {"detector": found.detector, "scale_note": found.note}
        words |= {name: labels.get(name, "") for name in ("sample", "field", "index")}
        values |= {name: word for name, word in words.items() if word}
        return JobResult(values | {"scale_source": source, "file": sighting.path}, artefacts)

    def _instead(self, sample: str, before: Mapping[str, Signature | None], wait: float) -> str:
        """What came while an image was waited for in vain, for the message."""
        now = self.clock.elapsed()
        new = [s for s in self._view.by_age() if before.get(s.path) != s.signature]
        seen = [f"{s.path} ({self._reason(s, sample, now)})" for s in new]
        others = {p: r for p, r in self._view.others.items() if p not in before and p != self.settings.marker}
        seen += [f"{path} ({reason})" for path, reason in others.items()]
        shown = "; ".join(seen[:_SHOWN]) + (f"; and {len(seen) - _SHOWN} more" if len(seen) > _SHOWN else "")
        silence = now - self._listed_at
        late = f"; the folder was last listed {silence:.0f} s ago" if silence > 2.0 * self.settings.poll_s + 1.0 else ""
        return f"no finished new image of sample {sample!r} after {wait:g} s; seen instead: {shown or 'nothing'}{late}"

    def _reason(self, sighting: Sighting, sample: str, now: float) -> str:
        if sighting.labels is None:
            return "its name does not fit the sample pattern"
        if sighting.sample != sample:
            return f"of sample {sighting.sample!r}"
        if (owner := self._owner(sighting)) is not None:
            return f"given to job {owner}"
        trouble = self._later.get(sighting.path)
        return self._view.finished(sighting, now) or (trouble.reason if trouble else "not looked at yet")


def _read(directory: Path, sighting: Sighting) -> tuple[bytes, str, str, ImageMetadata]:
    """A finished file, its hash, its media type and what it says of itself; a large one takes a second."""
    data = read_stable(directory, sighting.path, sighting.signature)
    media_type = check_complete(sighting.path, data)
    return data, hashlib.sha256(data).hexdigest(), media_type, read_metadata(data)


def build(settings: Settings, iid: str, transport: Transport, **base: Any) -> Device:
    """The device that a file describes.

    Args:
        settings: the file's content.
        iid: the instrument's id.
        transport: its connection to the bus.
        base: everything else that a ``Device`` takes.
    """

    class Folder(WatchedFolder):
        kind = settings.kind
        max_concurrency = settings.concurrency

    return Folder(settings, iid, transport, **base)
