"""COCO files of instances: polygons and run lengths, each of a category that becomes a channel.

The format is that of Lin et al., ECCV 2014 (arXiv:1405.0312). Outlines are filled as its own library fills them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from envs.errors import UserError
from surrogates.micrograph_io import read_micrograph
from surrogates.micrograph_labels.declaration import BACKGROUND, IGNORE, channel_name
from surrogates.micrograph_labels.vocabulary import UNKNOWN, LabelledImage, LabelledSet

NEEDED = ("images", "annotations", "categories")
WHERE = ("", "images", "..", "../images")
"""Where the images of a COCO file are looked for, seen from it."""


def coco_file(folder: Path) -> Path | None:
    """The one COCO file of a folder, or of its ``annotations``; None where there is none.

    Raises:
        UserError: when there are several.
    """
    places = [folder, folder / "annotations"]
    files = [each for place in places if place.is_dir() for each in sorted(place.glob("*.json")) if _is_coco(each)]
    if len(files) > 1:
        names = ", ".join(each.name for each in files)
        raise UserError(f"{folder}: several COCO files ({names}); name the one you mean: --data {files[0]}")
    return files[0] if files else None


def read_coco(path: Path, names: Mapping[str, str]) -> LabelledSet:
    """All images of a COCO file, with the truth of its annotations.

    Args:
        path: the JSON file.
        names: what channel a category is, by its name in small letters; the others are called as they are.

    Raises:
        UserError: when the file, an image or an annotation is wrong.
    """
    data = _loaded(path)
    meanings = {_field(each, "id", path): _meaning(each, names, path) for each in data["categories"]}
    channels = tuple(dict.fromkeys(each for each in meanings.values() if each not in BACKGROUND and each != IGNORE))
    if not channels:
        raise UserError(f"{path}: has no categories to learn")
    of_image: dict[Any, list[dict[str, Any]]] = {_field(each, "id", path): [] for each in data["images"]}
    for each in data["annotations"]:
        if _field(each, "image_id", path) not in of_image:
            raise UserError(
                f"{path}: annotation {each.get('id')} belongs to image {each['image_id']}, not listed there"
            )
        if _field(each, "category_id", path) not in meanings:
            raise UserError(f"{path}: annotation {each.get('id')} has category {each['category_id']}, not listed there")
        of_image[each["image_id"]].append(each)
    if not data["images"]:
        raise UserError(f"{path}: lists no images")
    images = tuple(_labelled(entry, of_image[entry["id"]], meanings, channels, path) for entry in data["images"])
    return LabelledSet(channels, images, "COCO")


def _labelled(
    entry: dict[str, Any],
    annotations: list[dict[str, Any]],
    meanings: dict[Any, str],
    channels: tuple[str, ...],
    path: Path,
) -> LabelledImage:
    file = _image_file(str(_field(entry, "file_name", path)), path)
    image = read_micrograph(file).image
    height, width = image.shape
    said = (int(entry.get("height") or height), int(entry.get("width") or width))
    if said[1] != width or said[0] < height or said[0] > round(1.15 * height):
        raise UserError(
            f"{path}: says {said[1]} x {said[0]} pixels for {file.name}, which has {width} x {height}; export it again"
        )
    truth = np.zeros((len(channels), height, width), dtype=np.int8)
    # What is to be ignored is so, whatever else was drawn there.
    for each in sorted(annotations, key=lambda one: meanings[one["category_id"]] == IGNORE):
        meaning = meanings[each["category_id"]]
        here = _filled(each, said, path)[:height]
        if meaning == IGNORE:
            truth[:, here] = UNKNOWN
        elif meaning not in BACKGROUND:
            truth[channels.index(meaning), here] = 1
    return LabelledImage(file.name, image, truth)


def _filled(annotation: dict[str, Any], shape: tuple[int, int], path: Path) -> npt.NDArray[np.bool_]:
    """Pixels of one annotation: polygons, plain run lengths or packed ones."""
    outline = annotation.get("segmentation")
    label = f"{path}: annotation {annotation.get('id')}"
    if not outline:
        raise UserError(f"{label} has no segmentation (a box alone is not enough); export instances with outlines")
    try:
        if isinstance(outline, list):
            runs = coco_mask.merge(coco_mask.frPyObjects(outline, *shape))
        elif isinstance(outline["counts"], list):
            runs = coco_mask.frPyObjects(outline, *outline["size"])
        else:
            runs = {"size": outline["size"], "counts": str(outline["counts"]).encode()}
        filled = coco_mask.decode(runs).astype(np.bool_)
    except Exception as error:
        raise UserError(f"{label}: its segmentation cannot be read ({error})") from error
    if filled.shape != shape:
        raise UserError(f"{label}: its segmentation is of {filled.shape[1]} x {filled.shape[0]} pixels, the image of "
                        f"{shape[1]} x {shape[0]}")  # fmt: skip
    return filled


def _image_file(name: str, path: Path) -> Path:
    for place in WHERE:
        file = path.parent / place / name
        if file.is_file():
            return file
    raise UserError(f"{path}: its image {name} is not there; put it beside the file, or in 'images'")


def _meaning(category: dict[str, Any], names: Mapping[str, str], path: Path) -> str:
    name = str(_field(category, "name", path))
    return names.get(name.strip().lower()) or channel_name(name, str(path))


def _field(entry: object, key: str, path: Path) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise UserError(f"{path}: an entry has no {key!r}; export the annotations again as COCO instances")
    return entry[key]


def _loaded(path: Path) -> dict[str, list[Any]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a COCO file that can be read ({error})") from error
    missing = [key for key in NEEDED if not isinstance(data, dict) or not isinstance(data.get(key), list)]
    if missing:
        raise UserError(f"{path}: not a COCO file of instances: it has no {' and no '.join(missing)}")
    return data


def _is_coco(path: Path) -> bool:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and {"images", "annotations"} <= set(data)
