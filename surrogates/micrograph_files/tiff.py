"""Micrographs in TIFF files: which page is the image, its pixels as grey levels or colours, and what its tags say."""

from __future__ import annotations

import io
import itertools
import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from envs.errors import UserError
from envs.micrograph_texts.fei import FEI_TAGS, read_fei
from envs.micrograph_texts.hitachi import read_hitachi
from envs.micrograph_texts.jeol import read_jeol, read_sightx
from envs.micrograph_texts.metadata import ImageMetadata
from envs.micrograph_texts.resolution import read_resolution
from envs.micrograph_texts.tescan import TESCAN_TAG, read_tescan
from envs.micrograph_texts.zeiss import ZEISS_TAG, read_zeiss
from surrogates.micrograph_files.grey import luminance
from surrogates.micrograph_files.olympus import SIS_TAGS, read_sis
from surrogates.micrograph_files.ome import read_ome
from surrogates.micrograph_files.picture import decode_picture
from surrogates.micrograph_files.raw import RawImage, check_size

TIFF_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
MAKERS_TAGS = (*FEI_TAGS, ZEISS_TAG, TESCAN_TAG, *SIS_TAGS)
MOST_SAMPLES = 4
"""Values of a pixel: red, green, blue and how opaque it is."""
_MAX_PAGES, _MAX_TEXT = 256, 1 << 24
_WHITE_IS_ZERO, _PALETTE = 0, 3
_X_RESOLUTION, _Y_RESOLUTION, _UNIT = 282, 283, 296

# tifffile warns of every odd tag; without a handler Python would print that beside the one clear message of ours.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read_tiff(content: bytes, name: str) -> RawImage:
    """The image of a TIFF or BigTIFF file.

    Several pages are one image where a microscope's tags say which (their first page), or where the others are smaller
    (previews); pages of one size without a maker's tags are a stack, of which the user must choose.

    Raises:
        UserError: when the file is damaged, a stack, or no image of a size that can be measured.
    """
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page = _chosen(file, name)
            check_size(page.imagelength, page.imagewidth, name)
            _check_depth(page, name)
            _check_whole(page, len(content), name)
            strong, weak = _said(page)
            pixels, full_scale = _pixels(page, content, name)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{name}: not a TIFF file that can be read ({error}); export the image again") from error
    return RawImage(pixels, full_scale, strong, weak)


def _chosen(file: Any, name: str) -> Any:
    """The page that is the micrograph."""
    pages = list(itertools.islice(file.pages, _MAX_PAGES))
    if not pages:
        raise UserError(f"{name}: a TIFF file that cannot be read as an image: it holds none; export the image again")
    own = next((page for page in pages if any(tag in page.tags for tag in MAKERS_TAGS)), None)
    if own is not None:
        return own
    largest = max(pages, key=lambda page: page.imagewidth * page.imagelength)
    equal = [p for p in pages if (p.imagewidth, p.imagelength) == (largest.imagewidth, largest.imagelength)]
    stacked = max(len(equal), int((file.imagej_metadata or {}).get("images", 1)))
    if stacked > 1 or largest.imagedepth > 1:
        frames = max(stacked, largest.imagedepth)
        raise UserError(f"{name}: a stack of {frames} images of one size; save the single frame to be read")
    return largest


def _check_depth(page: Any, name: str) -> None:
    """Refuse values beyond those of one image before they are decoded: a few bytes can stand for more than a memory."""
    if page.imagedepth > 1 or page.samplesperpixel > MOST_SAMPLES:
        raise UserError(
            f"{name}: {page.samplesperpixel} values a pixel in {page.imagedepth} layers are not one image; "
            "save a single frame"
        )


def _check_whole(page: Any, size: int, name: str) -> None:
    """Refuse a file that ends before its pixels do: libraries fill in black or nothing."""
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if not ends or max(ends) > size:
        raise UserError(f"{name}: the TIFF file cannot be read as a whole, its end is missing; copy or export it again")


def _said(page: Any) -> tuple[tuple[ImageMetadata, ...], ImageMetadata]:
    """What makers' tags say, and what the resolution says."""
    row, words = page.imagewidth, str(page.description or "")
    sis: dict[str, Any] = {}
    for value in (page.tags.valueof(tag) for tag in SIS_TAGS):
        sis.update(value if isinstance(value, dict) else {})
    strong = (
        read_fei(next((text for tag in FEI_TAGS if (text := _text(page, tag))), ""), row),
        read_zeiss(_text(page, ZEISS_TAG), row),
        read_tescan(_text(page, TESCAN_TAG), row),
        read_sis(sis, row),
        read_sightx(words, row),
        read_ome(words, row),
        # Programs that convert files keep the text that stood beside them in the description.
        read_jeol(words, row),
        read_hitachi(words, row),
    )
    across, down = (_rational(page.tags.valueof(tag)) for tag in (_X_RESOLUTION, _Y_RESOLUTION))
    return strong, read_resolution(across, down, int(page.tags.valueof(_UNIT, 2)), words)


def _text(page: Any, number: int) -> str:
    """A tag's text as it stands in the file: tifffile's own readings leave out what they do not expect."""
    tag = page.tags.get(number)
    if tag is None or tag.valuebytecount > _MAX_TEXT:
        return ""
    handle = page.parent.filehandle
    handle.seek(tag.valueoffset)
    return bytes(handle.read(tag.valuebytecount)).rstrip(b"\0").decode("latin-1")


def _rational(value: object) -> float | None:
    over, under = value if isinstance(value, tuple) and len(value) == 2 else (value, 1)
    return float(over) / float(under) if isinstance(over, int | float) and isinstance(under, int) and under else None


def _pixels(page: Any, content: bytes, name: str) -> tuple[npt.NDArray[Any], float | None]:
    """Grey levels or colours, white the largest, and the value of white where the type tells it."""
    try:
        values = page.asarray()
    except Exception:  # noqa: BLE001 - whatever tifffile lacks a codec for, or says of it, Pillow may decode
        return decode_picture(content, name, ("TIFF",), page.index)
    if page.axes.startswith("S") and values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    if page.photometric == _PALETTE and page.colormap is not None:
        return luminance(np.moveaxis(page.colormap, 0, -1).astype(np.float32))[values], 65535.0
    if values.ndim not in {2, 3}:
        raise UserError(f"{name}: an array of shape {values.shape} is not one image; save a single frame")
    bits = page.bitspersample if isinstance(page.bitspersample, int) else 16
    full = float(2**bits - 1) if bits <= 8 else None
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if page.photometric == _WHITE_IS_ZERO:
        top = full if full is not None else float(np.iinfo(values.dtype).max) if values.dtype.kind == "u" else 0.0
        values = (top - values.astype(np.float64)).astype(np.float32)
    return values, full
