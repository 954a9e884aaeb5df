"""Text files that microscopes write beside an image: JEOL's and Hitachi's ``.txt``, TESCAN's ``.hdr``."""

from __future__ import annotations

from pathlib import Path

from envs.micrograph_texts.hitachi import read_hitachi
from envs.micrograph_texts.jeol import read_jeol
from envs.micrograph_texts.metadata import ImageMetadata
from envs.micrograph_texts.tescan import read_tescan
from envs.micrograph_texts.words import decode

_MAX_BYTES = 1 << 20
_ENDINGS = (".txt", ".TXT", ".hdr", ".HDR")


def read_beside(path: Path, row: float) -> ImageMetadata:
    """What the text file of an image's name says, if there is one of a known maker.

    Args:
        path: the image: ``a.tif`` has ``a.txt``, ``a.hdr`` or ``a-tif.hdr``, in capitals too.
        row: pixels in a row of the image.
    """
    names = [path.with_suffix(ending).name for ending in _ENDINGS]
    names += [f"{path.stem}-{path.suffix[1:]}{ending}" for ending in (".hdr", ".HDR")]
    for name in dict.fromkeys(names):
        aside = path.parent / name
        try:
            if aside == path or not aside.is_file() or aside.stat().st_size > _MAX_BYTES:
                continue
            text = decode(aside.read_bytes())
        except OSError as error:
            return ImageMetadata(note=f"{name} beside the image cannot be read ({error.strerror})")
        readings = (read_jeol(text, row), read_hitachi(text, row), read_tescan(text, row, "TESCAN sidecar"))
        found = next((each for each in readings if each.maker), None)
        if found is not None:
            return found
    return ImageMetadata()
