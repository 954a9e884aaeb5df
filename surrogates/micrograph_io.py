"""Reads micrographs: the grey image without its info bar, its pixel size with the source, and how it was taken."""

from __future__ import annotations

import math
import stat
from dataclasses import dataclass
from pathlib import Path

from envs.errors import UserError
from envs.micrograph_texts.metadata import ImageMetadata, completed
from surrogates.micrograph_files.beside import read_beside
from surrogates.micrograph_files.grey import Grey, to_grey
from surrogates.micrograph_files.info_bar import bar_rows
from surrogates.micrograph_files.picture import read_picture
from surrogates.micrograph_files.raw import RawImage, check_size
from surrogates.micrograph_files.square import to_square
from surrogates.micrograph_files.tiff import TIFF_MAGIC, read_tiff

MAX_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Micrograph:
    """A micrograph ready to be measured.

    Args:
        image: float32, shape (H, W), 0 to 1, without info bar, its pixels square.
        pixel_size_um: edge of a pixel in micrometres, or None when nothing states it.
        scale_source: where the pixel size came from: ``given``, ``FEI metadata``, ``Zeiss metadata``,
            ``TESCAN metadata``, ``TESCAN sidecar``, ``JEOL metadata``, ``JEOL sidecar``, ``Hitachi sidecar``,
            ``Olympus metadata``, ``OME metadata``, ``TIFF resolution``, ``PNG resolution``, ``JPEG resolution``,
            ``PNG text`` or ``none``.
        voltage_kv: acceleration voltage, where the file states it.
        detector: name of the signal, empty where the file states none.
        working_distance_mm: from the lens to the specimen, where the file states it.
        maker: of the microscope or its software, empty where it is not known.
        info_bar_rows: rows that were cut off at the bottom.
        note: why a scale that seemed to be there was not taken.
    """

    image: Grey
    pixel_size_um: float | None
    scale_source: str
    voltage_kv: float | None = None
    detector: str = ""
    working_distance_mm: float | None = None
    maker: str = ""
    info_bar_rows: int = 0
    note: str = ""


def read_micrograph(source: Path | bytes, pixel_size_um: float | None = None) -> Micrograph:
    """Read an image of a microscope with what its maker wrote into it, or a PNG, JPEG or BMP.

    Args:
        source: a file, or a file's content. A text file of the image's name is read beside a path only.
        pixel_size_um: edge of a pixel along a row; what is given here wins over the file's own.

    Raises:
        UserError: when the file cannot be read as one image, or the pixel size is not positive.
    """
    name = "the image" if isinstance(source, bytes) else str(source)
    if pixel_size_um is not None and not 0.0 < pixel_size_um < math.inf:
        raise UserError(f"{name}: pixel size {pixel_size_um} um must be positive and finite")
    content = source if isinstance(source, bytes) else _content(source, name)
    raw = read_tiff(content, name) if content[:4] in TIFF_MAGIC else read_picture(content, name)
    said = _said(raw, source)
    bar = _bar(raw, said)
    rows = raw.pixels.shape[0] - bar
    check_size(rows, raw.pixels.shape[1], name)
    image = to_grey(raw.pixels[:rows], raw.full_scale, name)
    image, pixel = _square(image, said, pixel_size_um, name)
    return Micrograph(
        image=image,
        pixel_size_um=pixel,
        scale_source=said.source if pixel_size_um is None else "given",
        voltage_kv=said.voltage_kv,
        detector=said.detector,
        working_distance_mm=said.working_distance_mm,
        maker=said.maker,
        info_bar_rows=bar,
        note=said.note,
    )


def _content(path: Path, name: str) -> bytes:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
            raise UserError(f"{name}: is no file but a device or a pipe, which may have no end; save the image first")
        if about.st_size > MAX_BYTES:
            raise UserError(f"{name}: a file of more than {MAX_BYTES // 10**9} GB; cut a field out of the image")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror}); check the path and its permissions") from error


def _said(raw: RawImage, source: Path | bytes) -> ImageMetadata:
    """Everything that is said of the image, the stronger source first."""
    aside = ImageMetadata() if isinstance(source, bytes) else read_beside(source, raw.pixels.shape[1])
    known = ImageMetadata()
    for more in (*raw.strong, aside, raw.weak):
        known = completed(known, more)
        if known.pixel_size_um is None and known.note:
            break  # the image was resampled: what weaker sources say is no better
    return known


def _square(image: Grey, said: ImageMetadata, given: float | None, name: str) -> tuple[Grey, float | None]:
    """The image with square pixels, and their edge where one is known."""
    wide, tall = said.pixel_size_um, said.pixel_height_um
    # Whoever corrects a pixel's width does not say that the shape of the pixels was wrong, too.
    ratio = tall / wide if wide is not None and tall is not None else 1.0
    edge = given if given is not None else wide
    return (image, None) if edge is None else to_square(image, edge, edge * ratio, name)


def _bar(raw: RawImage, said: ImageMetadata) -> int:
    """Rows of the info bar: as the metadata tell, else as it looks."""
    height, width = raw.pixels.shape[:2]
    # A frame of less than half of the rows is a damaged number, no frame with a bar.
    if said.frame_rows is not None and said.frame_columns in {None, width} and height // 2 < said.frame_rows < height:
        return height - said.frame_rows
    return bar_rows(raw.pixels, raw.full_scale)
