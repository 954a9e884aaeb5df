"""What a micrograph's file says of itself: how large a pixel is, and how the image was taken.

The texts of each maker are read by ``envs.micrograph_texts``, which the readers of pixels use as well. In the order in
which they are believed: FEI/Thermo, Zeiss and TESCAN tags; JEOL's and Hitachi's text files beside the image; the
resolution of a TIFF, where it can be no print's.

Where the sources speak of another number of pixels in a row than the image has, it was resampled or cut after it was
taken, and no scale is better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable

from envs.micrograph_texts.fei import FEI_TAGS, read_fei
from envs.micrograph_texts.hitachi import read_hitachi
from envs.micrograph_texts.jeol import read_jeol
from envs.micrograph_texts.metadata import ImageMetadata, completed
from envs.micrograph_texts.resolution import read_resolution
from envs.micrograph_texts.tescan import TESCAN_TAG, read_tescan
from envs.micrograph_texts.words import decode
from envs.micrograph_texts.zeiss import ZEISS_TAG, read_zeiss
from instruments.adapters.tiff_tags import (
    DESCRIPTION,
    RESOLUTION_UNIT,
    TIFF_MAGIC,
    WIDTH,
    X_RESOLUTION,
    Y_RESOLUTION,
    IncompleteImageError,
    Page,
    read_pages,
)

_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\x00IEND\xaeB`\x82"


def check_complete(name: str, data: bytes) -> str:
    """Make sure that a file holds a whole image, and say of which kind.

    Args:
        name: the file's name; its ending counts where the content is of no known kind.
        data: the whole file.

    Returns:
        The media type; ``application/octet-stream`` for what is neither TIFF, PNG nor JPEG.

    Raises:
        IncompleteImageError: when it is empty, cut off, or not what its name promises.
    """
    if not data:
        raise IncompleteImageError("it is empty")
    if data[:4] in TIFF_MAGIC:
        read_pages(data)
        return "image/tiff"
    if data.startswith(_PNG):
        if _PNG_END not in data[-64:]:
            raise IncompleteImageError("the PNG file has no end yet")
        return "image/png"
    if data.startswith(b"\xff\xd8"):
        if not data.rstrip(b"\0").endswith(b"\xff\xd9"):
            raise IncompleteImageError("the JPEG file has no end yet")
        return "image/jpeg"
    if name.lower().endswith((".tif", ".tiff", ".png", ".jpg", ".jpeg")):
        raise IncompleteImageError("its content is not, or not yet, the kind of image that its name says")
    return "application/octet-stream"


def read_metadata(data: bytes, sidecar: bytes | None = None) -> ImageMetadata:
    """Everything that an image and the text file beside it say.

    Args:
        data: a whole image file, as ``check_complete`` has found it.
        sidecar: the content of the text file of the same name, if there is one.
    """
    page = read_pages(data)[0] if data[:4] in TIFF_MAGIC else Page({})
    row = page.number(WIDTH) or _png_width(data)
    text = decode(sidecar) if sidecar else ""
    readers: tuple[Callable[[], ImageMetadata], ...] = (
        lambda: read_fei(next((t for tag in FEI_TAGS if (t := page.text(tag))), ""), row),
        lambda: read_zeiss(page.text(ZEISS_TAG), row),
        lambda: read_tescan(page.text(TESCAN_TAG)),
        lambda: read_jeol(text, row),
        lambda: read_hitachi(text, row),
        lambda: _resolution(page),
    )
    known = ImageMetadata()
    for read in readers:
        known = completed(known, read())
        if known.pixel_size_um is None and known.note:
            break  # the image was resampled: what weaker sources say is no better
    return known


def _resolution(page: Page) -> ImageMetadata:
    unit = int(page.number(RESOLUTION_UNIT) or 2)
    found = read_resolution(page.number(X_RESOLUTION), page.number(Y_RESOLUTION), unit, page.text(DESCRIPTION))
    return found if found.pixel_height_um is None else ImageMetadata()  # one number cannot say both edges


def _png_width(data: bytes) -> float | None:
    return float(int.from_bytes(data[16:20], "big")) if data.startswith(_PNG) and len(data) >= 24 else None
