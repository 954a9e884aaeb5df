"""Images with masks: ``NAME.png`` beside ``NAME_mask.png``, or the same names in ``images`` and ``masks``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image as Pillow

from envs.errors import UserError
from surrogates.micrograph_io import read_micrograph
from surrogates.micrograph_labels.declaration import BACKGROUND, HOW, IGNORE, Declaration, Value
from surrogates.micrograph_labels.vocabulary import UNKNOWN, LabelledImage, LabelledSet, Truth, images_in

ENDINGS = ("_mask", "_masks", "_label", "_labels", "_seg", "_segmented")
IMAGES, MASKS = ("images", "image"), ("masks", "mask", "labels", "annotations")
MOST_SHOWN = 8
"""Values of a mask that a message names."""


def pairs_in(folder: Path) -> list[tuple[Path, Path]]:
    """Image and mask of each pair; empty where the folder has no masks at all.

    Raises:
        UserError: when an image has no mask, or a mask no image.
    """
    images, masks = _subfolder(folder, IMAGES), _subfolder(folder, MASKS)
    if images is not None and masks is not None:
        return _matched(images_in(images), images_in(masks), folder)
    files = images_in(folder)
    masked = [each for each in files if each.stem.lower().endswith(ENDINGS)]
    return _matched([each for each in files if each not in masked], masked, folder) if masked else []


def read_pairs(pairs: list[tuple[Path, Path]], declaration: Declaration | None) -> LabelledSet:
    """All pairs, with the truth that the masks tell.

    Raises:
        UserError: when a file cannot be read, sizes differ, or a value was not declared.
    """
    if declaration is None:
        values = ", ".join(_shown(each) for each in _values(_mask(pairs[0][1], coloured=None)))
        raise UserError(f"{pairs[0][1]}: the mask has the values {values}; {HOW}")
    images = tuple(_labelled(image, mask, declaration) for image, mask in pairs)
    return LabelledSet(declaration.channels, images, "mask pairs")


def _labelled(image_path: Path, mask_path: Path, declaration: Declaration) -> LabelledImage:
    image = read_micrograph(image_path).image
    mask = _mask(mask_path, coloured=declaration.coloured)
    rows, columns = mask.shape[:2]
    # An info bar is cut off the image when it is read; the mask was drawn on the whole of it.
    if columns != image.shape[1] or not image.shape[0] <= rows <= round(1.15 * image.shape[0]):
        raise UserError(
            f"{mask_path}: the mask is {columns} x {rows} pixels, its image {image_path.name} "
            f"{image.shape[1]} x {image.shape[0]}; save both in the same size"
        )
    return LabelledImage(image_path.name, image, truth_of(mask[: image.shape[0]], declaration, str(mask_path)))


def truth_of(mask: npt.NDArray[Any], declaration: Declaration, name: str) -> Truth:
    """What a mask (H, W), or (H, W, 3) of colours, tells: int8 (C, H, W) in the order of the declaration.

    Raises:
        UserError: when a value was not declared.
    """
    meanings = dict(declaration.meanings)
    nothing: Value = (0, 0, 0) if declaration.coloured else 0
    meanings.setdefault(nothing, "background")
    lines = [value for value in declaration.meanings if value != nothing]
    if not declaration.coloured and len(lines) == 1 and int(mask.max(initial=0)) <= int(lines[0]):  # type: ignore[arg-type]
        # One thing on black: values between are the soft edges of what was drawn.
        mask = np.where(mask * 2 >= lines[0], lines[0], 0)
    unknown = [value for value in _values(mask) if value not in meanings]
    if unknown:
        more = " ..." if len(unknown) > MOST_SHOWN else ""
        shown = ", ".join(_shown(each) for each in unknown[:MOST_SHOWN])
        raise UserError(f"{name}: values {shown}{more} are not in {declaration.source}; {HOW}")
    truth = np.zeros((len(declaration.channels), *mask.shape[:2]), dtype=np.int8)
    for value, meaning in meanings.items():
        here = (mask == np.array(value)).all(axis=2) if isinstance(value, tuple) else mask == value
        if meaning == IGNORE:
            truth[:, here] = UNKNOWN
        elif meaning not in BACKGROUND:
            truth[declaration.channels.index(meaning), here] = 1
    return truth


def _mask(path: Path, *, coloured: bool | None) -> npt.NDArray[Any]:
    """Values (H, W), or colours (H, W, 3) where they are asked for or the file has nothing else.

    Raises:
        UserError: when the file cannot be read, or has no colours, or nothing but colours.
    """
    try:
        if path.suffix.lower() in {".tif", ".tiff"}:
            pixels = tifffile.imread(path)
        else:
            with warnings.catch_warnings(), Pillow.open(path) as picture:
                warnings.simplefilter("error", Pillow.DecompressionBombWarning)
                # A palette's indices are the values, as in the masks of Pascal VOC, unless colours were declared.
                plain = picture.mode in {"L", "I", "I;16"} or (picture.mode == "P" and not coloured)
                bits = picture.mode == "1"
                pixels = np.asarray(picture if plain else picture.convert("L" if bits else "RGB"))
    except Exception as error:
        raise UserError(f"{path}: not a mask that can be read (PNG, TIFF or JPEG): {error}") from error
    if pixels.ndim == 3 and pixels.shape[2] in {3, 4}:
        pixels = pixels[:, :, :3]
        grey = bool((pixels == pixels[:, :, :1]).all())
        if coloured or (coloured is None and not grey):
            return pixels
        if not grey:
            raise UserError(f'{path}: the mask is in colour; declare colours, such as "#ff0000" = "phase"')
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2 or pixels.dtype.kind not in "uib":
        raise UserError(f"{path}: a mask needs one whole number for each pixel, not {pixels.shape} of {pixels.dtype}")
    if coloured:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return pixels.astype(np.int32)


def _matched(images: list[Path], masks: list[Path], folder: Path) -> list[tuple[Path, Path]]:
    by_stem = {_stem(each): each for each in masks}
    own = {each.stem: each for each in images}
    if not masks:
        raise UserError(f"{folder}: has images but no masks")
    for stem, mask in by_stem.items():
        if stem not in own:
            raise UserError(f"{mask}: a mask without its image; put {stem}.png (or .tif, .jpg) where the images are")
    for stem, image in own.items():
        if stem not in by_stem:
            raise UserError(f"{image}: an image without its mask; add {stem}_mask.png, or take the image out")
    return [(own[stem], by_stem[stem]) for stem in sorted(own)]


def _stem(mask: Path) -> str:
    for ending in ENDINGS:
        if mask.stem.lower().endswith(ending):
            return mask.stem[: -len(ending)]
    return mask.stem


def _subfolder(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _values(mask: npt.NDArray[Any]) -> list[Value]:
    if mask.ndim == 3:
        codes = np.unique(mask.astype(np.int64) @ np.array([65536, 256, 1]))
        return [(int(code) >> 16, int(code) >> 8 & 255, int(code) & 255) for code in codes]
    return [int(value) for value in np.unique(mask)]


def _shown(value: Value) -> str:
    return "#{:02x}{:02x}{:02x}".format(*value) if isinstance(value, tuple) else str(value)
