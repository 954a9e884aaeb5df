"""Pictures of the record, made small enough for a message."""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from agent.journal import Journal
from agent.ledger import tables as t
from envs.errors import LabwrightError, UserError
from instruments.profile.agent_messages import THUMBNAIL_LIMIT, Thumbnail
from instruments.profile.questions import Picture, Question

if TYPE_CHECKING:
    from PIL.Image import Image

    from instruments.bulk.store import ArtefactStore

FORMATS = ("PNG", "TIFF", "JPEG")
MAX_PIXELS = 64_000_000
"""Most pixels of a file that is opened: a small file may claim any number of them."""
MAX_DECODED = 128_000_000
"""Most bytes of a picture that is decoded: deep grey takes 2 to 4 a pixel, and a JPEG is decoded smaller at once."""
MAX_BYTES = 256_000_000
KEPT = 32
"""Pictures that are kept ready, each at most as large as a message may hold."""
QUALITIES = (90, 80, 65, 50)
SMALLER = 0.75
SMALLEST = 16
CLIPPED = 0.005
"""Share of the darkest and of the brightest pixels between which deep grey is stretched: a hot pixel is no picture."""
_LEVELS = 256
_SHADES = 255
_STRIP = 4_000_000
"""Pixels of deep grey that are reduced together."""
_KINDS = ("step.ended", "image.read")
"""Kinds of entries that name artefacts of instruments and of the network."""
MediaType = Literal["image/png", "image/jpeg", "image/webp"]


class Pictures:
    """Gives pictures by the hash of their file.

    Args:
        store: of the artefacts.
        place: of the journal, which says what artefacts there are.
    """

    def __init__(self, store: ArtefactStore, place: Path | str) -> None:
        self._store = store
        self._place = place
        self._kept: OrderedDict[tuple[str, int], Picture] = OrderedDict()

    async def answer(self, question: Question) -> Mapping[str, Any]:
        """One picture.

        Raises:
            UserError: the record has no such picture, or it is none that can be shown.
            JournalError: the record or the file cannot be read.
        """
        key = (str(question.sha256), question.edge)
        kept = self._kept.pop(key, None)
        found = kept if kept is not None else await asyncio.to_thread(self._made, *key)
        self._kept[key] = found
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return {"picture": found}

    def _made(self, sha256: str, edge: int) -> Picture:
        if not self._is_on_record(sha256):
            raise UserError(f"the record knows no file {sha256[:12]}...")
        with self._store.open(sha256) as file:
            file.seek(0, io.SEEK_END)
            if file.tell() > MAX_BYTES:
                raise UserError(f"the file {sha256[:12]}... is too large to be shown: {file.tell() / 1e6:.0f} MB")
            file.seek(0)
            return shown(file, sha256, edge)

    def _is_on_record(self, sha256: str) -> bool:
        events = t.events
        named = events.c.payload.contains(f'"sha256":"{sha256}"', autoescape=True)
        query = sa.select(events.c.seq).where(events.c.kind.in_(_KINDS), named).limit(1)
        with Journal(self._place, write=False) as journal:
            return bool(journal.table(query))


def shown(file: Any, sha256: str, edge: int) -> Picture:
    """A picture of at most ``edge`` pixels wide and high, in at most as many bytes as a message may hold.

    Args:
        file: open, at its beginning.
        sha256: of it.
        edge: in pixels.

    Raises:
        UserError: it is no picture that can be shown.
    """
    from PIL import Image as Pillow

    what = f"the file {sha256[:12]}..."
    try:
        with Pillow.open(file, formats=FORMATS) as opened:
            width, height = _checked(opened.size, what)
            opened.draft("RGB" if opened.mode != "L" else "L", (edge, edge))  # a large JPEG is decoded small at once
            _checked_decoded(opened, what)
            small = _small(opened, edge)
    except LabwrightError:
        raise
    # Decoders raise whatever they like at a damaged file, warnings of oversize among them.
    except Exception as error:
        raise UserError(f"{what} is no picture that can be shown (PNG, TIFF, JPEG): {error}") from error
    return Picture(sha256=sha256, thumbnail=_fitted(small), width=width, height=height)


def _checked(size: tuple[int, int], what: str) -> tuple[int, int]:
    if size[0] * size[1] > MAX_PIXELS:
        raise UserError(f"{what} has {size[0]} x {size[1]} pixels: too many to be shown")
    return size


def _checked_decoded(opened: Image, what: str) -> None:
    a_pixel = {"1": 1, "L": 1}.get(opened.mode, 2 if opened.mode.startswith("I;16") else 4)
    if opened.width * opened.height * a_pixel > MAX_DECODED:
        raise UserError(
            f"{what} has {opened.width} x {opened.height} pixels of {8 * a_pixel} bits: too many to be shown"
        )


def _small(opened: Image, edge: int) -> Image:
    from PIL.Image import Resampling

    image: Image = opened
    deep = image.mode.startswith(("I", "F"))
    if deep:
        image = _reduced_deep(image, edge)
    elif image.mode not in {"L", "RGB", "RGBA"}:
        has_alpha = image.mode in {"LA", "PA"} or "transparency" in image.info
        image = image.convert("RGBA" if has_alpha else "L" if image.mode == "1" else "RGB")
    size = _size(image.size, edge)
    # Reducing to twice the size by whole steps first takes a tenth of the time, and cannot be seen.
    image = image.resize(size, Resampling.LANCZOS if not deep else Resampling.BOX, reducing_gap=2.0)
    return _stretched(image) if deep else image


def _reduced_deep(image: Image, edge: int) -> Image:
    """Deep grey as 32-bit numbers, made smaller by a whole factor strip by strip: never all of it at once."""
    from PIL import Image as Pillow

    by = max(1, max(image.size) // (2 * edge))
    small = Pillow.new("F", (-(-image.width // by), -(-image.height // by)))
    rows = max(1, _STRIP // (image.width * by)) * by
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height))).convert("F")
        small.paste(strip.reduce(by), (0, top // by))
    return small


def _size(size: tuple[int, int], edge: int) -> tuple[int, int]:
    scale = min(1.0, edge / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _stretched(image: Image) -> Image:
    """Deep grey as 256 shades, between its darkest and its brightest but for a few pixels."""
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]  # one band has one pair
    if not low < high:
        return image.point(lambda _value: _value * 0.0 + _SHADES // 2).convert("L")
    for _ in range(2):  # a single hot pixel leaves the first histogram one full bin: the second look sees the picture
        low, high = _between(image, low, high)
    scale = _SHADES / (high - low)
    offset = -low * scale
    return image.point(lambda value: value * scale + offset).convert("L")


def _between(image: Image, low: float, high: float) -> tuple[float, float]:
    """Values between which nearly all pixels are."""
    scale = (_LEVELS - 1) / (high - low)
    offset = -low * scale
    counts = image.point(lambda value: value * scale + offset).convert("L").histogram()
    few = CLIPPED * sum(counts)
    first, last = _rank(counts, few), _LEVELS - 1 - _rank(counts[::-1], few)
    return low + first / scale, low + max(last, first + 1) / scale


def _rank(counts: list[int], few: float) -> int:
    total = 0
    for level, count in enumerate(counts):
        total += count
        if total > few:
            return level
    return 0


# ---- Into a message


def _fitted(image: Image) -> Thumbnail:
    """The picture in the best form that a message can hold: lines stay sharp where they can."""
    for made, media_type in _forms(image):
        if len(made) <= THUMBNAIL_LIMIT:
            return Thumbnail.of(made, media_type)
    raise UserError("the picture cannot be made small enough for a message")


def _forms(image: Image) -> Iterator[tuple[bytes, MediaType]]:
    while True:
        if image.mode != "L" or image.width * image.height <= 2 * THUMBNAIL_LIMIT:
            yield _coded(image, "PNG", optimize=True), "image/png"
        for quality in QUALITIES:
            yield _lossy(image, quality)
        if max(image.size) * SMALLER < SMALLEST:
            return
        image = image.resize(_size(image.size, int(max(image.size) * SMALLER)))


def _lossy(image: Image, quality: int) -> tuple[bytes, MediaType]:
    from PIL import features

    if features.check("webp"):
        return _coded(image, "WEBP", quality=quality), "image/webp"
    return _coded(image.convert("L" if image.mode == "L" else "RGB"), "JPEG", quality=quality), "image/jpeg"


def _coded(image: Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()
